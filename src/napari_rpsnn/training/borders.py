"""What happens at the borders of pictures: defocus fades into what lies beyond, alignment leaves parts without data.

Out of focus, an image takes light from beyond the picture's border, where there is none: it grows dark within the width
of its blur. An image that was moved to fit another one has no data along a side, and one value stands there instead.
In patches from the inside of pictures there is neither, so that both have to be put in.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_rpsnn.training.acquisition import Scene
from napari_rpsnn.training.random_draws import Draw

#: Share of pairs at the border of a picture, and of their sides that are on it.
FADED, SIDE = 0.18, 0.4
#: Share of pairs of which one image has no data along a side, and of those where black stands for it.
EMPTY, BLACK = 0.08, 0.7


def put_borders(scene: Scene, draw: Draw) -> None:
    """Put borders into some pairs of a recorded scene: the truth does not fade, and has data where one image has."""
    _fade(scene, draw)
    _empty(scene, draw)


def _fade(scene: Scene, draw: Draw) -> None:
    """Where an image is out of focus it fades along one to four sides, from its half at the very border."""
    n = len(scene.sharp)
    on_border = torch.cat([draw.chance(SIDE, n) for _ in range(4)], 1)
    on_border = torch.where(on_border.any(1, keepdim=True), on_border, _one_side(draw, n))
    width_px = draw.uniform(0.5, 7, n)
    light = torch.special.ndtr(_distances_px(scene.sharp) / width_px)
    kept = torch.where(on_border, light, 1.0).prod(1, keepdim=True)
    here = draw.chance(FADED, n)
    which = draw.uniform(0, 3, n)  # the near one, the far one or both
    # Of pixels that belong to both images none is out of focus.
    near, far = ((1 - 2 * share).clamp_min(0) for share in (scene.share, 1 - scene.share))
    scene.near = torch.where(here & (which > 1), scene.near * (1 - near * (1 - kept)), scene.near)
    scene.far = torch.where(here & (which < 2), scene.far * (1 - far * (1 - kept)), scene.far)


def _empty(scene: Scene, draw: Draw) -> None:
    """One image has no data in a wedge along a side, and the truth is the other one there, whatever it shows."""
    n = len(scene.sharp)
    distance_px = (_distances_px(scene.sharp) * _one_side(draw, n)).sum(1, keepdim=True)
    rows, columns = scene.sharp.shape[-2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    # Along a side one of both is constant, so that their sum runs along it, whichever side it is.
    along = (y - rows / 2).to(draw.device) + (x - columns / 2).to(draw.device)
    slope = draw.uniform(-0.08, 0.08, n)
    empty = (distance_px < draw.uniform(0, 14, n) + slope * along) & draw.chance(EMPTY, n)
    value = torch.where(draw.chance(BLACK, n), 0.0, draw.uniform(0, 1, n))
    in_near = draw.chance(0.5, n)
    scene.sharp = torch.where(empty, torch.where(in_near, scene.far, scene.near), scene.sharp)
    scene.near = torch.where(empty & in_near, value, scene.near)
    scene.far = torch.where(empty & ~in_near, value, scene.far)


def _distances_px(like: Tensor) -> Tensor:
    """Of pixel centres to the top, the bottom, the left and the right, `(1, 4, rows, columns)`."""
    rows, columns = like.shape[-2:]
    y = (torch.arange(rows, device=like.device) + 0.5)[:, None].expand(rows, columns)
    x = (torch.arange(columns, device=like.device) + 0.5)[None, :].expand(rows, columns)
    return torch.stack((y, rows - y, x, columns - x))[None]


def _one_side(draw: Draw, n: int) -> Tensor:
    """Which of four sides, `(n, 4, 1, 1)` booleans."""
    side = draw.uniform(0, 4, n).floor()
    return side == torch.arange(4, device=draw.device).reshape(1, 4, 1, 1)

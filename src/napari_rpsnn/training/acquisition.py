"""What makes two exposures of one scene differ: shift and magnification, brightness, noise, JPEG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_rpsnn.training.random_draws import Draw


@dataclass
class Scene:
    """A near and a far image and the truth, `(N, 3, rows, columns)`.

    `share`, `(N, 1, rows, columns)`, is the part of each pixel of `sharp` that is to come from `near`.
    """

    near: Tensor
    far: Tensor
    sharp: Tensor
    share: Tensor

    @classmethod
    def join(cls, scenes: Sequence[Scene]) -> Scene:
        """All images of several scenes in one batch."""
        return cls(*(torch.cat([getattr(s, f.name) for s in scenes]) for f in fields(cls)))

    @classmethod
    def choose(cls, condition: Tensor, yes: Scene, no: Scene) -> Scene:
        """Image by image from one of two scenes."""
        return cls(*(torch.where(condition, getattr(yes, f.name), getattr(no, f.name)) for f in fields(cls)))

    def inside(self, margin_px: int) -> Scene:
        """The scene without a margin, in values that a picture can have."""
        inner = (..., slice(margin_px, -margin_px), slice(margin_px, -margin_px))
        return Scene(*(getattr(self, f.name)[inner].clamp(0, 1) for f in fields(self)))


def record(scene: Scene, draw: Draw) -> None:
    """Let two exposures differ as real ones do: shift and magnification, brightness, noise, JPEG.

    Whatever befalls an image befalls its share of the truth too: fusion is to hand on the sharper source as it is,
    not to restore it.
    """
    n = len(scene.sharp)
    share = scene.share
    moved = draw.chance(0.25, n)
    grid = _small_motion(draw, scene.sharp)
    far, truth = (
        torch.where(moved, F.grid_sample(x, grid, "bicubic", "reflection", align_corners=False), x)
        for x in (scene.far, scene.sharp)
    )
    gain = torch.where(draw.chance(0.25, n), draw.uniform(0.97, 1.03, n), 1.0)
    far, truth = far * gain, truth * gain
    scene.far, scene.sharp = far, share * scene.sharp + (1 - share) * truth
    # One camera took both: the level of noise is one, its values are not. Noise in one image alone would teach the
    # network that noise is no detail, at the cost of doubting real detail.
    sigma = draw.uniform(0, 1, n) ** 2 * 0.03 * draw.chance(0.6, n)
    compressed, quality = draw.chance(0.4, n), draw.uniform(70, 97, n)
    for name, part in (("near", share), ("far", 1 - share)):
        clean = getattr(scene, name)
        noisy = clean + sigma * torch.randn(clean.shape, generator=draw.torch, device=draw.device)
        recorded = torch.where(compressed, _jpeg(noisy, quality), noisy)
        setattr(scene, name, recorded)
        scene.sharp = scene.sharp + part * (recorded - clean)


def _small_motion(draw: Draw, image: Tensor) -> Tensor:
    """Sampling grids that shift by up to 1.5 pixels and magnify by up to 0.5 %."""
    n, size = len(image), image.shape[-1]
    shift = draw.uniform(-1.5, 1.5, n, 2).reshape(n, 2, 1) * 2 / size
    scale = draw.uniform(0.995, 1.005, n).reshape(n, 1, 1)
    theta = torch.cat([torch.eye(2, device=image.device) * scale, shift], 2)
    return F.affine_grid(theta, list(image.shape), align_corners=False)


# JPEG's example luminance table (ITU-T T.81, table K.1).
_LUMINANCE = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=torch.float32,
)


def _jpeg(image: Tensor, quality: Tensor) -> Tensor:
    """Quantise 8x8 blocks of each colour as JPEG of `quality` (50 to 100) does, without chroma subsampling."""
    rows, columns = image.shape[-2:]
    k = torch.arange(8, device=image.device)
    dct = torch.cos(math.pi / 8 * (k[None, :] + 0.5) * k[:, None]) / 2
    dct[0] /= math.sqrt(2)
    step = (_LUMINANCE.to(image.device) * (2 - quality / 50)).clamp_min(1) / 255
    padded = F.pad(image, (0, -columns % 8, 0, -rows % 8), mode="replicate")
    blocks = padded.unfold(2, 8, 8).unfold(3, 8, 8)
    step = step[:, :, None, None]
    coefficients = torch.round(dct @ blocks @ dct.T / step) * step
    blocks = dct.T @ coefficients @ dct
    return blocks.permute(0, 1, 2, 4, 3, 5).reshape(padded.shape)[..., :rows, :columns]


def disturbed(stack: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Planes `(N, rows, columns)` as cameras and earlier alignment leave them, and where they hold data.

    Noise, equal in all planes or of photons, brightness that drifts from plane to plane, hot pixels, and borders
    without data.
    """
    n, rows, columns = stack.shape
    uniform = draw.python.uniform

    def chance(share: float) -> bool:
        return draw.python.random() < share

    seen = stack.clone()
    if chance(0.3):
        seen = seen * draw.uniform(0.75, 1.25, n)[:, 0]
    if chance(0.65):
        sigma = uniform(0, 1) ** 1.3 * 0.13
        normal = torch.randn(stack.shape, generator=draw.torch)
        seen = seen + sigma * normal * (seen.clamp(0.02, 1).sqrt() if chance(0.5) else 1)
    if chance(0.15):
        for _ in range(draw.python.randint(1, 6)):
            hot = tuple(draw.python.randrange(length) for length in stack.shape)
            seen[hot] = draw.python.choice((0.0, 1.0, 1.0))
    valid = torch.ones(stack.shape, dtype=torch.bool)
    if chance(0.15):
        row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        for k in range(n):
            if chance(0.6):
                side = draw.python.choice((row, rows - 1 - row, column, columns - 1 - column))
                along = column if side is row else row
                valid[k] = side + uniform(-0.06, 0.06) * along >= uniform(1, 16)
        valid |= ~valid.any(0)
    return seen.clamp(0, 1), valid

"""Outlines of what lies far before, or behind, something else: which of the two planes a pixel beside them comes from.

Beside a bristle its own plane shows the ground without detail, and the ground's plane shows the bristle, spread out.
Which is nearer to the truth depends on how much of a pixel is covered, how much detail the ground has, and how much the
bristle differs from it. Scores, which are those of all planes at half the resolution, leave most of these pixels to the
bristle; here the two planes are compared at the full resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_rpsnn.engine.filters import gaussian, gaussian_reach
from napari_rpsnn.images.layout import Window
from napari_rpsnn.images.tiling import split_image
from napari_rpsnn.model.outline_decider import REACH_PX, OutlineDecider

#: Pixels on each side of a pixel among whose planes the two are.
BESIDE_PX = 2
#: Planes that are so many apart, or half of the stack, are far apart.
FAR = 6
#: Standard deviation in pixels of the surroundings that brightness and contrast are told beside.
AROUND_PX = 6.0
#: Of intensities from 0 to 1, squared: contrast that is less counts as this much.
LEAST_CONTRAST = (2 / 255) ** 2
#: Scores that differ by more tell hardly more.
SURE = 20.0
#: What scores have decided stays where the other plane is not surer than this.
STAYS = 1.0
#: Pixels around an outline that play a role.
MARGIN_PX = 2 * gaussian_reach(AROUND_PX) + REACH_PX
#: Side in pixels of the squares that are decided at a time: most have no outlines.
SQUARE_PX = 256


@dataclass(frozen=True)
class Outlines:
    """Two planes for each pixel of a window: the first and the last one, along the chain, of those taken around it.

    Attributes
    ----------
    first, last : Tensor of int64
    side : Tensor of float32
        -1 where the first one is taken, 1 where the last one is, 0 where neither is, or both are one plane.
    far : Tensor of bool
        Where they are far apart.
    """

    first: Tensor
    last: Tensor
    side: Tensor
    far: Tensor

    @classmethod
    def of(cls, index: Tensor, places: Sequence[int], apart: int) -> Outlines:
        """Outlines in an index of planes, where these are at least so many places apart."""
        to_place = torch.tensor(places, device=index.device)
        place = to_place[index].float()[None]
        last, first = (sign * F.max_pool2d(sign * place, 2 * BESIDE_PX + 1, 1, BESIDE_PX) for sign in (1, -1))
        side = (place == last).float() - (place == first).float()
        planes = to_place.argsort()
        return cls(planes[first[0].long()], planes[last[0].long()], side[0], (last - first)[0] >= apart)

    @property
    def open(self) -> Tensor:
        """Where one of the two is to be taken."""
        return self.far & (self.side != 0)

    def within(self, box: Window) -> Outlines:
        """Those of a part of the window."""
        return Outlines(self.first[box], self.last[box], self.side[box], self.far[box])


def far_apart(planes: int) -> int:
    """How many places apart planes of a stack of so many are far apart."""
    return min(FAR, -(-planes // 2))


def evidence(outlines: Outlines, first: Tensor, last: Tensor, surer: Tensor) -> Tensor:
    """What `OutlineDecider` sees `(1, channels, rows, columns)` of the two planes.

    Parameters
    ----------
    outlines : Outlines
    first, last : Tensor of shape `(rows, columns)`
        What the two planes show, grey, in [0, 1], of one brightness.
    surer : Tensor
        By how much the score of the first one is higher.
    """
    difference, mean = (first - last)[None], ((first + last) / 2)[None]
    mean = mean - gaussian(mean, AROUND_PX)
    contrast = (gaussian(mean.square() + difference.square(), AROUND_PX) + LEAST_CONTRAST).sqrt()
    odd = difference / contrast, outlines.side[None], (surer / SURE).tanh()[None]
    even = mean / contrast, outlines.far.float()[None], contrast.log10()
    return torch.stack((*odd, *even), 1)


def decide_outlines(
    outlines: Outlines,
    show: Callable[[int, Window], Tensor],
    score: Callable[[int, Window], Tensor],
    decider: OutlineDecider,
) -> Iterator[tuple[Window, Tensor]]:
    """Squares of the window that have outlines, and there the decision, positive for the first plane.

    Parameters
    ----------
    outlines : Outlines
    show, score : callable
        Give what a plane shows in a part of the window, and its scores there.
    decider : OutlineDecider
    """
    rows, columns = outlines.side.shape
    for tile in split_image(rows, columns, SQUARE_PX, MARGIN_PX):
        if not outlines.open[tile.write].any():
            continue
        part = outlines.within(tile.read)
        first, last, surer = (torch.zeros_like(part.side) for _ in range(3))
        for k in torch.unique(torch.stack((part.first, part.last))).tolist():
            shown, scores = show(k, tile.read), score(k, tile.read)
            first, surer = first.where(part.first != k, shown), surer.where(part.first != k, surer + scores)
            last, surer = last.where(part.last != k, shown), surer.where(part.last != k, surer - scores)
        # Half the time on a CPU.
        known = evidence(part, first, last, surer).contiguous(memory_format=torch.channels_last)
        decision = decider(known)[0] - STAYS * part.side
        yield tile.write, decision[tile.inner]

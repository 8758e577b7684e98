"""What speaks for each plane of a stack, at every pixel and at several scales: cheap, plane by plane.

1. `without_hot_pixels`: a value that no neighbour supports is no detail.
2. `look`: a pyramid of each plane (P. Burt, E. Adelson, "The Laplacian pyramid as a compact image code", IEEE Trans.
   Comm. 31 (1983)); at each of its levels the energies of its band of detail and of all finer ones, of lines, the sign
   of the band, and the brightness. Noise of single pixels averages out along a line, but not in the energies of bands.
   Energies tell that there is a line or an edge, signs on which side of it a pixel lies.
3. `compare`: these of each plane beside the best one's, and what they are worth, which is the same for all planes.

Planes of an oversampled stack are looked at when they are `halved`, where their detail is as fine as in other pictures.

Nothing here knows an order of the planes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_rpsnn.model.stack_decider import ENERGIES, FINER, LEVELS, Compared

#: Sides of windows are multiples of this, and windows begin in such rows and columns.
STEP = 2**LEVELS
#: Of what `look` sees at the first level: energies of the finest band at each of four pixels.
FINEST = slice(ENERGIES[0] - FINER, ENERGIES[0])
#: Energies of detail that are no more than the rounding of 8-bit values, for each band from the finest on.
ROUNDING = (1e-6, 4e-7, 1.5e-7, 6e-8, 2.5e-8)
#: Share of pixels that have less of the finest band than what is compared of planes, and by which factor planes that
#: are in focus there have more: of rendered stacks 1.9 and more, in a little noise 1.3, of oversampled ones 1.07.
NEARLY_ALL, ALIKE = 0.995, 1.08
#: The greatest energy of the finest band, that of noise of some 4 of 255 grey levels: more of it may hide fine detail.
MOST_NOISE = 1e-3
#: How far beyond its eight neighbours a pixel may lie, in what these differ by: in noise two of nine lie beyond them.
BEYOND = 0.5
#: Of the filters that find lines: standard deviations across and along a line, and sides, in pixels; and how many
#: directions there are.
ACROSS_PX, ALONG_PX, LINE_SIDE, DIRECTIONS = 1.2, 3.0, 10, 6


def to_steps(planes: Tensor) -> Tensor:
    """Planes `(N, 1, rows, columns)` whose sides are multiples of `STEP`; the last row and column are repeated."""
    rows, columns = planes.shape[-2:]
    return F.pad(planes, (0, -columns % STEP, 0, -rows % STEP), mode="replicate")


def halved(planes: Tensor) -> Tensor:
    """Planes `(N, 1, rows, columns)` at half the resolution, in steps again."""
    return to_steps(F.avg_pool2d(planes, 2))


def without_hot_pixels(planes: Tensor) -> Tensor:
    """Planes `(N, 1, rows, columns)`, no pixel of which is far brighter or darker than all of its eight neighbours."""
    padded = F.pad(planes, (1, 1, 1, 1), mode="replicate")
    above, here, below = padded[..., :-2, :], padded[..., 1:-1, :], padded[..., 2:, :]
    limits = []
    for extreme in (torch.minimum, torch.maximum):
        others = extreme(above, below)
        column = extreme(others, here)
        beside = extreme(column[..., :-2], column[..., 2:])
        limits.append(extreme(beside, others[..., 1:-1]))
    low, high = limits
    beyond = BEYOND * (high - low)
    return torch.clamp(planes, low - beyond, high + beyond)


def look(planes: Tensor, rounding: float = 1.0) -> list[Tensor]:
    """Logarithms of energies, signs of detail and brightness of each plane, level by level.

    Parameters
    ----------
    planes : Tensor of shape `(N, 1, rows, columns)`
        Grey, in [0, 1], of one brightness; sides are multiples of `STEP`.
    rounding : float, optional
        How many times `ROUNDING` is added to energies: planes that were made brighter have more of it than others, and
        these get what they lack.

    Returns
    -------
    list of Tensor of shape `(N, OWN[0], rows / 2, columns / 2)` and so on
        Energy of the band whose pixels are twice as fine as the level's, at the pixel and around it, energy of the band
        of the level itself, energies of all still finer bands around the pixel, energy of the lines whose pixels are
        twice as fine as the level's, at the first level energies of the finest band at each of its four pixels; then,
        no logarithms, at the first level the finest band at each of its four pixels beside what it has around them,
        with its sign, the same of the band of the level, and brightness.
    """
    least = [rounding * energy for energy in ROUNDING]
    picture = without_hot_pixels(planes)
    smooth, energy, around, sign = _band(picture, least[0])
    at_pixels = [[F.pixel_unshuffle(x, 2)] for x in (around, sign)]
    finer: list[Tensor] = []  # of each finer band, the energy at the pixels of the level
    levels: list[Tensor] = []
    for level, floor in enumerate(least[:-1], 1):
        line = (binomial(_lines(picture)) + floor).log10()
        finer = [F.avg_pool2d(band, 2) for band in (*finer, energy)]
        picture = F.avg_pool2d(smooth, 2)
        smooth, energy, around, sign = _band(picture, least[level])
        sharp = (finer[-1] + floor).log10()
        *others, last = ((binomial(band) + floor).log10() for band, floor in zip(finer, least, strict=False))
        energies, signs = at_pixels if level == 1 else ([], [])
        levels.append(_side_by_side((sharp, last, around, *others, line, *energies, *signs, sign, picture)))
    return levels


def _side_by_side(channels: Sequence[Tensor]) -> Tensor:
    """All channels of a pixel, as networks want them; made at once it takes half of the time of `torch.cat`."""
    planes, _, rows, columns = channels[0].shape
    counts = [some.shape[1] for some in channels]
    shape = planes, sum(counts), rows, columns
    made = torch.empty(shape, dtype=channels[0].dtype, device=channels[0].device, memory_format=torch.channels_last)
    for part, some in zip(torch.split(made, counts, 1), channels, strict=True):
        part.copy_(some)
    return made


def _band(picture: Tensor, least: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A picture without its finest band; of that the energy, its logarithm around pixels, and itself beside that."""
    smooth = binomial(picture)
    detail = picture - smooth
    energy = detail.square()
    around = binomial(energy) + least
    return smooth, energy, around.log10(), detail * around.rsqrt()


def _lines(planes: Tensor) -> Tensor:
    """Energy, at half the resolution, of the line that stands out most there, of any direction, dark or bright."""
    beside = (LINE_SIDE - 2) // 2
    padded = F.pad(planes, (beside,) * 4, mode="replicate")
    return F.conv2d(padded, _line_filters().to(planes), stride=2).square().amax(1, keepdim=True)


@lru_cache(maxsize=1)
def _line_filters() -> Tensor:
    """Second derivatives across a line, averaged along it: without a mean, and of noise as strong as the noise."""
    axis = torch.arange(LINE_SIDE, dtype=torch.float32) - (LINE_SIDE - 1) / 2
    made = []
    for angle in (math.pi * k / DIRECTIONS for k in range(DIRECTIONS)):
        across = (math.cos(angle) * axis + math.sin(angle) * axis[:, None]) / ACROSS_PX
        along = (math.cos(angle) * axis[:, None] - math.sin(angle) * axis) / ALONG_PX
        weight = (-(across.square() + along.square()) / 2).exp()
        curve = weight * across.square()
        curve -= weight * curve.sum() / weight.sum()
        made.append(curve / curve.square().sum().sqrt())
    return torch.stack(made)[:, None]


def is_oversampled(shown: Sequence[Tensor], rounding: Sequence[float]) -> bool:
    """Whether no plane has more of the finest detail than another, of samples `(n, 1, rows, columns)` of each plane.

    Detail is wider than a pixel then, as the microscope resolves less than its camera, and the finest band shows noise.
    """
    energies = []
    for plane, factor in zip(shown, rounding, strict=True):
        finest = look(plane, factor)[0][:, FINEST].flatten()
        energies.append(10 ** finest.kthvalue(max(round(NEARLY_ALL * len(finest)), 1)).values)
    most, least = max(energies), min(energies)
    return bool(most <= ALIKE * least and most <= MOST_NOISE)


def compare(looks: Iterable[list[Tensor]]) -> list[Compared]:
    """Evidence of all planes at each level, of what `look` sees of one after the other, or of several at once."""
    levels = [_Level() for _ in range(LEVELS)]
    for looked in looks:
        for level, seen in zip(levels, looked, strict=True):
            level.add(seen)
    return [level.compared(energies) for level, energies in zip(levels, ENERGIES, strict=True)]


class _Level:
    """What is seen of planes at a level: least, most, and the sum of it."""

    def __init__(self) -> None:
        self._parts: list[Tensor] = []
        self._planes = 0

    def add(self, seen: Tensor) -> None:
        for plane in seen[:, None]:
            bright = plane[:, -1:]
            if self._planes == 0:
                self._least, self._most, self._bright = plane.clone(), plane.clone(), bright.clone()
            else:
                torch.minimum(self._least, plane, out=self._least)
                torch.maximum(self._most, plane, out=self._most)
                self._bright += bright
            self._planes += 1
        self._parts.append(seen.half())  # enough for logarithms, and many planes are kept

    def compared(self, energies: int) -> Compared:
        best, least = self._most[:, :energies], self._least[:, :energies]
        mean = self._bright / self._planes
        variance = torch.zeros_like(mean)
        for part in self._parts:
            variance += (part[:, -1:] - mean).square().sum(0, keepdim=True) / self._planes
        spread = (variance + 1e-7).log10() / 2
        common = torch.cat((best / 2 + 2, (best - least).clamp_max(4), mean, spread + 2), 1)
        beside = torch.zeros_like(self._most)  # signs are not compared
        beside[:, :energies], beside[:, -1:] = best, mean
        return Compared(self._parts, beside, common)


def binomial(planes: Tensor) -> Tensor:
    """Smooth by the weights 1, 2, 1 along rows and columns."""
    padded = F.pad(planes, (1, 1, 1, 1), mode="replicate")
    rows = (padded[..., :-2, :] + padded[..., 2:, :]).add_(padded[..., 1:-1, :], alpha=2)
    return (rows[..., :-2] + rows[..., 2:]).add_(rows[..., 1:-1], alpha=2).div_(16)

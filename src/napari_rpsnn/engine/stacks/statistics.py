"""What must be known of the planes of a stack as a whole before any window of it is decided.

Each plane is read once, by itself:

- Equal planes and planes of one value contribute nothing.
- The range of intensities is that of values that a neighbour supports: a hot pixel has no part in it.
- Brightness drifts from plane to plane (lamp, bleaching, automatic exposure): for deciding, planes get one brightness.
- Borders that an earlier alignment left without data are found: one exact value that reaches in from a side, as far
  as a straight line.
- Mean energies of detail, of a few small windows: where nothing else tells, the plane that is sharp elsewhere is best.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_rpsnn.engine.stacks.evidence import look, to_steps
from napari_rpsnn.engine.stacks.ranking import sample_windows
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import Layout

#: Brightness is that of so many pixels along the shorter side, and of the same ones for all planes.
THINNED_PX = 128
#: Of brightness from 0 to 1: below it, what a plane is brighter than the others is not made up for.
DARK = 0.02
#: Planes are made brighter or darker by this factor at most.
MOST_GAIN = 2.0
#: A plane's range counts up to so many times that of the stack's middle plane: one overexposed plane, or a cosmic ray
#: of several pixels, leaves the others their contrast.
MOST_RANGE = 8
#: Of the lines of a side that begin without data: how many are to end where one straight line does, within so many
#: pixels, to be taken for the border of an earlier alignment, if all lines of the side do, and if only some do.
#: Elsewhere dark ground lies beside the border.
ALL_STRAIGHT, SOME_STRAIGHT, STRAIGHT_PX = 0.5, 0.9, 1.5
#: Dark ground makes a border seem deeper, never less deep: shares of lines among which its true depth is looked for.
DEPTHS = (0.1, 0.25, 0.5)


@dataclass(frozen=True)
class StackStatistics:
    """Of one picture of a stack.

    Attributes
    ----------
    planes : list of int
        Those that contribute, in an order that follows from their contents alone.
    values : IntensityRange
    gains : Tensor of shape `(N,)`
        Factors that bring these planes to one brightness.
    detail : Tensor of shape `(N, FACTS)`
        Logarithms of their mean energies of detail, beside the greatest.
    borders : list of Border
    only : int or None
        Of `planes`, the one that shows all of a thin specimen.
    """

    planes: list[int]
    values: IntensityRange
    gains: Tensor
    detail: Tensor
    borders: list[Border]
    only: int | None = None

    @property
    def sharpest(self) -> int:
        """The plane that has most detail as a whole."""
        return self.planes[int(self.detail.mean(1).argmax())]

    @property
    def swapped(self) -> bool:
        """Of two planes, whether the second is the brighter one: that goes first, as in a pair of images."""
        return bool(self.gains[1] < self.gains[0])

    @classmethod
    def of(cls, planes: Iterable[PlaneStatistics]) -> StackStatistics:
        """What is known when all planes have been looked at."""
        known = {plane.digest: plane for plane in reversed(list(planes))}
        useful = [known[digest] for digest in sorted(known) if not known[digest].constant]
        useful = useful or list(known.values())
        values = _common_range([plane.ends for plane in useful])
        brightness = [float(values.to_unit(plane.grid).clip(0, 1).mean()) for plane in useful]
        factors = gains(torch.tensor(brightness, dtype=torch.float32))
        sums = [plane.energies(values, factor) for plane, factor in zip(useful, factors, strict=True)]
        return cls(
            [plane.number for plane in useful],
            values,
            factors,
            relative(torch.stack(sums)),
            [plane.border for plane in useful],
        )


@dataclass(frozen=True)
class Border:
    """Pixels without data at the left and right end of each row, and at the top and bottom end of each column."""

    rows: tuple[NDArray[np.intp], NDArray[np.intp]] | None
    columns: tuple[NDArray[np.intp], NDArray[np.intp]] | None

    @classmethod
    def of(cls, picture: NDArray[np.generic]) -> Border:
        """Find it in a picture `(rows, columns, channels)`."""
        return cls(_ends(picture), _ends(picture.swapaxes(0, 1)))

    def valid(self, window: tuple[slice, slice], shape: tuple[int, int]) -> NDArray[np.bool_] | None:
        """Where there is data in a window of a picture of this shape; None: everywhere."""
        if self.rows is None and self.columns is None:
            return None
        rows, columns = (slice(*axis.indices(length)) for axis, length in zip(window, shape, strict=True))
        inside = np.ones((rows.stop - rows.start, columns.stop - columns.start), bool)
        row, column = np.arange(rows.start, rows.stop)[:, None], np.arange(columns.start, columns.stop)
        if self.rows is not None:
            left, right = (end[rows, None] for end in self.rows)
            inside &= (column >= left) & (column < shape[1] - right)
        if self.columns is not None:
            top, bottom = (end[columns] for end in self.columns)
            inside &= (row >= top) & (row < shape[0] - bottom)
        return inside


#: Data everywhere.
NO_BORDER = Border(None, None)


def _ends(picture: NDArray[np.generic]) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """How much of the beginning and of the end of each row is without data."""
    ends = _beginnings(picture), _beginnings(picture[:, ::-1])
    return ends if any(end.any() for end in ends) else None


def _beginnings(picture: NDArray[np.generic]) -> NDArray[np.intp]:
    rows, columns, _ = picture.shape
    lost = np.zeros(rows, np.intp)
    first = picture[:, 0]
    values, counts = np.unique(first, axis=0, return_counts=True)
    # Of a border that shows in only some rows there are some, not one.
    if counts.max() < max(3, rows // 16):
        return lost
    equal = (picture == values[counts.argmax()]).all(-1)
    runs = np.where(equal.all(1), columns, (~equal).argmax(1))
    every = np.arange(rows)
    row = every[(runs > 0) & (runs < columns)]
    if len(row) < 3:
        return lost
    # Where they end: a line through a depth of either half.
    first_half, second_half = np.array_split(row, 2)
    place = [np.median(half) for half in (first_half, second_half)]
    lines = []
    for share in DEPTHS:
        depth = [np.quantile(runs[half], share) for half in (first_half, second_half)]
        lines.append(depth[0] + (every - place[0]) * (depth[1] - depth[0]) / (place[1] - place[0]))
    straight = [np.mean(np.abs(runs[row] - line[row]) <= STRAIGHT_PX) for line in lines]
    if max(straight) < (ALL_STRAIGHT if np.mean(runs > 0) > 0.98 else SOME_STRAIGHT):
        return lost
    line = lines[int(np.argmax(straight))]
    depths: NDArray[np.intp] = np.minimum(runs, np.ceil(line + STRAIGHT_PX).clip(0).astype(np.intp))
    return depths


@dataclass(frozen=True)
class PlaneStatistics:
    """Of one plane, found by itself.

    Attributes
    ----------
    number : int
    digest : bytes
        The same for equal planes only.
    constant : bool
    ends : tuple of float
        The least and the greatest value that a neighbour supports.
    grid : ndarray
        What is to be seen of every n-th pixel that has data.
    border : Border
    samples : list of (ndarray, ndarray or None)
        Small windows of it, and where they have data.
    """

    number: int
    digest: bytes
    constant: bool
    ends: tuple[float, float]
    grid: NDArray[np.generic]
    border: Border
    samples: list[tuple[NDArray[np.generic], NDArray[np.bool_] | None]]

    @classmethod
    def of(
        cls, number: int, picture: NDArray[Any], layout: Layout, valid: NDArray[np.bool_] | None = None
    ) -> PlaneStatistics:
        """Look at the colours of a plane, `(rows, columns, colours)`; `valid` tells where it has data, if known."""
        digest = hashlib.blake2b(picture.tobytes(), digest_size=16).digest()
        seen = layout.guide_channels(picture)
        rows, columns, _ = picture.shape
        border = Border.of(seen) if valid is None else NO_BORDER
        if valid is None:
            valid = border.valid((slice(0, rows), slice(0, columns)), (rows, columns))
        parts = sample_windows(rows, columns)
        samples = [(seen[part].copy(), None if valid is None else valid[part].copy()) for part in parts]
        thinned = (slice(None, None, max(1, min(rows, columns) // THINNED_PX)),) * 2
        grid = seen[thinned] if valid is None else seen[thinned][valid[thinned]]
        constant = bool((picture == picture[0, 0]).all())
        return cls(number, digest, constant, _supported_ends(seen), grid.copy(), border, samples)

    def energies(self, values: IntensityRange, gain: Tensor) -> Tensor:
        """Mean energies of the bands of detail in the samples."""
        parts = []
        for sample, valid in self.samples:
            grey = torch.from_numpy(values.to_unit(sample).mean(-1)).clamp(0, 1) * gain
            mask = None if valid is None else to_steps(torch.from_numpy(valid)[None, None].float()) > 0
            parts.append(energies(look(to_steps(grey[None, None]), mask))[0])
        return torch.stack(parts).mean(0)


def gains(brightness: Tensor) -> Tensor:
    """Factors `(N,)` that bring planes of these mean values in [0, 1] to one brightness."""
    return ((brightness.median() + DARK) / (brightness + DARK)).clamp(1 / MOST_GAIN, MOST_GAIN)


def energies(levels: list[Tensor]) -> Tensor:
    """Mean energies `(N, FACTS)` of the bands of detail of what `look` saw of small windows of all planes."""
    bands = [level[:, 1] for level in levels] + [levels[-1][:, 2]]
    whole = [level[:, 4] for level in (*levels, levels[-1])]
    return torch.stack(
        [
            (10**band * data).sum((1, 2)) / data.sum((1, 2)).clamp_min(1)
            for band, data in zip(bands, whole, strict=True)
        ],
        1,
    )


def relative(energies: Tensor) -> Tensor:
    """The facts `(N, FACTS)`: logarithms of energies beside those of the best plane of each band."""
    logarithms = energies.clamp_min(1e-12).log10()
    return logarithms - logarithms.amax(0)


def _supported_ends(picture: NDArray[np.generic]) -> tuple[float, float]:
    """The least and the greatest value that a pixel beside, above or below it reaches, too."""
    low, high = [], []
    for axis in (0, 1):
        if picture.shape[axis] > 1:
            first, second = (np.moveaxis(picture, axis, 0)[part] for part in (slice(1, None), slice(-1)))
            low.append(np.maximum(first, second).min().item())
            high.append(np.minimum(first, second).max().item())
    return min(low, default=picture.min().item()), max(high, default=picture.max().item())


def _common_range(ends: list[tuple[float, float]]) -> IntensityRange:
    lows, highs = zip(*ends, strict=True)
    low, high = median(lows), median(highs)
    reach = MOST_RANGE * (high - low)
    low, high = max(min(lows), low - reach), min(max(highs), high + reach)
    if all(isinstance(end, int) for end in (*lows, *highs)):
        low, high = int(low), int(high)
    return IntensityRange.of([np.asarray(low), np.asarray(high)])

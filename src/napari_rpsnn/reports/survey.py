"""What a stack shows plane by plane, measured once, with one plane in memory at a time: what a quality report is of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter, laplace, median_filter

from napari_rpsnn.engine.borders import NO_BORDER, SAID_PX, Border
from napari_rpsnn.engine.registration import shift_between
from napari_rpsnn.images.layout import WHOLE

Map = NDArray[np.float64]

#: Cells in which sharpness is averaged: so many pixels, or more, so that there are at most so many along a side.
CELL_PX, MOST_CELLS = 8, 160
#: Standard deviations in pixels: detail that is lost first in defocus, and structure that stays.
FINE_PX, STRUCTURE_PX = 0.7, (2.0, 6.0)
#: Of a plane's pixels, those that have its greatest value: more are saturated.
SATURATED = 0.01
#: Less than this share of a plane is a border by chance.
BORDER = 0.005
#: A pixel is hot that stands out of its neighbours by so many deviations of noise.
HOT_DEVIATIONS = 12


@dataclass
class Survey:
    """Of one picture of a stack; lists have an item for each plane.

    Attributes
    ----------
    greys : list of ndarray
        Mean values in cells; NaN where there are pixels without data.
    shifts : list of (float, float)
        Rows and columns that a plane lies away from the one before it.
    saturated : list of float
        Share of pixels that have the greatest value of the plane, where these are far more than have the next one.
    top : list of float
        The greatest value of each plane.
    sharpness, structure : list of ndarray
        Energy of fine detail, and of what is coarser, in cells.
    borders : list of float
        Share of a plane that is a border without data.
    hot : ndarray of int
        In how many planes each pixel stands out of its neighbours.
    spikes : int
        How many values lie beyond all that their planes show elsewhere.
    """

    cell: int = 0
    greys: list[Map] = field(default_factory=list)
    shifts: list[tuple[float, float]] = field(default_factory=list)
    saturated: list[float] = field(default_factory=list)
    top: list[float] = field(default_factory=list)
    sharpness: list[Map] = field(default_factory=list)
    structure: list[Map] = field(default_factory=list)
    borders: list[float] = field(default_factory=list)
    spikes: int = 0
    hot: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, 0), np.int32))

    @property
    def count(self) -> int:
        """Number of planes."""
        return len(self.greys)

    @property
    def common(self) -> NDArray[np.bool_]:
        """Cells that have data in all planes."""
        there: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(np.stack(self.greys)))
        return there if there.any() else np.ones_like(there)

    @property
    def inner(self) -> NDArray[np.bool_]:
        """Those of them that see no border."""
        common = self.common
        away: NDArray[np.bool_] = binary_erosion(common, iterations=2, border_value=1)
        return away if away.any() else common

    @property
    def brightness(self) -> list[float]:
        """Mean value of each plane, of what all planes show."""
        return [float(np.nanmean(grey[self.common])) for grey in self.greys]

    @property
    def volumes(self) -> tuple[Map, Map]:
        """Sharpness and structure of all planes, `(planes, rows, columns)` of cells, as if all were equally bright."""
        brightness = np.array(self.brightness)
        gains = np.where(brightness > 0, brightness, 1) / max(float(np.median(brightness)), 1e-12)
        parts = (np.stack(maps) / gains[:, None, None] ** 2 for maps in (self.sharpness, self.structure))
        sharpness, structure = parts
        return sharpness, structure

    @classmethod
    def of(cls, planes: Iterable[NDArray[Any]]) -> Survey:
        """Look at planes `(rows, columns, colours)`."""
        made, before = cls(), None
        for plane in planes:
            grey = plane.astype(np.float64).mean(-1)
            if before is None:
                made.cell = max(CELL_PX, -(-max(grey.shape) // MOST_CELLS))
                made.hot = np.zeros(grey.shape, np.int32)
            inside = made._find_border(plane)
            made.greys.append(made.cells(np.where(inside, grey, np.nan)))
            made.shifts.append((0.0, 0.0) if before is None else shift_between(before, grey))
            # A hot pixel is no detail.
            neighbours = median_filter(grey, 3, mode="nearest")
            away = np.abs(grey - neighbours)
            noise = 1.4826 * np.median(away[away > 0]) if away.any() else 0.0
            stands_out = away > max(HOT_DEVIATIONS * noise, 0.02 * np.ptp(neighbours))
            made.hot += stands_out
            made.spikes += int((away > np.ptp(neighbours)).sum())
            clean = np.where(stands_out, neighbours, grey)
            made.sharpness.append(made.cells(laplace(gaussian_filter(clean, FINE_PX)) ** 2))
            band = gaussian_filter(clean, STRUCTURE_PX[0]) - gaussian_filter(clean, STRUCTURE_PX[1])
            made.structure.append(made.cells(band**2))
            before = grey
        return made

    def _find_border(self, plane: NDArray[Any]) -> NDArray[np.bool_]:
        """Where a plane has data; counts what is saturated there."""
        border = Border.of(plane)
        inside = border.valid(WHOLE, plane.shape[:2])
        inside = np.ones(plane.shape[:2], bool) if inside is None else inside
        values = plane[inside]
        top = values.max(initial=plane.min())
        count, below = int((values == top).sum()), values[values < top]
        next_one = int((below == below.max()).sum()) if below.size else 0
        share = count / plane.size if below.size and count > 4 * next_one else 0.0
        # Where a picture is saturated up to its side, that looks like a border; a border leaves a cell at least.
        if share > SATURATED or not (self.cells(inside.astype(np.float64)) == 1).any():
            border, inside = NO_BORDER, np.ones(plane.shape[:2], bool)
        self.top.append(float(top))
        self.saturated.append(share)
        share = float(1 - inside.mean())
        self.borders.append(share if border.depth >= SAID_PX and share > BORDER else 0.0)
        return inside

    def cells(self, values: Map) -> Map:
        """Means of a map of the picture in cells; what is left over at the end belongs to the last ones."""
        rows, columns = (max(length // self.cell, 1) for length in values.shape)
        starts = [np.arange(count) * self.cell for count in (rows, columns)]
        sums = np.add.reduceat(np.add.reduceat(values, starts[0], 0), starts[1], 1)
        sizes = [np.diff([*start, length]) for start, length in zip(starts, values.shape, strict=True)]
        means: Map = sums / (sizes[0][:, None] * sizes[1])
        return means

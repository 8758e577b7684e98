"""Small windows of each plane of a stack, by which planes are compared before any window of it is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.validity import Valid

#: Side in pixels of the windows that planes are ranked by, at most four.
SAMPLE_PX = 144
#: Pixels around a sample that are kept with it.
AROUND_PX = 72


@dataclass(frozen=True)
class Sample:
    """A window of one plane with what lies around it.

    Attributes
    ----------
    wide : ndarray of shape `(rows, columns, channels)`
    wide_valid : ndarray of bool, or None
        Where it has data; None: everywhere.
    inner : tuple of slice
        Where in it the window is.
    """

    wide: NDArray[np.generic]
    wide_valid: Valid
    inner: tuple[slice, slice]

    @property
    def window(self) -> NDArray[np.generic]:
        """The window alone."""
        return self.wide[self.inner]

    @property
    def valid(self) -> Valid:
        """Where the window has data."""
        return None if self.wide_valid is None else self.wide_valid[self.inner]

    @classmethod
    def of(cls, picture: NDArray[Any], valid: Valid) -> list[Sample]:
        """All samples of a plane `(rows, columns, channels)`."""
        made = []
        for part in sample_windows(*picture.shape[:2]):
            starts = [max(p.start - AROUND_PX, 0) for p in part]
            wide = tuple(slice(start, p.stop + AROUND_PX) for start, p in zip(starts, part, strict=True))
            row, column = (slice(p.start - start, p.stop - start) for start, p in zip(starts, part, strict=True))
            made.append(cls(picture[wide].copy(), None if valid is None else valid[wide].copy(), (row, column)))
        return made


def sample_windows(rows: int, columns: int) -> list[tuple[slice, slice]]:
    """The whole of a small picture, else windows at the quarters of both axes."""
    axes = []
    for length in (rows, columns):
        starts = [length // 4 - SAMPLE_PX // 2, 3 * length // 4 - SAMPLE_PX // 2]
        axes.append([slice(max(i, 0), i + SAMPLE_PX) for i in starts] if length > 2 * SAMPLE_PX else [slice(0, length)])
    return [(i, j) for i in axes[0] for j in axes[1]]

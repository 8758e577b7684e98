"""Borders that an earlier alignment left without data: one exact value that reaches in from a side, as far as a line.

They are guessed at, so they decide nothing where no other picture has more: there values stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Of the lines of a side that begin without data: how many are to end where one straight line does, within so many
#: pixels, to be taken for the border of an earlier alignment, if all lines of the side do, and if only some do.
#: Elsewhere dark ground lies beside the border.
ALL_STRAIGHT, SOME_STRAIGHT, STRAIGHT_PX = 0.5, 0.9, 1.5
#: What is less deep is said of no picture: a few lines may begin with one value by chance.
SAID_PX = 3
#: Dark ground makes a border seem deeper, never less deep: shares of lines among which its true depth is looked for.
DEPTHS = (0.1, 0.25, 0.5)


@dataclass(frozen=True)
class Border:
    """Pixels without data at the left and right end of each row, and at the top and bottom end of each column."""

    rows: tuple[NDArray[np.intp], NDArray[np.intp]] | None
    columns: tuple[NDArray[np.intp], NDArray[np.intp]] | None

    @classmethod
    def of(cls, picture: NDArray[np.generic]) -> Border:
        """Find it in a picture `(rows, columns, channels)`."""
        return cls(_ends(picture), _ends(picture.swapaxes(0, 1)))

    @property
    def depth(self) -> int:
        """How deep it reaches at most, in pixels."""
        return max((int(end.max()) for ends in (self.rows, self.columns) for end in ends or ()), default=0)

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
    # They lie side by side; lines that begin with that value by chance do not.
    if len(row) < 3 or len(row) < SOME_STRAIGHT * (row[-1] - row[0] + 1):
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


def say(names: Sequence[str], notes: list[str]) -> str:
    """A sentence of pictures of which borders were found; added to `notes`, but not twice."""
    said = (
        f"Borders without data were found (one exact value that reaches in from a side): {', '.join(names)}. "
        "There, other pictures are taken."
    )
    if said not in notes:
        notes.append(said)
    return said

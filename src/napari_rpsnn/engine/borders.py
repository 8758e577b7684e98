"""Borders that an earlier alignment left without data: one exact value that reaches in from a side, as far as a line.

They are guessed at, so they decide nothing where no other picture has more: there values stay as they are. A straight
side of a specimen before a background of one value, as black velvet or white that the camera cuts off, looks like one
in a plane that is in focus. In one that is not it fades, as no border does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.layout import Window

#: Of two opposite sides: pictures, and how deep they are without data.
Sides = tuple[NDArray[np.generic], NDArray[np.generic]]
Ends = tuple[NDArray[np.intp], NDArray[np.intp]]

#: Of the lines of a side that begin without data: how many are to end where one straight line does, within so many
#: pixels, to be taken for the border of an earlier alignment, if all lines of the side do, and if only some do.
#: Elsewhere dark ground lies beside the border.
ALL_STRAIGHT, SOME_STRAIGHT, STRAIGHT_PX = 0.5, 0.9, 1.5
#: A border of another value than the least and the greatest ends with a step of so much of the range.
STEP = 0.05
#: Where a side fades: of the difference to what lies so many pixels farther on, what is left beside the border at most.
FADED, FADES_PX = 0.5, 6
#: What is less deep is said of no picture: a few lines may begin with one value by chance.
SAID_PX = 3
#: Of large pictures, how much of each side is looked at: a share of them, and pixels at least and at most.
SIDE_SHARE, SIDE_PX, MOST_SIDE_PX = 8, 64, 512
#: Dark ground makes a border seem deeper, never less deep: shares of lines among which its true depth is looked for.
DEPTHS = (0.1, 0.25, 0.5)


@dataclass(frozen=True)
class Border:
    """Pixels without data at the left and right end of each row, and at the top and bottom end of each column.

    `fading` says at which of these four ends the picture fades into that value.
    """

    rows: Ends | None
    columns: Ends | None
    fading: Sequence[bool] = (False, False, False, False)

    @classmethod
    def of(cls, picture: NDArray[np.generic]) -> Border:
        """Find it in a picture `(rows, columns, channels)`."""
        turned = picture.swapaxes(0, 1)
        return cls.of_sides((picture, picture[:, ::-1]), (turned, turned[:, ::-1]))

    @classmethod
    def of_sides(cls, rows: Sides, columns: Sides) -> Border:
        """Find it in strips along the sides, whose first axis is along the side: left and right, top and bottom."""
        found = [_beginnings(side) for side in (*rows, *columns)]
        depths = [end for end, _ in found]
        return cls(_left(depths[:2], (False, False)), _left(depths[2:], (False, False)), [fades for _, fades in found])

    def without(self, ends: Sequence[bool]) -> Border:
        """The same, but for some of the four ends."""
        return Border(_left(self.rows, ends[:2]), _left(self.columns, ends[2:]))

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


def side_windows(rows: int, columns: int) -> list[Window]:
    """What of a large picture is looked at for `Border.of_sides`: left, right, top and bottom."""
    wide, high = (min(n, max(n // SIDE_SHARE, SIDE_PX), MOST_SIDE_PX) for n in (columns, rows))
    every = slice(0, rows), slice(0, columns)
    return [
        (every[0], slice(0, wide)),
        (every[0], slice(columns - wide, columns)),
        (slice(0, high), every[1]),
        (slice(rows - high, rows), every[1]),
    ]


def of_side_windows(left: Any, right: Any, top: Any, bottom: Any) -> Border:
    """`Border.of_sides` of the `side_windows` of a picture."""
    turned = top.swapaxes(0, 1), bottom.swapaxes(0, 1)[:, ::-1]
    return Border.of_sides((left, right[:, ::-1]), turned)


def of_one_scene(borders: Sequence[Border]) -> list[Border]:
    """Those that are borders where the pictures are of one scene: what fades in one of them is background in all."""
    ends = [any(fades) for fades in zip(*(border.fading for border in borders), strict=True)]
    return [border.without(ends) for border in borders] if any(ends) else list(borders)


def _left(ends: Sequence[NDArray[np.intp]] | None, gone: Sequence[bool]) -> Ends | None:
    """Two opposite ends, without those that are `gone`; None: nothing is left."""
    if ends is None:
        return None
    first, second = (np.zeros_like(end) if out else end for end, out in zip(ends, gone, strict=True))
    return (first, second) if first.any() or second.any() else None


def _beginnings(picture: NDArray[np.generic]) -> tuple[NDArray[np.intp], bool]:
    """How much of the beginning of each row is without data, and whether the picture fades into that."""
    rows, columns, _ = picture.shape
    lost = np.zeros(rows, np.intp)
    first = picture[:, 0]
    values, counts = np.unique(first, axis=0, return_counts=True)
    # Of a border that shows in only some rows there are some, not one.
    if counts.max() < max(3, rows // 16):
        return lost, False
    equal = (picture == values[counts.argmax()]).all(-1)
    runs = np.where(equal.all(1), columns, (~equal).argmax(1))
    every = np.arange(rows)
    row = every[(runs > 0) & (runs < columns)]
    if not _stands_out(values[counts.argmax()], picture, row, runs):
        return lost, False
    # They lie side by side; lines that begin with that value by chance do not.
    if len(row) < 3 or len(row) < SOME_STRAIGHT * (row[-1] - row[0] + 1):
        return lost, False
    # What was moved and turned has no data in a corner, or on all of a side; a shadow lies anywhere.
    if not runs[:2].any() and not runs[-2:].any():
        return lost, False
    # Where they end: a line through a depth of either half.
    first_half, second_half = np.array_split(row, 2)
    place = [np.median(half) for half in (first_half, second_half)]
    lines = []
    for share in DEPTHS:
        depth = [np.quantile(runs[half], share) for half in (first_half, second_half)]
        lines.append(depth[0] + (every - place[0]) * (depth[1] - depth[0]) / (place[1] - place[0]))
    straight = [np.mean(np.abs(runs[row] - line[row]) <= STRAIGHT_PX) for line in lines]
    if max(straight) < (ALL_STRAIGHT if np.mean(runs > 0) > 0.98 else SOME_STRAIGHT):
        return lost, False
    line = lines[int(np.argmax(straight))]
    depths: NDArray[np.intp] = np.minimum(runs, np.ceil(line + STRAIGHT_PX).clip(0).astype(np.intp))
    return depths, _fades(values[counts.argmax()], picture, row, runs)


def _fades(
    value: NDArray[np.generic], picture: NDArray[np.generic], row: NDArray[np.intp], runs: NDArray[np.intp]
) -> bool:
    """Whether a picture goes over into a value little by little; a pixel beside a border may be a mixture."""
    near, far = (
        np.median(np.abs(picture[row, np.minimum(runs[row] + px, picture.shape[1] - 1)].astype(np.float64) - value))
        for px in (1, 1 + FADES_PX)
    )
    return bool(near <= FADED * far)


def _stands_out(
    value: NDArray[np.generic], picture: NDArray[np.generic], row: NDArray[np.intp], runs: NDArray[np.intp]
) -> bool:
    """Whether a value is an end of the range, or far from where it ends: a smooth sky is neither."""
    low, high = picture.min((0, 1)), picture.max((0, 1))
    if len(row) == 0 or (value <= low).all() or (value >= high).all():
        return True
    steps = np.abs(picture[row, runs[row]].astype(np.float64) - value.astype(np.float64)).max(-1)
    return bool(np.median(steps) > STEP * float((high.astype(np.float64) - low.astype(np.float64)).max()))


def say(names: Sequence[str], notes: list[str]) -> str:
    """A sentence of pictures of which borders were found; added to `notes`, but not twice."""
    said = (
        f"Borders without data were found (one exact value that reaches in from a side): {', '.join(names)}. "
        "There, other pictures are taken."
    )
    if said not in notes:
        notes.append(said)
    return said

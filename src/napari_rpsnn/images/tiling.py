"""Image size in, windows to read and to write out. Integers only.

A convolutional network sees no farther than its receptive radius, so a window read with a halo of that radius gives
exactly the whole image's result inside. Where a window meets the image's border the halo is cut off, never padded,
because the network pads the whole image there as well. All windows have one shape, the last ones are moved inwards:
libraries below plan and allocate once per shape. Its rows are multiples of `STEP` pixels long, if that adds little.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

Part = tuple[slice, ...]

#: Where windows are not as wide as the image. oneDNN takes up to twice as long on processors with AMX for rows of 1090
#: pixels as for rows of 1088 or 1104.
STEP = 16


@dataclass(frozen=True)
class Tile:
    """One step of work: the window to read, the part of the image to write, and where that part lies in the window."""

    read: tuple[slice, slice]
    write: tuple[slice, slice]
    inner: tuple[slice, slice]


def split_length(length: int, tile: int, halo: int, step: int = 1) -> Iterator[tuple[slice, slice, slice]]:
    """Split one axis: slices to read, to write, and to write within what was read.

    The slices to write cover the axis once; the slices to read all have one length, at most
    ``tile + 2 * halo``, or the next multiple of `step` where that is a 32nd more or less.
    """
    if length > tile + 2 * halo:
        # As many windows as it takes, none larger than needed: 600 pixels are two windows of 339, not two of 590.
        inside = length - 2 * halo
        tile = -(-inside // -(-inside // tile))
    window = min(length, tile + 2 * halo)
    rounded = -(-window // step) * step
    if rounded <= length and 32 * (rounded - window) <= window:
        window = rounded
    done = 0
    while done < length:
        start = min(max(done - halo, 0), length - window)
        stop = length if start + window == length else start + window - halo
        yield slice(start, start + window), slice(done, stop), slice(done - start, stop - start)
        done = stop


def _tile(row: tuple[slice, slice, slice], column: tuple[slice, slice, slice]) -> Tile:
    read, write, inner = zip(row, column, strict=True)
    return Tile(read, write, inner)


def split_image(rows: int, columns: int, tile: int, halo: int) -> list[Tile]:
    """Tiles of an image of `rows` by `columns` pixels, row by row.

    Parameters
    ----------
    rows, columns : int
        Size of the image in pixels.
    tile : int
        Largest side in pixels of the part a window contributes away from the image's borders, but for a few columns
        that make the window a multiple of `STEP`.
    halo : int
        Pixels read around it on each side.
    """
    return [
        _tile(row, column)
        for row in split_length(rows, tile, halo)
        for column in split_length(columns, tile, halo, STEP)
    ]


def split_by_area(rows: int, columns: int, most: int, halo: int) -> list[Tile]:
    """The tiles of an image of which least is read, where none may have more than `most` pixels with its halo."""
    splits = []
    for tile in sorted({-(-max(columns - 2 * halo, 1) // count) for count in range(1, columns + 1)}, reverse=True):
        across = list(split_length(columns, tile, halo))
        width = across[0][0].stop
        if (left := most // width - 2 * halo) > 0:
            down = list(split_length(rows, left, halo))
            splits.append((len(across) * width * len(down) * down[0][0].stop, across, down))
    _, across, down = min(splits, key=itemgetter(0))
    return [_tile(row, column) for row in down for column in across]


def narrowed(tile: Tile, halo: int) -> tuple[Part, Part, Part]:
    """Parts of a window that begin in even rows and columns of the image, for work at half the resolution.

    Returns
    -------
    whole
        All of the window, less an odd first row or column.
    near
        What is left of that with a halo of `halo` pixels around the inner part, or one more.
    inside
        The inner part of that.
    """
    whole, near, inside = [], [], []
    for read, inner in zip(tile.read, tile.inner, strict=True):
        first = read.start % 2
        start = max(inner.start - first - halo, 0) // 2 * 2
        whole.append(slice(first, None))
        near.append(slice(start, min(inner.stop + halo, read.stop - read.start) - first))
        inside.append(slice(inner.start - first - start, inner.stop - first - start))
    return tuple(whole), tuple(near), tuple(inside)


def one_more(part: tuple[slice, slice]) -> tuple[slice, slice]:
    """A part with one row and one column more, those of the next parts; at the border they are not there."""
    return slice(part[0].start, part[0].stop + 1), slice(part[1].start, part[1].stop + 1)


def part_size(part: tuple[slice, slice]) -> tuple[int, int]:
    """Rows and columns of a part."""
    return part[0].stop - part[0].start, part[1].stop - part[1].start


def halved(tile: Tile, halo: int, step: int) -> tuple[Tile, Tile] | None:
    """Two tiles that write what `tile` writes and read no more than it, for work that is too large at once.

    Parameters
    ----------
    tile : Tile
    halo : int
        Pixels read around what is written.
    step : int
        Parts are written, and windows read, from multiples of it on; what is written has twice so many pixels at least.

    Returns
    -------
    tuple of Tile or None
        One above or beside the other; None where that is too small to be halved.
    """
    lengths = [part.stop - part.start for part in tile.write]
    axis = lengths.index(max(lengths))
    write, read = tile.write[axis], tile.read[axis]
    middle = -(-(write.start + write.stop) // (2 * step)) * step
    if lengths[axis] < 2 * step or not write.start < middle < write.stop:
        return None
    parts = []
    for start, stop in ((write.start, middle), (middle, write.stop)):
        first = max((start - halo) // step * step, read.start)
        last = min(-(-(stop + halo) // step) * step, read.stop)
        windows = slice(first, last), slice(start, stop), slice(start - first, stop - first)
        reads, writes, inners = (
            tuple(new if i == axis else old for i, old in enumerate(both))
            for new, both in zip(windows, (tile.read, tile.write, tile.inner), strict=True)
        )
        parts.append(Tile(reads, writes, inners))  # type: ignore[arg-type]
    return parts[0], parts[1]


def within(window: Part, whole: Part) -> Part:
    """A window of a picture, as a window of a part of that picture."""
    return tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(window, whole, strict=True))

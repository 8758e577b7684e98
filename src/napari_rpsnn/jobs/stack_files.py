"""The stack that files are, and which of their axes is what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.layout import Layout
from napari_rpsnn.io import read_image
from napari_rpsnn.io.image_file import ImageFile, PlaneArray
from napari_rpsnn.jobs.finding import Say

Opened = Callable[[Path, int | None], ImageFile]


@dataclass(frozen=True)
class Stack:
    """Two images, or a stack with a Z axis, and what follows from their axes.

    Attributes
    ----------
    image : ImageFile
        The stack, or the first image.
    other : ImageFile or None
        The second image.
    channel_axis : int or None
        As `fuse` and `fuse_stack` take it.
    axes, map_axes : str
        Axes of the result, and of maps and heights.
    """

    image: ImageFile
    other: ImageFile | None
    channel_axis: int | None
    axes: str
    map_axes: str

    @property
    def planes(self) -> int:
        """Number of images or planes."""
        return 2 if self.other else int(self.image.data.shape[self.image.axes.index("Z")])

    @property
    def mask_axes(self) -> str:
        """Axes of a mask, as `fuse` and `fuse_stack` take it; the one of two images is P."""
        shared = "".join(axis for place, axis in enumerate(self.image.axes) if place != self.channel_axis)
        return f"P{shared}" if self.other else shared

    def with_slabs(self) -> Stack:
        """The same, whose results have an axis Z, of slabs."""
        axes, map_axes = (
            "".join(axis for axis in self.image.axes if axis in f"{kept}Z") for kept in (self.axes, self.map_axes)
        )
        return replace(self, axes=axes, map_axes=map_axes)


def open_stack(
    sources: Sequence[Path],
    axes: str | None,
    guide: int | Sequence[int] | None,
    say: Say,
    opened: Opened = read_image,
    series: int | None = None,
) -> Stack:
    """Open the stack that one file has, that several files are, or two images.

    Parameters
    ----------
    sources : sequence of path
    axes : str or None
        Of each file, in place of what it says itself.
    guide : tuple of int or None
        The ``guide_channel`` of `fuse`.
    say : callable
        Tells the user what the files say, and what is assumed of them.
    opened : callable, optional
        Opens a file, as `read_image` does.
    series : int, optional
        Which image of each file, where they hold several.

    Raises
    ------
    ValueError
        If the files differ, or it cannot be told from their axes what is to be fused.
    """
    image, other = _named(opened(sources[0], series), sources[0], axes), None
    for note in image.notes:
        say(f"{sources[0]}: {note}")
    for path in sources[1:]:
        other = _named(opened(path, series), path, axes)
        _check_same(sources[0], image, path, other)
    if len(sources) != 2:
        other = None
        image = _with_planes(image, sources[0], say) if len(sources) == 1 else _as_planes(image, sources, series)
    fused = image.axes if other else image.axes.replace("Z", "")
    channel = "C" if guide is not None and "C" in image.axes else "S" if "S" in image.axes else ""
    if guide is not None and (not channel or {"C", "S"} <= set(image.axes)):
        raise ValueError(f"--guide-channel: expected an image with an axis C or S, not both, got the axes {image.axes}")
    rest = fused.replace(channel, "")
    if not rest.endswith("YX"):
        raise ValueError(f"{sources[0]}: expected rows and columns, Y and X, as the last axes, got {image.axes}")
    place = image.axes.index(channel) if channel else None
    joined = Layout.of(image.data.shape, place, guide).joined
    return Stack(image, other, place, fused, rest if joined else fused)


def _check_same(path: Path, image: ImageFile, other_path: Path, other: ImageFile) -> None:
    for what in ("axes", "shape", "dtype"):
        first, got = ((x.axes if what == "axes" else getattr(x.data, what)) for x in (image, other))
        if first != got:
            raise ValueError(f"{path} and {other_path}: expected the same {what}, got {first} and {got}")


def _named(image: ImageFile, path: Path, axes: str | None) -> ImageFile:
    """`image`, with `axes` if they are given."""
    if axes is None:
        return image
    letters = axes.replace("Q", "")
    if len(axes) != image.data.ndim or set(letters) - set("TCZYXS") or len(set(letters)) < len(letters):
        raise ValueError(
            f"--axes: expected {image.data.ndim} different letters of TCZYXS, or Q, for the shape {image.data.shape} "
            f"of {path}, got {axes}"
        )
    return replace(image, axes=axes)


def _with_planes(image: ImageFile, path: Path, say: Say) -> ImageFile:
    """`image` with a Z axis; the pages of a file that names no axis are planes, and that is said."""
    if "Z" in image.axes:
        return image
    if image.axes.count("Q") == 1:
        count = image.data.shape[image.axes.index("Q")]
        say(f"{path}: the {count} pages have no name and are taken as planes (Z).")
        return replace(image, axes=image.axes.replace("Q", "Z"))
    found = ", ".join(f"{axis} ({n})" for axis, n in zip(image.axes, image.data.shape, strict=True))
    raise ValueError(f"{path}: expected an axis Z, of the planes, got the axes {found}; --axes names them by hand")


def _as_planes(image: ImageFile, sources: Sequence[Path], series: int | None) -> ImageFile:
    """The stack whose planes are the files, of which `image` is the first."""
    if set(image.axes) & set("ZQ"):
        raise ValueError(
            f"{sources[0]}: expected planes without an axis Z or Q, got {image.axes}; --batch takes each file as a "
            "stack of its own, --axes names the axes"
        )

    def plane(number: int) -> NDArray[Any]:
        return np.asarray(read_image(sources[number], series).data[...])

    data = PlaneArray((len(sources), *image.data.shape), image.data.dtype, 1, plane)
    return replace(image, data=data, axes=f"Z{image.axes}")

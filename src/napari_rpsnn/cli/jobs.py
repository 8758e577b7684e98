"""What is to be fused: which files make one result, what it is called, and which of their axes is what."""

from __future__ import annotations

import glob
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.layout import Layout
from napari_rpsnn.io import read_image
from napari_rpsnn.io.formats import format_of, is_image, suffix_of
from napari_rpsnn.io.image_file import ImageFile, PlaneArray

Opened = Callable[[Path], ImageFile]


@dataclass(frozen=True)
class Job:
    """The files of one result: its sources and what is to be written."""

    sources: tuple[Path, ...]
    out: Path
    map: Path | None = None
    height: Path | None = None
    report: Path | None = None

    @property
    def outputs(self) -> list[Path]:
        """Files to be written, the image last: when it is there, all are."""
        return [path for path in (self.map, self.height, self.report, self.out) if path is not None]


def single_jobs(inputs: Sequence[str], out: Path, **more: Path | None) -> list[Job]:
    """One result, of all inputs: two images in their order, or planes in natural order; `more` as in `Job`."""
    sources = [file for text in inputs for path in _found(text) for file in _files(path)]
    if len(sources) != 2:
        sources.sort(key=_natural)
    jobs = [Job(tuple(sources), out, **more)]
    _check(jobs)
    return jobs


def batch_jobs(inputs: Sequence[str], out: Path, **more: Path | None) -> list[Job]:
    """A result of each input, or of each image and each folder of planes in it; `out` and `more` are folders."""
    folders = [out, *(folder for folder in more.values() if folder)]
    stacks: list[Path] = []
    for text in inputs:
        stacks += _stacks_in(Path(text), folders) if _is_folder(Path(text)) else _found(text)
    if not stacks:
        raise ValueError(f"INPUT: expected images or folders of planes, found none in {', '.join(inputs)}")
    jobs = []
    for stack in stacks:
        sources = _files(stack)
        suffix, kind = suffix_of(sources[0]), format_of(sources[0])
        name = stack.name if _is_folder(stack) else stack.name[: len(stack.name) - len(suffix)]
        image, other = (kind and kind.RESULT_SUFFIXES) or (suffix or ".tif", suffix or ".tif")
        kinds = {"map": other, "height": other, "report": f"{image}.json"}
        places = {key: folder / f"{name}{kinds[key]}" if folder else None for key, folder in more.items()}
        jobs.append(Job(tuple(sources), out / f"{name}{image}", **places))
    _check(jobs)
    return jobs


def _check(jobs: Sequence[Job]) -> None:
    """Refuse jobs that would write over each other or over their sources."""
    outputs = Counter(path.resolve() for job in jobs for path in job.outputs)
    path, count = outputs.most_common(1)[0]
    if count > 1:
        raise ValueError(f"expected one file for each output, got {path} {count} times")
    if same := next((source for job in jobs for source in job.sources if source.resolve() in outputs), None):
        raise ValueError(f"expected outputs that are no inputs, got {same} as both")


def _natural(path: Path) -> list[Any]:
    """Sorting key that puts plane2 before plane10."""
    return [int(part) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", str(path))]


def _found(text: str) -> list[Path]:
    """The file or folder of that name, or what matches it as a pattern."""
    matches = [text] if Path(text).exists() else glob.glob(text)  # noqa: PTH207
    if not matches:
        raise FileNotFoundError(f"INPUT: expected a file, a folder or a pattern, found nothing at {text}")
    return sorted(map(Path, matches), key=_natural)


def _is_folder(path: Path) -> bool:
    """Whether it is a folder of files: an OME-Zarr is one image."""
    return path.is_dir() and not is_image(path)


def _images_in(folder: Path) -> list[Path]:
    """Images in a folder, in natural order."""
    paths = [p for p in folder.iterdir() if suffix_of(p) and not p.name.startswith(".") and not _is_folder(p)]
    return sorted(paths, key=_natural)


def _stacks_in(folder: Path, outputs: Sequence[Path]) -> list[Path]:
    """Images in a folder, and its subfolders with images; not those that results go to."""
    apart = {path.resolve() for path in outputs}
    folders = (path for path in folder.iterdir() if _is_folder(path) and path.resolve() not in apart)
    return sorted([*_images_in(folder), *(path for path in folders if _images_in(path))], key=_natural)


def _files(path: Path) -> list[Path]:
    """Image files of a folder of planes, or the path itself; reading refuses a folder without images."""
    return (_is_folder(path) and _images_in(path)) or [path]


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

    def shape(self, axes: str) -> tuple[int, ...]:
        """Lengths of some of the axes, all of them in order."""
        return tuple(n for axis, n in zip(self.image.axes, self.image.data.shape, strict=True) if axis in axes)


def open_stack(
    sources: Sequence[Path], axes: str | None, guide: tuple[int, ...] | None, opened: Opened = read_image
) -> Stack:
    """Open the stack that one file has, that several files are, or two images.

    Parameters
    ----------
    sources : sequence of path
    axes : str or None
        Of each file, in place of what it says itself.
    guide : tuple of int or None
        The ``guide_channel`` of `fuse`.
    opened : callable, optional
        Opens a file, as `read_image` does.

    Raises
    ------
    ValueError
        If the files differ, or it cannot be told from their axes what is to be fused.
    """
    image, other = _named(opened(sources[0]), sources[0], axes), None
    for path in sources[1:]:
        other = _named(opened(path), path, axes)
        _check_same(sources[0], image, path, other)
    if len(sources) != 2:
        other = None
        image = _with_planes(image, sources[0]) if len(sources) == 1 else _as_planes(image, sources)
    fused = image.axes if other else image.axes.replace("Z", "")
    channel = "C" if guide and "C" in image.axes else "S" if "S" in image.axes else ""
    if guide and (not channel or {"C", "S"} <= set(image.axes)):
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


def _with_planes(image: ImageFile, path: Path) -> ImageFile:
    """`image` with a Z axis; the pages of a file that names no axis are planes, and that is said."""
    if "Z" in image.axes:
        return image
    if image.axes.count("Q") == 1:
        count = image.data.shape[image.axes.index("Q")]
        print(f"napari-rpsnn: {path}: the {count} pages have no name and are taken as planes (Z).", file=sys.stderr)
        return replace(image, axes=image.axes.replace("Q", "Z"))
    found = ", ".join(f"{axis} ({n})" for axis, n in zip(image.axes, image.data.shape, strict=True))
    raise ValueError(f"{path}: expected an axis Z, of the planes, got the axes {found}; --axes names them by hand")


def _as_planes(image: ImageFile, sources: Sequence[Path]) -> ImageFile:
    """The stack whose planes are the files, of which `image` is the first."""
    if set(image.axes) & set("ZQ"):
        raise ValueError(
            f"{sources[0]}: expected planes without an axis Z or Q, got {image.axes}; --batch takes each file as a "
            "stack of its own, --axes names the axes"
        )

    def plane(number: int) -> NDArray[Any]:
        return np.asarray(read_image(sources[number]).data[...])

    data = PlaneArray((len(sources), *image.data.shape), image.data.dtype, 1, plane)
    return replace(image, data=data, axes=f"Z{image.axes}")

"""Image files in and out. The name decides the kind, of which there is one table."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_rpsnn.io import flat, ome_zarr, tiff
from napari_rpsnn.io.atomic import atomic_write, nothing, refuse_to_delete
from napari_rpsnn.io.format import ChunkedFormat, Format
from napari_rpsnn.io.image_file import ImageFile, same_values

FORMATS: tuple[Format, ...] = (tiff, ome_zarr, flat)

SUFFIXES = tuple(suffix for kind in FORMATS for suffix in kind.SUFFIXES)
WRITTEN = tuple(suffix for kind in FORMATS for suffix in kind.WRITTEN)


def suffix_of(path: str | os.PathLike[str]) -> str:
    """The longest of `SUFFIXES` that a path ends with, ``".ome.tif"`` before ``".tif"``; else an empty string."""
    name = os.fspath(path).rstrip("/\\").lower()
    return max((suffix for suffix in SUFFIXES if name.endswith(suffix)), key=len, default="")


def format_of(path: str | os.PathLike[str]) -> Format | None:
    """The kind of file that a path names, whether or not there is one."""
    return next((kind for kind in FORMATS if suffix_of(path) in kind.SUFFIXES), None)


def chunked_format(path: str | os.PathLike[str]) -> ChunkedFormat | None:
    """The kind of file that a path names, if it is written chunk by chunk."""
    kind = format_of(path)
    return kind if isinstance(kind, ChunkedFormat) else None


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether a path, as seen from outside, is an image: a file, or the folder of an OME-Zarr."""
    return any(kind.is_image(Path(path)) for kind in FORMATS)


def is_ours(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a result of ours; False, too, if that cannot be told."""
    try:
        return any(kind.is_ours(Path(path)) for kind in FORMATS if kind.is_image(Path(path)))
    except Exception:  # reading it will say what is wrong
        return False


def read_image(path: str | os.PathLike[str], series: int | None = None) -> ImageFile:
    """Open an image file; TIFF and OME-Zarr are read when they are indexed.

    Parameters
    ----------
    path : str or path-like
        A TIFF (plain, ImageJ, OME), PNG, JPEG or BMP, or the folder of an OME-Zarr 0.4 or 0.5, of which the full
        resolution is read.
    series : int, optional
        Which one, of a file of several images; counted from 0.

    Returns
    -------
    ImageFile

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not an image of these kinds, is damaged, or holds several images.
    ModuleNotFoundError
        If zarr, or a package that knows a compression, is missing; the message says how to install it.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected an image, found nothing there")
    try:
        kind = next((kind for kind in FORMATS if kind.is_image(path)), None)
        if kind is None:
            raise ValueError(f"expected a name that ends with one of {', '.join(SUFFIXES)}, or a folder of such files")
        return kind.read(path, series)
    except MemoryError:
        raise
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{path}: {error}") from error
    except Exception as error:  # image readers raise what they like
        bare = isinstance(error, LookupError) or not str(error)  # the text is a key, and says nothing alone
        what = f"{type(error).__name__}: {error}" if bare else error
        raise ValueError(f"{path}: cannot be read as an image: {what}") from error


def check_writable(
    path: str | os.PathLike[str], shape: tuple[int, ...], dtype: DTypeLike, axes: str, like: ImageFile | None = None
) -> None:
    """Raise ValueError if the kind of file that `path` names cannot hold such an image as it is.

    Parameters
    ----------
    path : str or path-like
    shape : tuple of int
    dtype : dtype
    axes : str
        As in `ImageFile`.
    like : ImageFile, optional
        As in `write_image`.
    """
    suffix, kind = suffix_of(path), format_of(path)
    if kind is None or suffix not in kind.WRITTEN:
        raise ValueError(f"{path}: expected a name that ends with one of {', '.join(WRITTEN)}")
    if len(axes) != len(shape) or not {"Y", "X"} <= set(axes):
        raise ValueError(f"axes: expected a letter for each axis of the shape {shape}, with Y and X, got {axes!r}")
    empty = np.broadcast_to(np.zeros((), dtype), shape)  # of any size, in no memory
    if wrong := kind.refusal(suffix, described(empty, axes, like or ImageFile(empty, axes))):
        raise ValueError(f"{path}: {suffix} holds {wrong}, got the axes {axes}, shape {shape} and dtype {empty.dtype}")


def write_image(
    path: str | os.PathLike[str],
    data: NDArray[Any],
    axes: str,
    *,
    like: ImageFile | None = None,
    provenance: Mapping[str, Any],
) -> None:
    """Write an image, whole or not at all; the suffix of `path` decides the kind of file.

    Parameters
    ----------
    path : str or path-like
        Ends with ``.ome.tif``, ``.tif`` (ImageJ's, where ImageJ has the dtype and the axes), ``.ome.zarr``, ``.png``
        or ``.jpg``. A file that is there is replaced; a folder only if it is an OME-Zarr, and one is to be written.
    data : ndarray
        Written with its dtype.
    axes : str
        As in `ImageFile`.
    like : ImageFile, optional
        The image whose scale, units and channel names are written, as far as they belong to `axes`.
    provenance : mapping
        How the image was made, anything JSON can hold; written into the file, as a comment where it has no place.

    Raises
    ------
    ValueError
        If the kind of file cannot hold the image, see `check_writable`.
    OSError
        If the disk is full or the place cannot be written to. What was there before stays.
    """
    check_writable(path, data.shape, data.dtype, axes, like)
    image = described(data, axes, like or ImageFile(data, axes))
    kind, suffix, text = format_of(path), suffix_of(path), json.dumps(dict(provenance))
    assert kind is not None  # or it were not writable

    def prove(part: Path) -> None:
        _prove(kind.read(part), written, suffix not in kind.LOSSY)

    try:
        with atomic_write(path, prove=prove, replaces=kind.may_replace) as part:
            written = kind.write(part, suffix, image, text)
    except FileExistsError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # of a full disk some say how many bytes they wrote, some that what is there is no image
        raise OSError(f"{path}: cannot be written: {error}") from error


def described(data: Any, axes: str, like: ImageFile) -> ImageFile:
    """`data` with the scale, units and channel names of another image, as far as they belong to `axes`."""
    scale, origin = ({axis: x for axis, x in told.items() if axis in axes} for told in (like.scale, like.origin))
    units = {axis: unit for axis, unit in like.units.items() if axis in scale or axis in origin}
    channels = data.shape[axes.index("C")] if "C" in axes else 1
    names = like.channel_names if len(like.channel_names) == channels else ()
    looks = like.looks if len(like.looks) == channels else ()
    return replace(
        like, data=data, axes=axes, scale=scale, units=units, channel_names=names, origin=origin, looks=looks
    )


def check_replaceable(path: str | os.PathLike[str]) -> None:
    """Raise FileExistsError if something is at `path` that `write_image` would not replace."""
    kind = format_of(path)
    refuse_to_delete(path, kind.may_replace if kind else nothing, by_folder=isinstance(kind, ChunkedFormat))


def _prove(got: ImageFile, written: NDArray[Any], exact: bool) -> None:
    """Raise OSError if what is read back is not what was written; plane by plane, so that no copy is in memory."""
    same = got.data.dtype == written.dtype.newbyteorder("=") and prod(got.data.shape) == written.size
    planes = written.reshape(-1, *got.plane_shape) if same and exact else ()
    if not same or not all(map(same_values, got.planes() if exact else (), planes)):
        raise OSError(f"expected {written.shape} {written.dtype} to be on the disk, got something else")

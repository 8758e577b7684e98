"""Image files in and out: the suffix decides the kind; flat pictures (PNG, JPEG, BMP) are read and written here."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_rpsnn.io import ome_zarr, tiff
from napari_rpsnn.io.image_file import ImageFile, software

#: dtypes of each kind of flat file that is written, by the number of colours; 0 is grey.
FLAT: dict[str, dict[int, tuple[str, ...]]] = {
    ".png": {0: ("uint8", "uint16"), 3: ("uint8",), 4: ("uint8",)},
    ".jpg": {0: ("uint8",), 3: ("uint8",)},
    ".jpeg": {0: ("uint8",), 3: ("uint8",)},
}
WRITTEN = (*tiff.SUFFIXES, *ome_zarr.SUFFIXES, *FLAT)
SUFFIXES = (*WRITTEN, ".bmp")


def suffix_of(path: str | os.PathLike[str]) -> str:
    """The one of `SUFFIXES` that a path ends with, ``".ome.tif"`` before ``".tif"``; else an empty string."""
    name = os.fspath(path).rstrip("/\\").lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def read_image(path: str | os.PathLike[str]) -> ImageFile:
    """Open an image file; TIFF and OME-Zarr are read when they are indexed.

    Parameters
    ----------
    path : str or path-like
        A TIFF (plain, ImageJ, OME), PNG, JPEG or BMP, or the folder of an OME-Zarr 0.4 or 0.5, of which the full
        resolution is read.

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
        If an OME-Zarr is to be read and zarr is missing.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected an image, found nothing there")
    try:
        if ome_zarr.is_zarr(path):
            return ome_zarr.read(path)
        if suffix_of(path) in tiff.SUFFIXES:
            return tiff.read(path)
        if path.is_file() and suffix_of(path) in (*FLAT, ".bmp"):
            return _read_flat(path)
        raise ValueError(f"expected a name that ends with one of {', '.join(SUFFIXES)}, or a folder of such files")
    except ModuleNotFoundError:
        raise
    except Exception as error:  # image readers raise what they like
        raise ValueError(f"{path}: cannot be read as an image: {error}") from error


def _read_flat(path: Path) -> ImageFile:
    from skimage.io import imread

    head = path.read_bytes()[:26]
    if head[1:4] == b"PNG" and head[24] == 16 and head[25] != 0:
        raise ValueError("expected a PNG of 8 bits per value, or a grey one, got 16 bits in colour; save it as TIFF")
    image = imread(path)
    return ImageFile(image, "YX" if image.ndim == 2 else "YXS")


def check_writable(path: str | os.PathLike[str], shape: tuple[int, ...], dtype: DTypeLike, axes: str) -> None:
    """Raise ValueError if the kind of file that `path` names cannot hold such an image as it is.

    Parameters
    ----------
    path : str or path-like
    shape : tuple of int
    dtype : dtype
    axes : str
        As in `ImageFile`.
    """
    suffix, name = suffix_of(path), np.dtype(dtype).name
    if suffix not in WRITTEN:
        raise ValueError(f"{path}: expected a name that ends with one of {', '.join(WRITTEN)}")
    if len(axes) != len(shape) or not {"Y", "X"} <= set(axes):
        raise ValueError(f"axes: expected a letter for each axis of the shape {shape}, with Y and X, got {axes!r}")
    colours, wrong = shape[axes.index("S")] if "S" in axes else 0, ""
    if suffix in tiff.SUFFIXES:
        wrong = tiff.refusal(suffix, axes, colours, name)
    elif suffix in ome_zarr.SUFFIXES:
        wrong = ome_zarr.refusal(axes)
    elif axes.replace("S", "") != "YX" or name not in FLAT[suffix].get(colours, ()):
        kinds = ({0: "grey", 3: "RGB", 4: "RGBA"}[n] + f" of {' or '.join(d)}" for n, d in FLAT[suffix].items())
        wrong = f"one picture, {'; '.join(kinds)}"
    if wrong:
        raise ValueError(f"{path}: {suffix} holds {wrong}, got the axes {axes}, shape {shape} and dtype {name}")


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
        or ``.jpg``. What is there is replaced.
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
    check_writable(path, data.shape, data.dtype, axes)
    image = described(data, axes, like or ImageFile(data, axes))
    suffix, text = suffix_of(path), json.dumps(dict(provenance))
    try:
        with whole(path) as part:
            if suffix in tiff.SUFFIXES:
                tiff.write(part, suffix, image, text)
            elif suffix in ome_zarr.SUFFIXES:
                ome_zarr.write(part, image, text)
            else:
                _write_flat(part, suffix, image, text)
    except OSError as error:  # of a full disk some writers say no more than how many bytes they wrote
        raise OSError(f"{path}: cannot be written: {error}") from error


def described(data: Any, axes: str, like: ImageFile) -> ImageFile:
    """`data` with the scale, units and channel names of another image, as far as they belong to `axes`."""
    scale = {axis: size for axis, size in like.scale.items() if axis in axes}
    units = {axis: unit for axis, unit in like.units.items() if axis in scale}
    channels = data.shape[axes.index("C")] if "C" in axes else 1
    return ImageFile(data, axes, scale, units, like.channel_names if len(like.channel_names) == channels else ())


def _write_flat(path: Path, suffix: str, image: ImageFile, provenance: str) -> None:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    picture = Image.fromarray(np.ascontiguousarray(image.ordered("YXS")[0]))
    if suffix == ".png":
        text = PngInfo()
        text.add_text("Software", software())
        text.add_text("Description", provenance)
        picture.save(path, format="PNG", pnginfo=text)
    else:
        picture.save(path, format="JPEG", quality=95, subsampling=0, comment=provenance.encode())


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path beside `path` to write a file or folder to, and rename it at the end; after an error remove it."""
    path, part = Path(path), Path(f"{os.fspath(path).rstrip('/')}.part")
    try:
        _remove(part)
        yield part
        if path.is_dir():  # a folder cannot be renamed onto another
            old = path.rename(f"{path}.old")
            try:
                part.rename(path)
            except OSError:
                old.rename(path)
                raise
            _remove(old)
        else:
            part.replace(path)
    finally:
        _remove(part)


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

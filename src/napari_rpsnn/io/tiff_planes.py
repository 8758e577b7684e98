"""The planes of a TIFF: proven against what the file promises when it is opened, read one by one when indexed.

tifffile reads what it finds: of a file that was cut, the pages that are left. What is there is compared with what the
file says of itself, its chain of pages, where their data lie, and how many planes its metadata have.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.io.bounds import refuse_bomb
from napari_rpsnn.io.image_file import PlaneArray
from napari_rpsnn.io.photometric import as_seen

#: Bytes of a value of each of TIFF's types.
TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}


def open_planes(path: Path, tif: Any, series: Any) -> tuple[PlaneArray, str]:
    """The array of one of a file's images, and its axes."""
    shape, key = tuple(series.shape), series.keyframe
    axes = "".join(axis if axis in "TCZYXS" else "Q" for axis in series.axes)
    refuse_undecodable(key)
    pages = list(series.pages)
    contiguous = series.dataoffset is not None and not series.is_multifile
    if contiguous:
        # Also the way to the planes after the first of large ImageJ files, which have no pages of their own.
        leading = min(axes.index(axis) for axis in "YXS" if axis in axes)
        if path.stat().st_size < series.dataoffset + prod(shape) * series.dtype.itemsize:
            raise ValueError("expected the whole image, got a file that is shorter")
        read = _raw(path, series, tif.byteorder, shape[leading:])
    else:
        leading = next(k for k in range(len(shape) + 1) if prod(shape[:k]) == len(pages))
        for number, page in enumerate(pages):
            _refuse_cut_page(number, page, key)
        read = _decoded(path, pages, shape[leading:])
    seen, steps = as_seen(axes[leading:], key, turned=not (tif.is_ome or tif.is_imagej))
    if not steps:
        return PlaneArray(shape, series.dtype, leading, read), axes

    def plane(number: int) -> NDArray[Any]:
        values = read(number)
        for step in steps:
            values = step(values)
        return values

    # A plane of nothing tells the shape and dtype, those of palettes and turned pictures too.
    first = np.zeros(shape[leading:], series.dtype)
    for step in steps:
        first = step(first)
    return PlaneArray(shape[:leading] + first.shape, first.dtype, leading, plane), axes[:leading] + seen


def refuse_broken_promises(tif: Any, series: Sequence[Any]) -> None:
    """Refuse a file whose pages are not as many as it says."""
    _refuse_cut_tags(tif, tif.pages.first.offset)
    following = _refuse_cut_tags(tif, tif.pages[-1].offset)
    if len(following) < tif.tiff.offsetsize or any(following):
        raise ValueError(f"expected a page after page {len(tif.pages) - 1}, got the end of the file, or rubbish")
    for number, one in enumerate(series):
        promised = _promised(tif, one, number)
        if promised is not None and promised != one.size:
            raise ValueError(f"expected {promised} values in image {number}, as the file says, got {one.size}")


def refuse_companions(tif: Any, folder: Path) -> tuple[str, ...]:
    """Refuse OME metadata that name files elsewhere: they would be opened. Names of the files, if they are several."""
    root = ElementTree.fromstring(tif.ome_metadata)
    names = {uuid.get("FileName", "") for uuid in root.iterfind(".//{*}TiffData/{*}UUID")} - {""}
    for name in sorted(names):
        if name in (".", "..") or "/" in name or "\\" in name or (folder / name).resolve().parent != folder.resolve():
            raise ValueError(f"expected companions in the folder of the file, got {name!r}")
        if not (folder / name).is_file() and len(names) > 1:
            raise ValueError(f"expected a companion {name!r} beside the file, found none")
    return tuple(sorted(names)) if len(names) > 1 else ()


def refuse_undecodable(page: Any) -> None:
    """Refuse a compression that nothing here can undo, before anything is done."""
    from tifffile import TIFF

    try:
        _ = TIFF.DECOMPRESSORS[page.compression], TIFF.UNPREDICTORS[page.predictor]
    except KeyError as error:
        name = getattr(page.compression, "name", page.compression)
        raise ModuleNotFoundError(
            f"reading a TIFF with {name} compression needs one more package: pip install 'napari-rpsnn[compressed]'"
        ) from error


def _refuse_cut_tags(tif: Any, offset: int) -> bytes:
    """Refuse a page whose tags lie beyond the end of the file; return where the next page is, as it is stored."""
    code, handle = tif.tiff, tif.filehandle
    handle.seek(offset)
    count = struct.unpack(code.tagnoformat, handle.read(code.tagnosize))[0]
    tags = handle.read(count * code.tagsize)
    for at in range(0, len(tags), code.tagsize):
        tag, kind = struct.unpack_from(tif.byteorder + "HH", tags, at)
        number, place = struct.unpack_from(tif.byteorder + ("QQ" if tif.is_bigtiff else "II"), tags, at + 4)
        size = TYPE_SIZES.get(kind, 0) * number
        if size > code.offsetsize and place + size > handle.size:
            raise ValueError(f"expected tag {tag} within the file's {handle.size} bytes, got {size} bytes at {place}")
    following: bytes = handle.read(code.offsetsize)
    return following


def _promised(tif: Any, series: Any, number: int) -> int | None:
    """How many values an image has, by the file's metadata; None: they do not say."""
    if tif.is_ome and series.kind == "ome":
        images = ElementTree.fromstring(tif.ome_metadata).findall("{*}Image/{*}Pixels")
        sizes = [int(images[number].get(f"Size{axis}", 1)) for axis in "TCZYX"]
        samples = [int(channel.get("SamplesPerPixel", 1)) for channel in images[number].findall("{*}Channel")]
        # SizeC counts samples; a reader may count colours as samples or as channels, but not more of them.
        return None if series.size == prod(sizes) * (samples or [1])[0] else prod(sizes)
    if tif.is_ome and series.kind != "ome":
        raise ValueError("expected OME metadata that fit the pages, got others")
    if tif.is_imagej and number == 0 and "images" in tif.imagej_metadata:
        if len(tif.pages) > tif.imagej_metadata["images"]:
            raise ValueError(f"expected {tif.imagej_metadata['images']} pages, as ImageJ says, got {len(tif.pages)}")
        return int(tif.imagej_metadata["images"] * prod(series.keyframe.shape))
    if series.kind == "shaped":
        shape = json.loads(series.keyframe.description).get("shape")
        return None if shape is None else int(prod(shape))
    return None


def _refuse_cut_page(number: int, page: Any, key: Any) -> None:
    if page is None:
        raise ValueError(f"expected plane {number}, found none")
    size, where = page.parent.filehandle.size, f"plane {number}"
    starts, counts = page.dataoffsets, page.databytecounts
    if not starts or any(count <= 0 or start + count > size for start, count in zip(starts, counts, strict=True)):
        raise ValueError(f"{where}: expected data within the file's {size} bytes, got some beyond, or none")
    values = prod(key.shape)
    refuse_bomb(values * key.dtype.itemsize, sum(counts), where)
    if key.is_tiled:
        # A tile may be larger than the picture, but not by much.
        refuse_bomb(prod(key.chunks) * key.dtype.itemsize, max(counts), f"a tile of {where}")
    if int(key.compression) == 1 and sum(counts) < values * int(key.bitspersample) // 8:
        raise ValueError(f"{where}: expected {values * int(key.bitspersample) // 8} bytes, got {sum(counts)}")


def _raw(path: Path, series: Any, byteorder: str, shape: tuple[int, ...]) -> Callable[[int], NDArray[Any]]:
    stored, count, offset = series.dtype.newbyteorder(byteorder), prod(shape), series.dataoffset

    def read(number: int) -> NDArray[Any]:
        try:
            values = np.fromfile(path, stored, count, offset=offset + number * count * stored.itemsize)
        except OSError as error:
            raise ValueError(f"{path}: plane {number} cannot be read: {error}") from error
        if len(values) < count:
            raise ValueError(f"{path}: plane {number}: expected {count} values, got {len(values)}")
        return values.reshape(shape)

    return read


def _decoded(path: Path, pages: Sequence[Any], shape: tuple[int, ...]) -> Callable[[int], NDArray[Any]]:
    lock = Lock()  # threads share the handle, which one would close while another reads

    def read(number: int) -> NDArray[Any]:
        page = pages[number]
        # Open for a page at a time: a stack may be a thousand files.
        handle = page.parent.filehandle
        with lock:
            try:
                handle.open()
                return np.asarray(page.asarray()).reshape(shape)
            except MemoryError:
                raise
            except Exception as error:  # decoders raise what they like
                raise ValueError(f"{path}: plane {number} cannot be read: {error}") from error
            finally:
                handle.close()

    return read

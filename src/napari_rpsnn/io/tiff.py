"""TIFF, ImageJ's TIFF and OME-TIFF, through tifffile, page by page: no zarr is needed for that."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.io.image_file import UNITS, ImageFile, PlaneArray, plain_unit, software

SUFFIXES: tuple[str, ...] = (".ome.tif", ".ome.tiff", ".tif", ".tiff")
WRITTEN = SUFFIXES
RESULT_SUFFIXES: tuple[str, str] | None = None

#: Where OME-XML has the sizes of the axes.
OME_SIZES = {"X": "PhysicalSizeX", "Y": "PhysicalSizeY", "Z": "PhysicalSizeZ", "T": "TimeIncrement"}

Metadata = tuple[dict[str, float], dict[str, str], tuple[str, ...]]


def is_image(path: Path) -> bool:
    """Whether a path is a file of such a name."""
    return path.is_file() and path.name.lower().endswith(SUFFIXES)


def may_replace(folder: Path) -> bool:
    """Never: such an image is a file."""
    return False


def read(path: Path) -> ImageFile:
    """Open a file; its planes are read when they are indexed."""
    from tifffile import TiffFile

    with _strict_tifffile(), TiffFile(path) as tif:
        if len(tif.series) != 1:
            raise ValueError(f"expected one image in the file, got {len(tif.series)}: {[s.shape for s in tif.series]}")
        series = tif.series[0]
        shape, dtype, offset = series.shape, series.dtype, series.dataoffset
        axes = "".join(axis if axis in "TCZYXS" else "Q" for axis in series.axes)
        if offset is not None and not series.is_multifile:
            # Also the way to the planes after the first of large ImageJ files, which have no pages of their own.
            leading = min(axes.index(axis) for axis in "YXS" if axis in axes)
            stored, count = np.dtype(dtype).newbyteorder(tif.byteorder), prod(shape[leading:])
            if path.stat().st_size < offset + prod(shape) * stored.itemsize:
                raise ValueError("the file is shorter than its image")

            def plane(number: int) -> NDArray[Any]:
                values = np.fromfile(path, stored, count, offset=offset + number * count * stored.itemsize)
                return values.reshape(shape[leading:])

        else:
            pages = list(series.pages)
            leading = next(k for k in range(len(shape) + 1) if prod(shape[:k]) == len(pages))

            def plane(number: int) -> NDArray[Any]:
                page = pages[number]
                if page is None:
                    raise ValueError(f"{path}: plane {number} is missing")
                # Open for a page at a time: a stack may be a thousand files.
                handle = page.parent.filehandle
                handle.open()
                try:
                    return np.asarray(page.asarray()).reshape(shape[leading:])
                finally:
                    handle.close()

        return ImageFile(PlaneArray(shape, dtype, leading, plane), axes, *_metadata(tif))


@contextmanager
def _strict_tifffile() -> Iterator[None]:
    """Refuse a file that was cut: tifffile logs that pages are missing, and goes on with those that are there."""

    def refuse(record: logging.LogRecord) -> bool:
        if "invalid page offset" in record.getMessage():
            raise ValueError("the file is shorter than its pages say")
        return True

    log = logging.getLogger("tifffile")
    log.addFilter(refuse)
    try:
        yield
    finally:
        log.removeFilter(refuse)


def _metadata(tif: Any) -> Metadata:
    """Scale, units and channel names, from the best of the places where a TIFF may have them."""
    if tif.is_ome:
        return _ome_metadata(tif.ome_metadata)
    ours = next((d["napari-rpsnn"] for d in tif.shaped_metadata or () if "napari-rpsnn" in d), None)
    if ours is not None:
        return ours["scale"], ours["units"], tuple(ours["channel_names"])
    tags = tif.pages.first.tags
    pixels = {axis: tags.valueof(f"{axis}Resolution", (0, 0)) for axis in "YX"}
    scale = {axis: denominator / numerator for axis, (numerator, denominator) in pixels.items() if numerator}
    if tif.is_imagej:
        return _imagej_metadata(tif.imagej_metadata, scale)
    name = {2: "in", 3: "cm"}.get(int(tags.valueof("ResolutionUnit", 1)))
    return (scale, dict.fromkeys(scale, name), ()) if name else ({}, {}, ())


def _ome_metadata(xml: str) -> Metadata:
    from xml.etree import ElementTree

    pixels = ElementTree.fromstring(xml).find("{*}Image/{*}Pixels")
    assert pixels is not None  # tifffile has read the same
    scale = {axis: float(size) for axis, name in OME_SIZES.items() if (size := pixels.get(name))}
    units = {axis: pixels.get(f"{OME_SIZES[axis]}Unit", "s" if axis == "T" else "µm") for axis in scale}
    channels = tuple(channel.get("Name", "") for channel in pixels.findall("{*}Channel"))
    return scale, units, channels if any(channels) else ()


def _imagej_metadata(said: dict[str, Any], pixels: dict[str, float]) -> Metadata:
    unit, scale, units = said.get("unit", ""), dict[str, float](), dict[str, str]()
    if unit not in ("", "pixel"):
        scale = pixels | ({"Z": float(said["spacing"])} if said.get("spacing") else {})
        units = {axis: plain_unit(str(said.get(f"{axis.lower()}unit", unit))) for axis in scale}
    if said.get("finterval"):
        scale["T"], units["T"] = float(said["finterval"]), plain_unit(str(said.get("tunit", "s")))
    # Labels are those of planes: channels have names where every plane repeats them.
    labels, channels = said.get("Labels", []), said.get("channels", 0)
    named = len(labels) > 0 and channels > 0 and labels == labels[:channels] * (len(labels) // channels)
    return scale, units, tuple(labels[:channels]) if named else ()


def refusal(suffix: str, image: ImageFile) -> str:
    """What such a file holds, if it is not an image like this one; else an empty string."""
    if not suffix.startswith(".ome"):
        return ""
    colours = image.data.shape[image.axes.index("S")] if "S" in image.axes else 0
    if set(image.axes) - set("TCZYXS") or colours not in (0, 3, 4):
        return "axes among T, C, Z, Y, X, and S for 3 or 4 colours"
    if image.data.dtype.name not in ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"):
        return "integers of up to 32 bits or floats of 32 or 64"
    return ""


def write(path: Path, suffix: str, image: ImageFile, provenance: str) -> None:
    """Write a file of the kind that `suffix` names, ImageJ's where ImageJ has the dtype and the axes."""
    from tifffile import imwrite

    ome = suffix.startswith(".ome")
    imagej = not ome and _imagej_has(image)
    # Whole planes, samples last; the order of the other axes is kept where the kind allows it.
    data, axes = image.ordered("TZCYXS" if imagej else "YXS")
    samples = data.shape[-1] if "S" in axes else 0
    options: dict[str, Any] = {
        "photometric": "rgb" if samples in (3, 4) else "minisblack",
        "planarconfig": "contig" if samples else None,
        "software": software(),
    }
    if ome:
        said = _ome_said(image, provenance)
    elif imagej:
        said = _imagej_said(image, provenance)
        if image.channel_names and "C" in axes:
            said["Labels"] = list(image.channel_names) * (prod(data.shape[:-2]) // len(image.channel_names))
        if {"X", "Y"} <= image.scale.keys():
            options["resolution"] = (1 / image.scale["X"], 1 / image.scale["Y"])
    else:
        ours = {"scale": image.scale, "units": image.units, "channel_names": image.channel_names}
        said = {"napari-rpsnn": {**ours, "provenance": json.loads(provenance)}}
        length = UNITS.get(image.units.get("X", ""), ("", None))[1]
        if length and image.units.get("Y") == image.units["X"]:
            options["resolution"] = tuple(1 / (image.scale[axis] * length) for axis in "XY")
            options["resolutionunit"] = "CENTIMETER"
    imwrite(path, data, ome=ome, imagej=imagej, metadata={"axes": axes, **said}, **options)


def _imagej_has(image: ImageFile) -> bool:
    """Whether ImageJ has the axes, the dtype and the one unit of an image, and a file as large: it knows no BigTIFF."""
    colours = image.data.shape[image.axes.index("S")] if "S" in image.axes else 0
    dtypes = {0: ("uint8", "uint16", "float32"), 3: ("uint8",), 4: ("uint8",)}.get(colours, ())
    units = {image.units.get(axis) for axis in "YXZ" if axis in image.scale}
    return (
        "Q" not in image.axes
        and image.data.dtype.name in dtypes
        and image.data.nbytes < 2**32 - 2**25
        and len(units) < 2
    )


def _imagej_said(image: ImageFile, provenance: str) -> dict[str, Any]:
    said: dict[str, Any] = {"Info": provenance}
    if "X" in image.scale and "Y" in image.scale:
        said["unit"] = image.units.get("X", "").replace("µ", "u")
    if "Z" in image.scale:
        said["spacing"] = image.scale["Z"]
    if "T" in image.scale:
        said |= {"finterval": image.scale["T"], "tunit": image.units.get("T", "s")}
    return said


def _ome_said(image: ImageFile, provenance: str) -> dict[str, Any]:
    said: dict[str, Any] = {OME_SIZES[axis]: size for axis, size in image.scale.items() if axis in OME_SIZES}
    said |= {f"{OME_SIZES[axis]}Unit": unit for axis, unit in image.units.items() if axis in OME_SIZES}
    said["CommentAnnotation"] = {"Namespace": "napari-rpsnn/provenance", "Value": provenance}
    if image.channel_names:
        said["Channel"] = {"Name": list(image.channel_names)}
    return said

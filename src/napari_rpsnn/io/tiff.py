"""TIFF, ImageJ's TIFF and OME-TIFF, through tifffile, page by page: no zarr is needed for that."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import zip_longest
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.io.image_file import UNITS, ImageFile, chosen, software
from napari_rpsnn.io.provenance import is_record
from napari_rpsnn.io.tiff_exif import DIRECTORIES, append_directories, camera_tags, read_exif
from napari_rpsnn.io.tiff_metadata import LENGTHS, OME_NO_UNIT, OME_SIZES, OME_WAVES, read_metadata
from napari_rpsnn.io.tiff_planes import open_planes, refuse_broken_promises, refuse_companions

SUFFIXES: tuple[str, ...] = (".ome.tif", ".ome.tiff", ".tif", ".tiff")
WRITTEN = SUFFIXES
LOSSY: tuple[str, ...] = ()
RESULT_SUFFIXES: tuple[str, str] | None = None

#: Tags of which one is there where a camera has made the picture: maker, model and the directories of what it says.
CAMERA = {271, 272, *DIRECTORIES}

#: A resolution is a fraction of two numbers of 32 bits.
GREATEST_RESOLUTION = 2.0**31


def is_image(path: Path) -> bool:
    """Whether a path is a file of such a name."""
    return path.is_file() and path.name.lower().endswith(SUFFIXES)


def may_replace(folder: Path) -> bool:
    """Never: such an image is a file."""
    return False


def is_ours(path: Path) -> bool:
    """Whether a file is a result of ours."""
    from tifffile import TiffFile

    with TiffFile(path) as tif:
        said = (tif.imagej_metadata or {}).get("Info", "") if tif.is_imagej else tif.pages.first.description
        return is_record(str(said))


def read(path: Path, series: int | None = None) -> ImageFile:
    """Open one of the images of a file; its planes are read when they are indexed."""
    from tifffile import TiffFile

    with TiffFile(path) as tif:
        companions = refuse_companions(tif, path.parent) if tif.is_ome else ()
        images = list(tif.series)
        refuse_broken_promises(tif, images)
        number = chosen([f"{one.shape} {one.dtype} {one.name}" for one in images], series)
        data, axes = open_planes(path, tif, images[number])
        said = read_metadata(tif, images[number], number)
        if CAMERA & set(tif.pages.first.tags.keys()):
            with suppress(Exception):  # what a camera says may be anything, and is not the image
                said["tags"] |= {"exif": read_exif(path)}
        return ImageFile(data, axes, companions=companions, **said)


def refusal(suffix: str, image: ImageFile) -> str:
    """What such a file holds, if it is not an image like this one; else an empty string."""
    if not suffix.startswith(".ome"):
        per_unit = [1 / image.scale[axis] for axis in "XY" if axis in image.scale]
        if _imagej_has(image) and any(not 1 / GREATEST_RESOLUTION < x < GREATEST_RESOLUTION for x in per_unit):
            return f"pixel sizes of {1 / GREATEST_RESOLUTION:.0e} to {GREATEST_RESOLUTION:.0e}, not {image.scale},"
        return ""
    if set(image.axes) - set("TCZYXS") or image.colours not in (0, 3, 4):
        return "axes among T, C, Z, Y, X, and S for 3 or 4 colours"
    if image.data.dtype.name not in ("uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"):
        return "integers of up to 32 bits or floats of 32 or 64"
    return ""


def write(path: Path, suffix: str, image: ImageFile, provenance: str) -> NDArray[Any]:
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
        "iccprofile": image.tags.get("icc"),
        "extratags": camera_tags(image.tags.get("exif")),
    }
    if not imagej:
        options |= _resolution(image)
    if ome:
        said = _ome_said(image, axes, data.shape[: axes.index("Y")], provenance)
    elif imagej:
        said = _imagej_said(image, axes, prod(data.shape[: axes.index("Y")]), provenance)
        if {"X", "Y"} <= image.scale.keys():
            options["resolution"] = (1 / image.scale["X"], 1 / image.scale["Y"])
            # Photo programs look here: ImageJ has inches and cm in its own words.
            unit = next((tag for tag, name in LENGTHS.items() if name == image.units.get("X")), 1)
            options["resolutionunit"] = unit
    else:
        ours = {name: getattr(image, name) for name in ("scale", "units", "channel_names", "origin", "looks")}
        said = {"napari-rpsnn": {**ours, "provenance": json.loads(provenance)}}
    imwrite(path, data, ome=ome, imagej=imagej, metadata={"axes": axes, **said}, **options)
    append_directories(path, image.tags.get("exif"))
    return data


def _resolution(image: ImageFile) -> dict[str, Any]:
    """Pixels a cm, where there are such."""
    length = UNITS.get(image.units.get("X", ""), ("", None))[1]
    if not length or not {"X", "Y"} <= image.scale.keys() or image.units.get("Y") != image.units["X"]:
        return {}
    per_cm = tuple(1 / (image.scale[axis] * length) for axis in "XY")
    fit = all(1 / GREATEST_RESOLUTION < pixels < GREATEST_RESOLUTION for pixels in per_cm)
    return {"resolution": per_cm, "resolutionunit": "CENTIMETER"} if fit else {}


def _imagej_has(image: ImageFile) -> bool:
    """Whether ImageJ has the axes, the dtype, the sizes and the one unit of an image, and a file as large: no BigTIFF.

    It has the sizes of rows and columns, or takes them for 1.
    """
    dtypes = {0: ("uint8", "uint16", "float32"), 3: ("uint8",), 4: ("uint8",)}.get(image.colours, ())
    sized = {axis for axis in "YXZ" if axis in image.scale}
    units = {image.units.get(axis) for axis in sized}
    return (
        "Q" not in image.axes
        and image.data.dtype.name in dtypes
        and image.data.nbytes < 2**32 - 2**25
        and len(units) < 2
        and (not sized or {"Y", "X"} <= sized)
    )


def _imagej_said(image: ImageFile, axes: str, planes: int, provenance: str) -> dict[str, Any]:
    said: dict[str, Any] = {"Info": provenance, **image.calibration}
    if "X" in image.scale:
        said["unit"] = _escaped(image.units.get("X", ""))
    if "Z" in image.scale:
        said["spacing"] = image.scale["Z"]
    # Places are where the origin lies in the image, in pixels.
    said |= {f"{axis.lower()}origin": -x / image.scale.get(axis, 1.0) for axis, x in image.origin.items() if x}
    if "T" in image.scale:
        said |= {"finterval": image.scale["T"], "tunit": _escaped(image.units.get("T", "s"))}
    if image.channel_names and "C" in axes:
        said["Labels"] = list(image.channel_names) * (planes // len(image.channel_names))
    looks = image.looks if "S" not in axes else ()
    if looks and all("window" in look for look in looks):
        said["Ranges"] = tuple(end for look in looks for end in look["window"])
        said |= dict(zip(("min", "max"), looks[0]["window"], strict=True))  # without channels ImageJ looks here
    if any("colour" in look for look in looks):
        colours = (bytes.fromhex(look.get("colour", "FFFFFF")) for look in looks)
        said["LUTs"] = [np.rint(np.outer(list(ends), np.linspace(0, 1, 256))).astype(np.uint8) for ends in colours]
    if "C" in axes and (image.mode or "LUTs" in said):
        said["mode"] = image.mode or "composite"
    return said


def _escaped(unit: str) -> str:
    """A unit as ImageJ writes it, whose description is ASCII of one word a line."""
    plain = " ".join(unit.replace("µ", "u").replace("μ", "u").split())
    return "".join(letter if letter.isascii() else f"\\u{ord(letter):04X}" for letter in plain)


def _ome_channel(name: str | None, look: dict[str, Any] | None) -> dict[str, Any]:
    """What is known of a channel: of one in transmitted light there is no wavelength."""
    said: dict[str, Any] = {"Name": name} if name else {}
    look = look or {}
    if "colour" in look:
        signed = int(look["colour"], 16) << 8 | 255
        said["Color"] = signed - 2**32 if signed >= 2**31 else signed
    for wave, ours in OME_WAVES.items():
        if ours in look:
            said |= {wave: look[ours], f"{wave}Unit": "nm"}
    return said


def _ome_said(image: ImageFile, axes: str, leading: tuple[int, ...], provenance: str) -> dict[str, Any]:
    said: dict[str, Any] = {OME_SIZES[axis]: abs(size) for axis, size in image.scale.items() if axis in OME_SIZES}
    units = dict.fromkeys(image.scale.keys() & set("XYZ"), OME_NO_UNIT) | image.units
    said |= {f"{OME_SIZES[axis]}Unit": unit for axis, unit in units.items() if axis in OME_SIZES}
    said["CommentAnnotation"] = {"Namespace": "napari-rpsnn/provenance", "Value": provenance}
    looks = image.looks if "S" not in axes else ()
    said["Channel"] = [_ome_channel(*told) for told in zip_longest(image.channel_names, looks)]
    plane: dict[str, Any] = {}
    falling = {"Z": 0.0} if image.scale.get("Z", 0.0) < 0 else {}
    for axis, place in (falling | image.origin).items():
        # Of a stack each plane says where it lies itself: sizes have no sign.
        numbers = (
            np.indices(leading)[axes.index(axis)].ravel() if axis in axes[: len(leading)] else np.zeros(prod(leading))
        )
        places = (place + image.scale.get(axis, 0.0) * numbers).tolist()
        plane |= {f"Position{axis}": places, f"Position{axis}Unit": [units.get(axis, "µm")] * len(places)}
    if plane:
        said["Plane"] = plane
    return said

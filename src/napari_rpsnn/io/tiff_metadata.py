"""What a TIFF says of its image, from the best of the places where it may: OME-XML, our own, ImageJ's, plain tags."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_rpsnn.io.bounds import sizes
from napari_rpsnn.io.image_file import length_factor, plain_unit
from napari_rpsnn.io.photometric import ramp_colour

#: Where OME-XML has the sizes of the axes.
OME_SIZES = {"X": "PhysicalSizeX", "Y": "PhysicalSizeY", "Z": "PhysicalSizeZ", "T": "TimeIncrement"}
#: Where it has wavelengths, and what we call them.
OME_WAVES = {"EmissionWavelength": "emission", "ExcitationWavelength": "excitation"}

#: What OME-XML has for the unit of lengths whose unit is not known.
OME_NO_UNIT = "reference frame"

#: What ImageJ says of what values stand for: of signed integers, too, which it stores without a sign.
CALIBRATION = ("cf", "c0", "c1", "c2", "c3", "c4", "vunit")

#: Tags of a TIFF's resolution unit.
LENGTHS = {2: "in", 3: "cm"}


def read_metadata(tif: Any, series: Any, number: int) -> dict[str, Any]:
    """Fields of `ImageFile` of one of a file's images."""
    page = series.keyframe
    said: dict[str, Any] = {"tags": {"icc": bytes(page.iccprofile)} if page.iccprofile else {}}
    if series.kind == "ome":
        return said | _ome(tif.ome_metadata, number)
    ours = next((d["napari-rpsnn"] for d in tif.shaped_metadata or () if "napari-rpsnn" in d), None)
    if ours is not None:
        scale, notes = sizes(ours["scale"], {})
        names = tuple(map(str, ours["channel_names"]))
        more = {name: ours[name] for name in ("origin", "looks") if name in ours}
        more["looks"] = tuple(dict(look) for look in more.get("looks", ()))
        return said | {"scale": scale, "units": dict(ours["units"]), "channel_names": names, "notes": notes} | more
    # As fractions, pixels per unit.
    fractions = {axis: page.tags.valueof(f"{axis}Resolution", (0, 0)) for axis in "YX"}
    per_unit = {axis: f"{below}/{above}" for axis, (above, below) in fractions.items() if above or below}
    values = {axis: below / above if above else 0.0 for axis, (above, below) in fractions.items() if axis in per_unit}
    scale, notes = sizes(values, {axis: f"{axis}Resolution" for axis in values})
    if tif.is_imagej:
        return said | _imagej(tif.imagej_metadata, scale, notes, ramp_colour(page))
    name = LENGTHS.get(int(page.tags.valueof("ResolutionUnit", 1)))
    return said | ({"scale": scale, "units": dict.fromkeys(scale, name), "notes": notes} if name else {})


def _ome(xml: str, number: int) -> dict[str, Any]:
    pixels = ElementTree.fromstring(xml).findall("{*}Image/{*}Pixels")[number]
    found = {axis: size for axis, name in OME_SIZES.items() if (size := pixels.get(name)) is not None}
    scale, notes = sizes(found, OME_SIZES)
    units = {axis: plain_unit(pixels.get(f"{OME_SIZES[axis]}Unit", "s" if axis == "T" else "µm")) for axis in scale}
    units = {axis: unit for axis, unit in units.items() if unit != OME_NO_UNIT}
    channels = pixels.findall("{*}Channel")
    names = tuple(channel.get("Name", "") for channel in channels)
    looks = tuple(_ome_look(channel) for channel in channels)
    if "Z" in scale and _falls(pixels):
        scale["Z"] = -abs(scale["Z"])
    first, origin = pixels.find("{*}Plane"), {}
    for axis in "XYZ" if first is not None else "":
        place = first.get(f"Position{axis}") if first is not None else None
        # Without a unit, of a stage whose own unit nobody knows, it is taken as that of the pixels.
        factor = length_factor(first.get(f"Position{axis}Unit", ""), units.get(axis, "µm")) if first is not None else 1
        if place is not None and np.isfinite(float(place)):
            origin[axis] = float(place) * (1.0 if factor is None else factor)
            if first is not None and axis not in units and first.get(f"Position{axis}Unit") == "pixel":
                units[axis] = "pixel"
    return {
        "scale": scale,
        "units": units,
        "channel_names": names if any(names) else (),
        "looks": looks if any(looks) else (),
        "origin": origin,
        "notes": notes,
    }


def _falls(pixels: Any) -> bool:
    """Whether each plane of OME-XML lies lower than the one before."""
    placed = (plane for plane in pixels.findall("{*}Plane") if plane.get("PositionZ") is not None)
    places = {int(plane.get("TheZ", 0)): float(plane.get("PositionZ")) for plane in placed}
    steps = np.diff([places[number] for number in sorted(places)])
    return steps.size > 0 and bool((steps < 0).all())


def _ome_look(channel: Any) -> dict[str, Any]:
    look: dict[str, Any] = {}
    if (colour := channel.get("Color")) is not None:
        look["colour"] = f"{int(colour) % 2**32 >> 8:06X}"  # red, green, blue, alpha, as a signed integer
    for name, ours in OME_WAVES.items():
        factor = length_factor(channel.get(f"{name}Unit", "nm"), "nm")
        if channel.get(name) is not None and factor is not None:
            look[ours] = float(channel.get(name)) * factor
    return look


def _imagej(said: dict[str, Any], pixels: dict[str, float], notes: tuple[str, ...], ramp: str | None) -> dict[str, Any]:
    unit, scale, units = _unescaped(said.get("unit", "")), dict[str, float](), dict[str, str]()
    more: tuple[str, ...] = ()
    spacing = said.get("spacing")
    planes, more = sizes({"Z": spacing} if isinstance(spacing, int | float) and spacing else {}, {})
    scale = pixels | planes
    if unit in ("", "pixel", "pixels"):
        # Without a unit a size of 1 is what a writer that knows none has to give.
        scale = {axis: size for axis, size in scale.items() if size != 1}
    else:
        units = {axis: plain_unit(_unescaped(said.get(f"{axis.lower()}unit", unit))) for axis in scale}
    if said.get("finterval"):
        times, late = sizes({"T": said["finterval"]}, {"T": "finterval"})
        scale, more = scale | times, more + late
        units |= dict.fromkeys(times, plain_unit(_unescaped(said.get("tunit", "s"))))
    # Where the origin lies in the image, in pixels.
    inside = {axis: said.get(f"{axis.lower()}origin") for axis in "XYZ"}
    origin = {a: -x * scale.get(a, 1.0) for a, x in inside.items() if isinstance(x, int | float) and x}
    units |= {axis: "pixel" for axis in origin if axis not in scale}
    # Labels are those of planes: channels have names where every plane repeats them.
    labels, channels = said.get("Labels", []), int(said.get("channels", 0))
    named = len(labels) > 0 and channels > 0 and labels == labels[:channels] * (len(labels) // channels)
    looks: list[dict[str, Any]] = [{} for _ in range(max(channels, 1))]
    ranges = said.get("Ranges", ())
    if len(ranges) != 2 * len(looks):  # then there is one window for all
        ends = [said.get(name) for name in ("min", "max")]
        ranges = ends * len(looks) if all(isinstance(end, int | float) and np.isfinite(end) for end in ends) else ()
    for k, look in enumerate(looks if ranges else ()):
        look["window"] = [float(ranges[2 * k]), float(ranges[2 * k + 1])]
    tables = said.get("LUTs", ())
    tables = [tables] if np.ndim(tables) == 2 else tables  # tifffile has an only one without a list
    for look, table in zip(looks, tables if len(tables) == len(looks) else (), strict=False):
        if (last := np.asarray(table)[:, -1]).any():  # black would be one of an inverted table
            look["colour"] = "".join(f"{int(value):02X}" for value in last)
    if ramp and len(looks) == 1:
        looks[0].setdefault("colour", ramp)
    return {
        "scale": scale,
        "units": units,
        "origin": origin,
        "channel_names": tuple(labels[:channels]) if named else (),
        "looks": tuple(looks) if any(looks) else (),
        "mode": str(said.get("mode", "")),
        "calibration": {key: said[key] for key in CALIBRATION if key in said},
        "notes": notes + more if scale or more else (),
    }


def _unescaped(text: Any) -> str:
    r"""A unit of ImageJ, which has \u00B5 for µ."""
    return re.sub(r"\\u([0-9A-Fa-f]{4})", lambda code: chr(int(code[1], 16)), str(text))

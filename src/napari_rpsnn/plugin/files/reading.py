"""File ▸ Open: TIFF, ImageJ's and OME's, and OME-Zarr, with scale, units, axes and the names of their channels."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pint

from napari_rpsnn.io.formats import is_image, read_image, suffix_of
from napari_rpsnn.io.image_file import ImageFile
from napari_rpsnn.plugin.files.axes import label_of

LayerData = tuple[Any, dict[str, Any], str]

READ = (".tif", ".tiff", ".ome.tif", ".ome.tiff", ".ome.zarr", ".zarr")
#: Larger images stay in their file and are read plane by plane.
IN_MEMORY_BYTES = 2**30
#: Side in pixels of what is looked at of them before they are shown.
LOOK_PX = 1024


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[LayerData]] | None:
    """What reads `path`, if it is one image that we know; napari asks this, and others where it is None."""
    if not isinstance(path, str | os.PathLike) or suffix_of(path) not in READ or not is_image(path):
        return None
    return read_layers


def read_layers(path: str) -> list[LayerData]:
    """Return the layers of a file: one for each channel where it fits into memory, as napari shows channels."""
    image = read_image(path)
    small = np.prod(image.data.shape, dtype=float) * image.data.dtype.itemsize <= IN_MEMORY_BYTES
    data = np.asarray(image.data[...]) if small else image.data
    name = Path(path).name
    name = name[: len(name) - len(suffix_of(path))]
    if not small or "C" not in image.axes or image.colours:
        limits = {} if small else _limits(image)
        return [(data, _attributes(image, image.axes) | limits | {"name": name}, "image")]
    axis = image.axes.index("C")
    axes = image.axes.replace("C", "")
    layers: list[LayerData] = []
    for channel, part in enumerate(np.moveaxis(data, axis, 0)):
        called = image.channel_names[channel] if channel < len(image.channel_names) else f"channel {channel}"
        look = image.looks[channel] if channel < len(image.looks) else {}
        seen: dict[str, Any] = {"name": f"{name} {called}", "blending": "additive"}
        if "colour" in look:
            seen["colormap"] = f"#{look['colour'].lower()}"
        if "window" in look and look["window"][0] < look["window"][1]:
            seen["contrast_limits"] = tuple(look["window"])
        layers.append((part, _attributes(image, axes) | seen, "image"))
    return layers


def _limits(image: ImageFile) -> dict[str, Any]:
    """Contrast limits of an image that stays in its file, by its middle, where napari has no fixed ones.

    napari would look at the origin of the world, where an image that lies elsewhere has nothing.
    """
    if image.colours or image.data.dtype == np.uint8:
        return {}
    sizes, half = zip(image.axes, image.data.shape, strict=True), LOOK_PX // 2
    middle = [slice(max(n // 2 - half, 0), n // 2 + half) if axis in "YX" else n // 2 for axis, n in sizes]
    values = np.asarray(image.data[tuple(middle)])
    known = values[np.isfinite(values)]
    if not known.size or known.min() == known.max():
        return {}
    return {"contrast_limits": (float(known.min()), float(known.max()))}


def _attributes(image: ImageFile, axes: str) -> dict[str, Any]:
    """Where an image lies, as napari takes it."""
    plain = axes.replace("S", "")
    return {
        "scale": [image.scale.get(axis, 1.0) for axis in plain],
        "translate": [image.origin.get(axis, 0.0) for axis in plain],
        "units": [_unit(image.units.get(axis, "pixel")) for axis in plain],
        "axis_labels": [label_of(axis, place - len(plain)) for place, axis in enumerate(plain)],
        "rgb": image.colours in (3, 4),
    }


def _unit(said: str) -> str:
    """A unit that napari takes: in place of one that it does not know, as OME's "reference frame", the pixel."""
    try:
        pint.get_application_registry().Unit(said)
    except Exception:  # text of anybody, which is parsed
        return "pixel"
    return said

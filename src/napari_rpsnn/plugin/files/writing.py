"""File ▸ Save: an image layer with its pixel size, units and axes, and with what made it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from napari_rpsnn.io.formats import write_image
from napari_rpsnn.io.image_file import ImageFile, plain_unit
from napari_rpsnn.plugin.files.axes import letters_of
from napari_rpsnn.plugin.layers import METADATA
from napari_rpsnn.plugin.placement import straight, unit_text


def write_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write an image layer, whole or not at all, and return the paths that were written.

    Raises
    ------
    OSError
        If the kind of file that the suffix names cannot hold the image, too: napari takes a ValueError for a kind of
        file that we do not write, and says that.
    """
    full = data[0] if meta.get("multiscale") else data
    plain = letters_of(meta["axis_labels"])
    axes = plain + ("S" if meta.get("rgb") else "")
    units = {axis: plain_unit(unit_text(unit)) for axis, unit in zip(plain, meta["units"], strict=True)}
    units = {axis: unit for axis, unit in units.items() if unit not in ("pixel", "px")}
    *where, is_straight = straight(meta)
    sizes, places = (dict(zip(plain, map(float, values), strict=True)) for values in where)
    if not is_straight or any(x < 0 for axis, x in sizes.items() if axis != "Z"):
        warnings.warn(
            f"'{meta.get('name', Path(path).name)}' is turned, sheared or mirrored, which the file does not say: it "
            "has the size of its pixels and where the first one lies.",
            stacklevel=2,
        )
    # Without a unit a scale of 1 is no size, and places count pixels.
    scale = {axis: x if axis == "Z" else abs(x) for axis, x in sizes.items() if axis in units or x != 1}
    origin = {axis: x for axis, x in places.items() if x}
    units |= dict.fromkeys(origin.keys() - scale.keys(), "pixel")
    like = ImageFile(full, axes, scale=scale, units=units, origin=origin)
    made = meta.get("metadata", {}).get(METADATA, {})
    try:
        write_image(path, np.asarray(full), axes, like=like, provenance=made)
    except ValueError as error:
        raise OSError(str(error)) from error
    return [path]

"""napari layers to arrays and metadata, and results to layer data. Layers are duck-typed: no napari here."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

#: Where a layer lies in the world: must be the same for both.
PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
#: How it looks. Colormap, contrast and gamma mean nothing for RGB layers.
LOOK = ("blending", "interpolation2d")
GREY_LOOK = ("colormap", "contrast_limits", "gamma")


@dataclass(frozen=True)
class LayerPair:
    """Two image layers as `iter_fuse` takes them, and the attributes of the layer to be made of them."""

    image0: Any
    image1: Any
    channel_axis: int | None
    attributes: dict[str, Any]


def read_pair(layer0: Any, layer1: Any) -> LayerPair:
    """Read two image layers, so that they may be removed, renamed or moved afterwards. Their arrays are not copied.

    Raises
    ------
    ValueError
        If a layer is missing, the layers are the same, or they differ in kind of colour, in shape or in where they lie
        in the world. The message has both values.
    """
    if layer0 is None or layer1 is None:
        raise ValueError("Expected two image layers, got fewer. Open or add another image.")
    if layer0 is layer1:
        raise ValueError(f"Expected two different layers, got '{layer0.name}' twice.")
    place0, place1 = ({name: _value(layer, name) for name in PLACE} for layer in (layer0, layer1))
    for what, value0, value1 in (
        ("kind of colour", _colour(layer0), _colour(layer1)),
        ("shape", _full(layer0).shape, _full(layer1).shape),
        *((name, place0[name], place1[name]) for name in PLACE),
    ):
        if not np.array_equal(value0, value1):
            raise ValueError(
                f"Expected layers of the same {what}, got {_text(value0)} ('{layer0.name}') and {_text(value1)} "
                f"('{layer1.name}')."
            )
    look = LOOK if layer0.rgb else LOOK + GREY_LOOK
    attributes = place0 | {name: _value(layer0, name) for name in look}
    attributes |= {"name": f"{layer0.name} + {layer1.name} fused", "rgb": layer0.rgb}
    if "contrast_limits" in attributes:
        # The limits of both: the result may be as dark or as bright as either.
        both = (*layer0.contrast_limits, *layer1.contrast_limits)
        attributes["contrast_limits"] = (min(both), max(both))
    return LayerPair(_full(layer0), _full(layer1), -1 if layer0.rgb else None, attributes)


def _value(layer: Any, name: str) -> Any:
    """An attribute that shares nothing with the layer: moving the result must not move its source."""
    if name == "affine":
        return np.array(layer.affine.affine_matrix)
    return copy.copy(getattr(layer, name))


def _full(layer: Any) -> Any:
    """Data of a layer, at full resolution where it has several."""
    return layer.data[0] if layer.multiscale else layer.data


def _colour(layer: Any) -> str:
    return "RGB" if layer.rgb else "grey"


def _text(value: Any) -> str:
    return str(value.tolist()) if isinstance(value, np.ndarray) else str(value)

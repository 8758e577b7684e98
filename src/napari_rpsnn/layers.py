"""napari layers to arrays and metadata, and results to layer data. Layers are duck-typed: no napari here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: What a result takes over from its source. Colormap, contrast and gamma mean nothing for RGB layers.
SHARED_ATTRIBUTES = (
    "scale",
    "translate",
    "rotate",
    "shear",
    "affine",
    "units",
    "axis_labels",
    "blending",
    "interpolation2d",
)
GREY_ATTRIBUTES = ("colormap", "contrast_limits", "gamma")


@dataclass(frozen=True)
class LayerPair:
    """Two image layers as `iter_fuse` takes them, and the attributes of the layer to be made of them."""

    image0: Any
    image1: Any
    channel_axis: int | None
    attributes: dict[str, Any]


def read_pair(layer0: Any, layer1: Any) -> LayerPair:
    """Read two image layers, so that they may be changed or removed afterwards.

    Raises
    ------
    ValueError
        If a layer is missing, the layers are the same, or they differ in shape, in kind of colour or in where they
        lie in the world.
    """
    if layer0 is None or layer1 is None:
        raise ValueError("Expected two image layers, got fewer. Open or add another image.")
    if layer0 is layer1:
        raise ValueError(f"Expected two different layers, got '{layer0.name}' twice.")
    for what, value0, value1 in (
        ("kind of colour", _colour(layer0), _colour(layer1)),
        ("shape", _full(layer0).shape, _full(layer1).shape),
        ("scale", tuple(layer0.scale), tuple(layer1.scale)),
        ("translate", tuple(layer0.translate), tuple(layer1.translate)),
    ):
        if value0 != value1:
            raise ValueError(
                f"Expected layers of the same {what}, got {_text(value0)} ('{layer0.name}') and {_text(value1)} "
                f"('{layer1.name}')."
            )
    names = SHARED_ATTRIBUTES if layer0.rgb else SHARED_ATTRIBUTES + GREY_ATTRIBUTES
    attributes = {name: getattr(layer0, name) for name in names if hasattr(layer0, name)}
    attributes |= {"name": f"{layer0.name} + {layer1.name} fused", "rgb": layer0.rgb}
    if "contrast_limits" in attributes:
        # The limits of both: the result may be as dark or as bright as either.
        both = (*layer0.contrast_limits, *layer1.contrast_limits)
        attributes["contrast_limits"] = (min(both), max(both))
    return LayerPair(_full(layer0), _full(layer1), -1 if layer0.rgb else None, attributes)


def _full(layer: Any) -> Any:
    """Data of a layer, at full resolution where it has several."""
    return layer.data[0] if layer.multiscale else layer.data


def _colour(layer: Any) -> str:
    return "RGB" if layer.rgb else "grey"


def _text(value: Any) -> str:
    return (
        str(tuple(float(v) if isinstance(v, float) else v for v in value)) if isinstance(value, tuple) else str(value)
    )

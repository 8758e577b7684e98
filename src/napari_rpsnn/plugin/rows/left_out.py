"""The row that says where a layer has no data: where somebody has painted or drawn, or all but that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import napari
import numpy as np
from magicgui.widgets import ComboBox
from napari.layers import Image, Labels, Shapes
from numpy.typing import NDArray

from napari_rpsnn.plugin.axes import data_of, shape_of
from napari_rpsnn.plugin.placement import agree, pixel_at, place_of, point_of, without_axes
from napari_rpsnn.plugin.rows.controls import choice


class LeftOut(NamedTuple):
    """What is left out: what a layer covers, or all that it does not."""

    layer: Any
    inside: bool


def left_out_choice(viewer: napari.viewer.Viewer, name: str, label: str) -> ComboBox:
    """The row: none, or a `LeftOut` of one of the layers that say yes or no of pixels."""

    def offer(_: ComboBox) -> list[tuple[str, Any]]:
        layers = [layer for layer in viewer.layers if _is_mask(layer)]
        where = (("in", True), ("outside", False))
        return [
            ("nothing", None),
            *((f"{word} {layer.name}", LeftOut(layer, inside)) for layer in layers for word, inside in where),
        ]

    return choice(name, label, offer, "Pixels without data: painted labels, drawn shapes, or a mask that is an image")


def has_data(
    left_out: LeftOut, layer: Any, picture: tuple[int, int], units: Any = None
) -> tuple[NDArray[np.bool_], str | None]:
    """Where `layer`, whose rows and columns are `picture`, has data, and what the user is to know of it.

    `units` are the `world_units` of the viewer that shows both. It goes with the shape of the layer without colours, as
    NumPy broadcasts: what has fewer axes counts for all.

    Raises
    ------
    ValueError
        If what is left out has another shape, lies elsewhere, or is nothing. The message has both values.
    """
    source, note = left_out.layer, None
    if isinstance(source, Shapes):
        covered = _drawn(source, layer, picture, units)
    else:
        shape, own = shape_of(layer), shape_of(source)
        if shape[-len(own) :] != own:
            raise ValueError(
                f"Leave out: expected the shape {shape} of '{layer.name}', or the last axes of it, got {own} "
                f"('{source.name}')."
            )
        note = _agree(layer, source)
        covered = np.asarray(data_of(source)) != 0
    return ~covered if left_out.inside else covered, note


def planes_have_data(
    left_out: LeftOut, layers: Sequence[Any], units: Any = None
) -> tuple[NDArray[np.bool_], str | None]:
    """`has_data` of single planes that are a stack: the same for all, or one for each where there are as many."""
    source, first = left_out.layer, layers[0]
    shape = len(layers), *shape_of(first)
    if not isinstance(source, Shapes) and shape_of(source) == shape:
        covered = np.asarray(data_of(source)) != 0
        return ~covered if left_out.inside else covered, _agree(first, source)
    has, note = has_data(left_out, first, (0, 1), units)
    return np.broadcast_to(has, shape), note


def _agree(layer: Any, source: Any) -> str | None:
    """Whether both lie in one place, as far as both have axes; what is to be known of it."""
    places = [without_axes(place_of(one), range(one.ndim - min(layer.ndim, source.ndim))) for one in (layer, source)]
    return agree(places[0], places[1], (layer.name, source.name))[1]


def _is_mask(layer: Any) -> bool:
    return isinstance(layer, Labels | Shapes) or (isinstance(layer, Image) and data_of(layer).dtype == bool)


def _drawn(shapes: Any, layer: Any, picture: Sequence[int], units: Any) -> NDArray[np.bool_]:
    """Pixels of `layer` whose middle lies in a shape: on the planes on which it is seen, where it was drawn on some."""
    if not len(shapes.data):
        raise ValueError(f"Leave out: expected shapes in '{shapes.name}', got none. Draw one on the image.")
    places = [
        np.array([pixel_at(layer, point_of(shapes, corner, units), units) for corner in corners])
        for corners in shapes.data
    ]
    shape = shape_of(layer)
    # napari's own shapes know what is inside of them; these are the same ones, on the pixels of the layer.
    on_pixels = Shapes([place[:, list(picture)] for place in places], shape_type=shapes.shape_type)
    masks = on_pixels.to_masks(mask_shape=[shape[axis] for axis in picture])
    seen_on = [axis for axis in range(max(layer.ndim - shapes.ndim, 0), layer.ndim) if axis not in picture]
    size = [n if axis in (*seen_on, *picture) else 1 for axis, n in enumerate(shape)]
    covered = np.zeros(size, bool)
    for place, mask in zip(places, masks, strict=True):
        where = [slice(None)] * layer.ndim
        for axis in seen_on:
            first, last = (round(float(end)) for end in (place[:, axis].min(), place[:, axis].max()))
            where[axis] = slice(max(first, 0), max(last + 1, 0))
        others = tuple(axis for axis in range(layer.ndim) if axis not in picture)
        covered[tuple(where)] |= np.expand_dims(mask, others)
    return covered

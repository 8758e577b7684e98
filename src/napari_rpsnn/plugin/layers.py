"""napari layers to arrays, options and attributes of the result. Layers are duck-typed: no napari here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_rpsnn.images.slabs import middle_of, split_planes, step_of
from napari_rpsnn.plugin.axes import data_of, shape_of
from napari_rpsnn.plugin.part import WHOLE, Part, picture_axes
from napari_rpsnn.plugin.placement import (
    is_mixed,
    look_of,
    moved,
    origin_of,
    place_of,
    same_place,
    step_along,
    unit_text,
    without_axes,
)

#: Key of a result's metadata.
METADATA = "napari-rpsnn"


@dataclass(frozen=True)
class Sources:
    """Image layers as the engine takes them, and the attributes of the layers to be made of them.

    Attributes
    ----------
    images : tuple of array
        Two images, or one stack. Not copied.
    names : tuple of str
        What the user calls them.
    options : dict
        Axes and channels as `fuse` or `fuse_stack` take them.
    attributes, map_attributes : dict
        Of the fused layer, and where its maps lie.
    title : str
        What the names of all results begin with.
    planes : int
        How many images or planes there are.
    unit : str
        Of heights; of a stack only.
    note : str or None
        What the user is to know before the work begins.
    shape : tuple of int
        Of the result.
    part : dict
        What was taken of the layers, as far as the options do not say it.
    split : tuple of dict
        Where the first axis is of several layers: the attributes of each one's result, and its title.
    place : dict
        Of a stack: where planes, rows and columns lie, of one picture.
    """

    images: tuple[Any, ...]
    names: tuple[str, ...]
    options: dict[str, Any]
    attributes: dict[str, Any]
    map_attributes: dict[str, Any]
    title: str
    planes: int = 2
    unit: str = ""
    note: str | None = None
    shape: tuple[int, ...] = field(default=())
    part: dict[str, Any] = field(default_factory=dict)
    split: tuple[dict[str, Any], ...] = ()
    place: dict[str, Any] = field(default_factory=dict)

    def noting(self, note: str) -> Sources:
        """The same, with one more thing to know."""
        return replace(self, note=f"{self.note or ''} {note}".strip() or None)

    def has(self, layer: Any) -> bool:
        """Whether a layer is one of them: by its name, or its data where it was renamed."""
        is_image = hasattr(layer, "multiscale")
        return is_image and (layer.name in self.names or any(data_of(layer) is array for array in self.arrays))

    @property
    def arrays(self) -> Sequence[Any]:
        """What each layer has: of several that are fused together its own."""
        arrays: Sequence[Any] = getattr(self.images[0], "arrays", self.images)
        return arrays

    def are_in(self, layers: Iterable[Any]) -> bool:
        """Whether all of them are still there."""
        return sum(self.has(layer) for layer in layers) >= len(self.names)


def same_kind(layer0: Any, layer1: Any) -> None:
    """Refuse layers of different colours, shapes or dtypes; the message has both values."""
    for what, value0, value1 in (
        ("kind of colour", _colour(layer0), _colour(layer1)),
        ("shape", tuple(data_of(layer0).shape), tuple(data_of(layer1).shape)),
        ("dtype", np.dtype(data_of(layer0).dtype), np.dtype(data_of(layer1).dtype)),
    ):
        if value0 != value1:
            raise ValueError(
                f"Expected layers of the same {what}, got {value0} ('{layer0.name}') and {value1} ('{layer1.name}')."
            )


def read_pair(
    layer0: Any,
    layer1: Any,
    channel_axis: int | None = None,
    guide: int | None = None,
    part: Part = WHOLE,
    masks: Sequence[Any] = (None, None),
) -> Sources:
    """Read two image layers, so that they may be removed, renamed or moved afterwards. Their arrays are not copied.

    Parameters
    ----------
    layer0, layer1 : napari.layers.Image
    channel_axis : int or None
        Axis of the channels of layers that are not RGB.
    guide : int or None
        The channel that decides for all.
    part : Part, optional
        What to take of both.
    masks : sequence of two arrays, optional
        Where each has data, of what goes with its shape without colours; None: everywhere.

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
    same_kind(layer0, layer1)
    place, note = same_place(layer0, layer1)
    title = f"{layer0.name} + {layer1.name}"
    look = look_of(layer0)
    if "contrast_limits" in look:
        # The limits of both: the result may be as dark or as bright as either.
        both = (*layer0.contrast_limits, *layer1.contrast_limits)
        look["contrast_limits"] = (min(both), max(both))
    options = _channels(layer0, channel_axis, guide)
    picture = picture_axes(layer0.ndim, _shared(layer0, options))
    images = tuple(part.of(data_of(layer), picture) for layer in (layer0, layer1))
    if any(mask is not None for mask in masks):
        where = [np.array(True) if mask is None else mask for mask in masks]
        options["mask"] = np.stack(
            [_mask(mask, layer0, options, part.window(shape_of(layer0), picture)) for mask in where]
        )
    place = moved(place, part.starts(picture), {})
    return Sources(
        images=images,
        names=(layer0.name, layer1.name),
        options=options,
        attributes=place | look | {"name": f"{title} fused", "rgb": layer0.rgb},
        map_attributes=without_axes(place, _shared(layer0, options)),
        title=title,
        note=note,
        shape=tuple(images[0].shape),
        part=part.said(),
    )


def read_stack(
    layer: Any,
    axis: int | None,
    channel_axis: int | None = None,
    guide: int | None = None,
    part: Part = WHOLE,
    planes: tuple[int, int] | None = None,
    slab: int | None = None,
    mask: Any = None,
) -> Sources:
    """Read an image layer whose planes lie along one of its axes, as `read_pair` reads two.

    `planes` and `slab` are those of `fuse_stack`, `mask` is one of those of `read_pair`. The options have what is to be
    taken, and as the height of plane 0 where it lies in the world.

    Raises
    ------
    ValueError
        If there is no layer, no axis of planes beside rows and columns, or fewer than two planes.
    """
    if layer is None:
        raise ValueError("Expected an image layer with planes, got none. Open or add a stack.")
    shape = tuple(data_of(layer).shape)
    if axis is None or layer.ndim < 3:
        raise ValueError(
            f"Expected a layer with an axis of planes beside rows and columns, got '{layer.name}' of shape {shape}. Of "
            "planes that are layers of their own, select all in the layer list."
        )
    if shape[axis] < 2:
        raise ValueError(f"Expected at least two planes, got {shape[axis]} on that axis of '{layer.name}', {shape}.")
    if channel_axis == axis and guide is not None:
        raise ValueError(f"Expected planes and channels on different axes of '{layer.name}', got the same for both.")
    place = place_of(layer)
    options = {"axis": axis, **_channels(layer, channel_axis, guide)}
    shared = _shared(layer, options)
    picture = picture_axes(layer.ndim, {axis, *shared})
    data = part.of(data_of(layer), picture, region=False)
    first, last = planes or (0, shape[axis] - 1)
    starts, factors, gone = part.starts(picture), dict[int, float](), {axis}
    made = list(part.of(np.broadcast_to(0, shape), picture).shape)
    if slab is None:
        del made[axis]
    else:
        gone = set()
        starts[axis], factors[axis] = first + middle_of(slab), step_of(slab)
        made[axis] = len(split_planes(last + 1 - first, slab))
    notes = []
    if gone and is_mixed(place, gone):
        notes.append(
            f"'{layer.name}' is turned or sheared along its planes: the result keeps its scale and translation, not "
            "its rotation, shear and affine."
        )
    rises = step_along(place, axis) > 0
    if not rises:
        notes.append(
            f"The planes of '{layer.name}' have a negative scale: heights begin at the first plane all the same."
        )
    # Heights count upwards: where planes lie ever lower, no place in the world belongs to them.
    origin = origin_of(place, axis) if rises else 0.0
    more = {"planes": planes, "region": part.region, "slab": slab, "plane_origin": origin}
    options |= {name: value for name, value in more.items() if value}
    if mask is not None:
        options["mask"] = _mask(mask, layer, options, part.window(shape_of(layer), picture, region=False))
    place = moved(place, starts, factors)
    return Sources(
        images=(data,),
        names=(layer.name,),
        options=options,
        attributes=without_axes(place, gone) | look_of(layer) | {"name": f"{layer.name} fused", "rgb": layer.rgb},
        map_attributes=without_axes(place, gone | shared),
        place=without_axes(place, _others(layer, axis)),
        title=layer.name,
        planes=shape[axis],
        unit=unit_text(layer.units[axis]),
        note=" ".join(notes) or None,
        shape=tuple(made),
        part=part.said(region=False),
    )


def _channels(layer: Any, channel_axis: int | None, guide: int | None) -> dict[str, Any]:
    """Options of the channels. Without a guide the channels of layers that are not RGB are fused one by one."""
    if layer.rgb:
        return {"channel_axis": -1, "guide_channel": guide}
    if channel_axis is None or guide is None:
        return {"channel_axis": None, "guide_channel": None}
    return {"channel_axis": channel_axis, "guide_channel": guide}


def _shared(layer: Any, options: dict[str, Any]) -> set[int]:
    """Axes of the layer whose pictures share a decision, so that maps do not have them. Colours are no such axis."""
    return set() if layer.rgb or options["channel_axis"] is None else {options["channel_axis"]}


def _mask(mask: Any, layer: Any, options: dict[str, Any], window: list[slice]) -> Any:
    """A mask of the layer's shape as `fuse` takes it: of a part, and without channels that share a decision."""
    shape = list(shape_of(layer))
    for axis in _shared(layer, options):  # a pixel has data where all of them have
        if (own := axis - len(shape) + mask.ndim) >= 0:
            mask = mask.all(own)
        del shape[axis], window[axis]
    return np.broadcast_to(mask, shape)[tuple(window)]


def _others(layer: Any, axis: int) -> set[int]:
    """Axes of a stack beside those of planes, rows and columns."""
    return set([other for other in range(layer.ndim) if other != axis][:-2])


def _colour(layer: Any) -> str:
    return "RGB" if layer.rgb else "grey"

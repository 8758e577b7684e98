"""What the axes of a napari layer are: planes, channels, time, rows and columns. Duck-typed: no napari here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import Any

from napari_rpsnn.images.slabs import split_planes

#: Axis labels by which planes and channels are found, those that are neither, and what an axis holds one of.
PLANE_LABELS = ("z", "plane", "planes", "focus")
CHANNEL_LABELS = ("c", "ch", "channel", "channels")
OTHER_LABELS = ("y", "x", "t", "time", *CHANNEL_LABELS)
ENTRIES = {"t": "time point", "time": "time point", **dict.fromkeys(CHANNEL_LABELS, "channel"), "p": "position"}
#: What napari calls axes that nobody labelled: "-1", and before 0.9 "axis -1"; the viewer counts from 0.
UNLABELLED = re.compile(r"(axis )?-?\d+|")
#: An axis of so few entries before the rows holds channels rather than planes, where there is a longer one.
FEW = 3
#: Rows and columns are longer than the number of planes, at least so many times where planes come last.
LONGER = 4


@dataclass(frozen=True)
class View:
    """How the viewer shows its axes, those of layers with fewer are the last ones: labels, and axes with a slider."""

    labels: tuple[str, ...] = ()
    sliders: tuple[int, ...] = ()
    rolled: bool = False

    @classmethod
    def of(cls, dims: Any) -> View:
        """Of `viewer.dims`."""
        return cls(tuple(dims.axis_labels), tuple(dims.not_displayed), tuple(dims.order) != tuple(range(dims.ndim)))

    def sliders_of(self, layer: Any, ndim: int) -> list[int]:
        """Axes of a layer along which a viewer of `ndim` axes has sliders."""
        return [axis - (ndim - layer.ndim) for axis in self.sliders if axis >= ndim - layer.ndim]


def data_of(layer: Any) -> Any:
    """Data of a layer, at full resolution where it has several."""
    return layer.data[0] if layer.multiscale else layer.data


def shape_of(layer: Any) -> tuple[int, ...]:
    """Shape of a layer at full resolution, without colours."""
    return tuple(data_of(layer).shape)[: layer.ndim]


def labels_of(layer: Any, view: View = View()) -> list[str]:
    """Label of each axis, by the layer, else by the viewer; empty where nobody labelled it.

    The viewer's y and x do not count: it keeps those of layers that are gone, and shows other rows and columns then.
    """
    seen = (("",) * layer.ndim + view.labels)[-layer.ndim :]
    seen = tuple("" if label.lower() in ("y", "x") else label for label in seen)
    return [own or known for own, known in zip(map(_given, layer.axis_labels), map(_given, seen), strict=True)]


def axis_names(layer: Any, view: View = View()) -> list[str]:
    """What to call the axes of a layer: their labels, else their numbers; with their lengths. Not colours."""
    named = [label or f"axis {i}" for i, label in enumerate(labels_of(layer, view))]
    return [f"{name} ({n})" for name, n in zip(named, shape_of(layer), strict=True)]


def find_plane_axis(layer: Any, view: View) -> int | None:
    """Axis of the planes: by its label, else the one that is most likely of those that the layer has no label for.

    Those that somebody rolled behind a slider come first, then the one that the viewer labels, then those in a unit of
    length where others are in none, then those with a scale of their own. ImageJ's order is time, planes, channels,
    rows, columns.
    """
    if layer.ndim < 3:
        return None
    own = [_given(label).lower() for label in layer.axis_labels]
    if planes := [axis for axis, label in enumerate(own) if label in PLANE_LABELS]:
        return planes[0]
    free = [axis for axis in range(layer.ndim) if own[axis] not in OTHER_LABELS] or list(range(layer.ndim))
    known, shape = [label.lower() for label in labels_of(layer, view)], shape_of(layer)
    sliders = view.sliders_of(layer, len(view.labels))
    comes_last = shape[-1] * LONGER <= min(shape[-3:-1])
    picture = (layer.ndim - 3, layer.ndim - 2) if comes_last else (layer.ndim - 2, layer.ndim - 1)

    def likely(axis: int) -> tuple[bool | int, ...]:
        return (
            view.rolled and axis in sliders,
            known[axis] in PLANE_LABELS,
            known[axis] not in OTHER_LABELS,
            axis not in picture,
            is_length(layer.units[axis]),
            bool(layer.scale[axis] != 1),
            shape[axis] > FEW,
            axis,
        )

    return max(free, key=likely)


def find_channel_axis(layer: Any, view: View = View()) -> int | None:
    """Axis of the channels by its label."""
    labels = labels_of(layer, view)
    return next((axis for axis, label in enumerate(labels) if label.lower() in CHANNEL_LABELS), None)


def possible_channel_axes(layer: Any, planes: int | None = None) -> list[int]:
    """Axes that may be channels: not the planes, not rows and columns. RGB layers have theirs."""
    return [] if layer.rgb else [i for i in range(layer.ndim) if i != planes][:-2]


def channel_names(layer: Any, channel_axis: int | None) -> list[str]:
    """What to call the channels of a layer: its colours, or those of an axis."""
    if layer.rgb:
        return ["red", "green", "blue"]
    return [] if channel_axis is None else [f"channel {i}" for i in range(shape_of(layer)[channel_axis])]


@dataclass(frozen=True)
class Taken:
    """What is taken of a stack: from which plane to which, in slabs of how many, a region, one time point."""

    planes: tuple[int, int] | None = None
    slab: int | None = None
    region: bool = False
    here: bool = False


def describe_stack(layer: Any, view: View, planes: int, joined: int | None = None, taken: Taken = Taken()) -> str:
    """What fusing `layer` along `planes` is, in a line: "12 planes of 512x512 → 3 images, one for each time point".

    `joined` is the axis of channels that one decision serves.
    """
    shape, labels = shape_of(layer), labels_of(layer, view)
    *others, row, column = [axis for axis in range(layer.ndim) if axis not in (planes, joined)]
    others = [axis for axis in others if shape[axis] > 1 and not taken.here]
    count = prod(shape[axis] for axis in others)
    size = f"{shape[row]}\N{MULTIPLICATION SIGN}{shape[column]}"
    size = f"a region of {size}" if taken.region else size
    first, last = taken.planes or (0, shape[planes] - 1)
    number = f"{last + 1 - first} planes ({first} to {last})" if taken.planes else f"{shape[planes]} planes"
    made = "image" if taken.slab is None else "stack"
    said = f"{number} of {size} → {count} {made}{'s' if count > 1 else ''}"
    if taken.slab is not None and taken.slab <= last + 1 - first:
        said += f" of {len(split_planes(last + 1 - first, taken.slab))} slabs"
    if joined is not None:
        said += f" of {shape[joined]} channels"
    if others:
        said += f", one for each {' and '.join(_entry(labels[axis], axis) for axis in others)}"
    return said


def is_length(unit: Any) -> bool:
    """Whether a unit of napari is one of length."""
    return bool(getattr(unit, "is_compatible_with", lambda _: False)("meter"))


def _given(label: str) -> str:
    """A label that somebody gave, else nothing."""
    return "" if UNLABELLED.fullmatch(label) else label


def _entry(label: str, axis: int) -> str:
    """What an axis holds one of."""
    return ENTRIES.get(label.lower(), f"step of {label or f'axis {axis}'}")

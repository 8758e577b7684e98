"""Layers that are fused together: channels that follow one decision, or single planes that are a stack. No napari here.

What napari keeps in several layers is one array to the engine, read from each when it is indexed; results are taken
apart again, so that each has the name and the look of its layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_rpsnn.jobs import natural
from napari_rpsnn.plugin.axes import data_of
from napari_rpsnn.plugin.layers import Sources, same_kind
from napari_rpsnn.plugin.part import Part, Region
from napari_rpsnn.plugin.placement import look_of, moved, same_place, unit_text


class Joined:
    """Arrays of one shape and dtype as one, on a first axis more. Nothing is read or copied before it is indexed."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = list(arrays)
        self.shape, self.dtype = (len(arrays), *arrays[0].shape), np.dtype(arrays[0].dtype)
        self.ndim = len(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        first, *rest = key if isinstance(key, tuple) else (key,)
        chosen = self.arrays[first]
        if isinstance(first, slice):
            return np.stack([np.asarray(array[tuple(rest)]) for array in chosen])
        return np.asarray(chosen[tuple(rest)])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)


def in_order(layers: Sequence[Any]) -> list[Any]:
    """Layers by their names, numbers as numbers: plane 2 before plane 10."""
    return natural.in_order(layers, attrgetter("name"))


def misfit(layers: Sequence[Any]) -> str:
    """Why layers may not be fused together, which have to be of one kind and in one place; empty where they may."""
    first, *others = layers
    try:
        for layer in others:
            same_kind(first, layer)
            same_place(first, layer)
    except ValueError as error:
        return str(error)
    return ""


def join_channels(reads: Sequence[Sources], leader: int | None) -> Sources:
    """Stacks of one shape, each read by itself, as channels of one; `leader` decides for all, None: each by itself."""
    first = reads[0 if leader is None else leader]
    options = dict(first.options) | {"axis": first.options["axis"] + 1}
    if leader is not None:
        options |= {"channel_axis": 0, "guide_channel": leader}
    return replace(
        first,
        images=(Joined([read.images[0] for read in reads]),),
        names=tuple(name for read in reads for name in read.names),
        options=options,
        shape=(len(reads), *first.shape),
        split=tuple(read.attributes | {"title": read.title} for read in reads),
    )


def read_planes(layers: Sequence[Any], region: Region | None = None, mask: Any = None) -> Sources:
    """Layers of a single plane as a stack in the order of their names; `mask` is of that stack."""
    layers = in_order(layers)
    first = layers[0]
    place = same_place(first, layers[1])[0]
    look = look_of(first)
    if "contrast_limits" in look:
        limits = [limit for layer in layers for limit in layer.contrast_limits]
        look["contrast_limits"] = (min(limits), max(limits))
    title = f"{first.name} to {layers[-1].name}"
    options = {"axis": 0, "channel_axis": -1 if first.rgb else None, "guide_channel": None}
    options |= ({"region": region} if region else {}) | ({} if mask is None else {"mask": mask})
    part, picture = Part(region), (0, 1)
    place = moved(place, part.starts(picture), {})
    return Sources(
        images=(Joined([data_of(layer) for layer in layers]),),
        names=tuple(layer.name for layer in layers),
        options=options,
        attributes=place | look | {"name": f"{title} fused", "rgb": first.rgb},
        map_attributes=place,
        title=title,
        planes=len(layers),
        unit=unit_text(first.units[0]),
        shape=part.of(np.broadcast_to(0, data_of(first).shape), picture).shape,
    )

"""Which part of a layer is to be fused, as layers and viewer tell it. Duck-typed: no napari here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.array_part import cut
from napari_rpsnn.plugin.placement import pixel_at, point_of, world_units

Region = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Part:
    """A part of an image layer.

    Attributes
    ----------
    region : ((int, int), (int, int)) or None
        Rows and columns, as `fuse_stack` takes them.
    steps : mapping of int to int
        The one entry of some of the other axes: time, position.
    """

    region: Region | None = None
    steps: Mapping[int, int] = field(default_factory=dict)

    def window(self, shape: Sequence[int], picture: tuple[int, int], region: bool = True) -> list[slice]:
        """What it is of an array, whose rows and columns are the two axes `picture`; with or without the region."""
        window = [slice(0, n) for n in shape]
        for axis, step in self.steps.items():
            window[axis] = slice(step, step + 1)
        for axis, ends in zip(picture, (region and self.region) or (), strict=False):
            window[axis] = slice(*ends)
        return window

    def of(self, data: Any, picture: tuple[int, int], region: bool = True) -> Any:
        """That part of an array, of which nothing is read."""
        return cut(data, self.window(data.shape, picture, region)) if self.steps or (region and self.region) else data

    def starts(self, picture: tuple[int, int]) -> dict[int, float]:
        """Where it begins, on the axes on which it is not all."""
        region = {axis: float(ends[0]) for axis, ends in zip(picture, self.region or (), strict=False)}
        return region | {axis: float(step) for axis, step in self.steps.items()}

    def said(self, region: bool = True) -> dict[str, Any]:
        """What it is, for the record of what made a result; nothing where it is all."""
        rows = {"region": [list(ends) for ends in self.region]} if region and self.region else {}
        steps = {"steps": {str(axis): step for axis, step in self.steps.items()}} if self.steps else {}
        return rows | steps


#: All of it.
WHOLE = Part()


def picture_axes(ndim: int, apart: Iterable[int | None]) -> tuple[int, int]:
    """Rows and columns of a layer: the last two axes that are not `apart`, planes and channels."""
    *_, rows, columns = (axis for axis in range(ndim) if axis not in tuple(apart))
    return rows, columns


def region_of_shape(shapes: Any, layer: Any, picture: tuple[int, int], units: Any = None) -> Region:
    """Pixels of `layer` that the selected shapes cover, all shapes if none is selected: a rectangle.

    `units` are the `world_units` of the viewer that shows both.

    Raises
    ------
    ValueError
        If there is no shape, or none lies on the layer.
    """
    chosen = sorted(shapes.selected_data) or range(len(shapes.data))
    if not chosen:
        raise ValueError(f"Region: expected a rectangle in '{shapes.name}', got none. Draw one on the image.")
    corners = [pixel_at(layer, point_of(shapes, corner, units), units) for k in chosen for corner in shapes.data[k]]
    places = np.asarray(corners)[:, list(picture)]
    return _clipped(places.min(0), places.max(0), layer, picture, f"the shapes of '{shapes.name}'")


def region_in_view(layer: Any, picture: tuple[int, int], displayed: Sequence[int]) -> Region:
    """Pixels of `layer` that are on the screen, of which `displayed` are the axes of the layer.

    Raises
    ------
    ValueError
        If other axes than rows and columns are displayed, or nothing of the layer is in view.
    """
    if tuple(displayed) != picture:
        raise ValueError("Region: expected rows and columns on the screen, flat, to take the visible part of them.")
    corners = np.asarray(layer.corner_pixels, float)[:, list(picture)]
    if layer.multiscale:
        corners = corners * np.asarray(layer.downsample_factors)[layer.data_level][list(picture)]
    return _clipped(corners[0], corners[1], layer, picture, "what is on the screen")


def steps_in_view(layer: Any, axes: Iterable[int], dims: Any) -> dict[int, int]:
    """Where the sliders of some axes of `layer` stand, by `viewer.dims`."""
    place = pixel_at(layer, dims.point, world_units(dims))
    return {axis: int(np.clip(np.rint(place[axis]), 0, _shape(layer)[axis] - 1)) for axis in axes}


def planes_in_margins(layer: Any, axis: int, dims: Any) -> tuple[int, int] | None:
    """The first and the last plane within the margins of the slider of this axis; None if it has no margins."""
    number = axis + dims.ndim - layer.ndim
    margins = dims.margin_left[number], dims.margin_right[number]
    if not any(margins):
        return None
    ends = []
    for shift in (-margins[0], margins[1]):
        point = list(dims.point)
        point[number] += shift
        ends.append(float(pixel_at(layer, point, world_units(dims))[axis]))
    # A plane that lies on a margin counts, whatever rounding makes of it.
    first, last = math.ceil(min(ends) - 1e-6), math.floor(max(ends) + 1e-6)
    return max(first, 0), min(last, _shape(layer)[axis] - 1)


def _clipped(low: NDArray[Any], high: NDArray[Any], layer: Any, picture: tuple[int, int], what: str) -> Region:
    """Pixels from `low` to `high`, which may be touched in part only; the middle of a pixel is a whole number."""
    ends = []
    for start, stop, axis in zip(low, high, picture, strict=True):
        n = _shape(layer)[axis]
        first, end = max(math.floor(start + 0.5), 0), min(math.ceil(stop + 0.5), n)
        if first >= end:
            raise ValueError(f"Region: expected a part of '{layer.name}', got {what}, which lies beside it.")
        ends.append((first, end))
    rows, columns = ends
    return rows, columns


def _shape(layer: Any) -> tuple[int, ...]:
    data = layer.data[0] if layer.multiscale else layer.data
    return tuple(data.shape)

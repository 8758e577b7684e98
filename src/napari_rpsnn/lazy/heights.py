"""`depth_from_focus` on dask arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from numpy.typing import NDArray

from napari_rpsnn.engine.stacks.depth_from_focus import Focus, detail_windows, fill, fill_windows
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.images.tiling import Tile
from napari_rpsnn.images.validity import NO_PLANE
from napari_rpsnn.lazy.graph import array_of, grid, numbered, window
from napari_rpsnn.lazy.planes import LazyPlane, see
from napari_rpsnn.lazy.stack_windows import StackWindows


def heights(
    windows: StackWindows, planes: Sequence[LazyPlane], index: da.Array, values: IntensityRange, layout: Layout
) -> da.Array:
    """Heights of one picture of `windows`, in planes: float32, `(rows, columns)`; NaN where no plane has data."""
    name = f"rpsnn-peaks-{tokenize(planes, index, values, layout)}"

    def steps(place: Tile, key: tuple[Any, ...]) -> dict[Any, Any]:
        take_in = partial(_take_in, inner=place.inner, values=values, layout=layout)
        seen: Any = (Focus, window(index, (), place.write))
        made: dict[Any, Any] = {}
        for k, plane in enumerate(planes):
            made[*key, k] = (take_in, seen, plane.window(place.read), k)
            seen = (*key, k)
        return {**made, key: (Focus.peaks, seen, len(planes) - 1)}

    places = detail_windows(*index.shape)
    peaks = windows.array(name, places, steps, [index], (*grid(places), (2,)), np.float32)
    places = fill_windows(*index.shape)
    tasks = {key: (partial(_fill, inner=place.inner), window(peaks, (), place.read)) for key, place in numbered(places)}
    height = array_of("rpsnn-height", tokenize(peaks), tasks, [peaks], grid(places), np.float32)
    return da.where(index == NO_PLANE, np.float32(np.nan), height)


def _take_in(
    focus: Focus,
    plane: Sequence[NDArray[Any]],
    k: int,
    inner: tuple[slice, slice],
    values: IntensityRange,
    layout: Layout,
) -> Focus:
    picture, valid = see(plane, layout)
    return focus.see(layout.colours(picture), valid, k, inner, values, layout)


def _fill(peaks: NDArray[np.float32], inner: tuple[slice, slice]) -> NDArray[np.float32]:
    # A copy, so that the whole window can go.
    return fill(peaks)[inner].copy()

"""`height` on dask arrays: one window, one task, in which the planes are read one after the other.

As tasks of their own, the planes of a window could be read long before the index is known, and would all stay in memory
until then; chunks in common with the fusion would stay until its end. So a window's task contains all that has to be
computed of the sources: how many planes there are makes it longer, not larger.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Sequence
from functools import partial
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.core import flatten
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from napari_rpsnn.engine.stacks.depth_from_focus import Focus, detail_windows, fill, fill_windows
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.lazy.dask_private import as_tasks, is_data
from napari_rpsnn.lazy.graph import Turns, array_of, grid, numbered, window


class Heights:
    """Heights of pictures.

    Parameters
    ----------
    stacks : sequence of sequence of dask array
        The planes of each picture, `(rows, columns, channels)`.
    layout : Layout
    """

    def __init__(self, stacks: Sequence[Sequence[da.Array]], layout: Layout) -> None:
        self._stacks, self._layout = stacks, layout
        planes = [plane for stack in stacks for plane in stack]
        keys = set(flatten([plane.__dask_keys__() for plane in planes]))
        self._graph = dict(HighLevelGraph.from_collections("", {}, planes).cull(keys))
        nodes = as_tasks(self._graph) or {}
        # What is there already, data and futures, is not made in a task but handed to it.
        self._nodes = {key: node for key, node in nodes.items() if not is_data(node)}

    def heights(self, picture: int, index: da.Array, values: IntensityRange) -> da.Array:
        """Heights of the picture of this number, in planes: float32, `(rows, columns)`."""
        peaks = self._peaks(self._stacks[picture], index, values)
        places = fill_windows(*index.shape)
        tasks = {
            key: (partial(_fill, inner=place.inner), window(peaks, (), place.read)) for key, place in numbered(places)
        }
        return array_of("rpsnn-height", tokenize(peaks), tasks, [peaks], grid(places), np.float32)

    def _peaks(self, stack: Sequence[da.Array], index: da.Array, values: IntensityRange) -> da.Array:
        name = f"rpsnn-peaks-{tokenize(stack, index, values, self._layout)}"
        known = dict.fromkeys(flatten(index.__dask_keys__())) | self._graph
        places = detail_windows(*index.shape)
        graph: dict[Any, Any] = {}
        for number, place in numbered(places):
            see = partial(Focus.see, inner=place.inner, values=values, layout=self._layout)
            seen: Any = (Focus, window(index, (), place.write))
            steps: dict[Any, Any] = {}
            for k, plane in enumerate(stack):
                steps[name, *number, 0, k] = (see, seen, window(plane, (), place.read), k)
                seen = (name, *number, 0, k)
            steps[name, *number, 0] = (Focus.peaks, seen, len(stack) - 1)
            nodes = as_tasks(steps, ChainMap(steps, known))
            if nodes is None:
                graph |= steps | self._graph
                continue
            turns = Turns.of(list(steps), ChainMap(nodes, self._nodes))
            graph[name, *number, 0] = (turns, *turns.needs)
            graph.update((key, self._graph[key]) for key in turns.needs if key in self._graph)
        whole = HighLevelGraph.from_collections(name, graph, dependencies=[index])
        return da.Array(whole, name, (*grid(places), (2,)), dtype=np.float32)


def _fill(peaks: NDArray[np.float32], inner: tuple[slice, slice]) -> NDArray[np.float32]:
    # A copy, so that the whole window can go.
    return fill(peaks)[inner].copy()

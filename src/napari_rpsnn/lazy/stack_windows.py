"""Windows of the planes of stacks: one window, one task, in which the planes are read one after the other.

As tasks of their own, the planes of a window could be read long before they are needed, and chunks that windows have in
common would stay in memory until the last of these is done. So a window's task contains all that has to be computed of
the sources: how many planes there are makes it longer, not larger.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Sequence
from typing import Any

import dask.array as da
from dask.core import flatten
from dask.highlevelgraph import HighLevelGraph

from napari_rpsnn.images.tiling import Tile
from napari_rpsnn.lazy.dask_private import as_tasks, is_data
from napari_rpsnn.lazy.graph import Turns, numbered

#: Returns the steps of a window that makes the block of a key, in the order to run them in: the last one has that key,
#: the others keys that begin with it.
Steps = Callable[[Tile, tuple[Any, ...]], dict[Any, Any]]


class StackWindows:
    """Windows of all pictures.

    Parameters
    ----------
    stacks : sequence of sequence of dask array
        The planes of each picture, `(rows, columns, channels)`.
    """

    def __init__(self, stacks: Sequence[Sequence[da.Array]]) -> None:
        planes = [plane for stack in stacks for plane in stack]
        keys = set(flatten([plane.__dask_keys__() for plane in planes]))
        self._graph = dict(HighLevelGraph.from_collections("", {}, planes).cull(keys))
        nodes = as_tasks(self._graph) or {}
        # What is there already, data and futures, is not made in a task but handed to it.
        self._nodes = {key: node for key, node in nodes.items() if not is_data(node)}

    def array(
        self, name: str, places: Sequence[Tile], steps_of: Steps, needs: Sequence[Any], chunks: Any, dtype: Any
    ) -> da.Array:
        """Dask array of a block for each window, made by steps that use the planes and `needs`."""
        known = dict.fromkeys(key for need in needs for key in flatten(need.__dask_keys__())) | self._graph
        rest = (0,) * (len(chunks) - 2)
        graph: dict[Any, Any] = {}
        for number, place in numbered(places):
            key = (name, *number, *rest)
            steps = steps_of(place, key)
            nodes = as_tasks(steps, ChainMap(steps, known))
            if nodes is None:
                graph |= steps | self._graph
                continue
            turns = Turns.of(list(steps), ChainMap(nodes, self._nodes))
            graph[key] = (turns, *turns.needs)
            graph.update((key, self._graph[key]) for key in turns.needs if key in self._graph)
        return da.Array(HighLevelGraph.from_collections(name, graph, dependencies=needs), name, chunks, dtype=dtype)

"""Blocks of dask arrays as windows of images: tasks that read the parts they need from whatever chunks they lie in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.graph_manipulation import clone
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from napari_rpsnn.images.array_part import is_dask
from napari_rpsnn.images.tiling import Tile
from napari_rpsnn.lazy.dask_private import as_tasks, renamed

Where = tuple[int, ...]


def refuse_registration(register: str | None) -> None:
    """Refuse to align what is lazy."""
    if register is not None:
        raise ValueError(
            f"register: expected None for dask arrays, got {register!r}: to align planes they must be seen as a whole; "
            "align them first, or hand in NumPy arrays"
        )


def as_promised(image: Any, name: str) -> Any:
    """`image`; of a dask array each block is compared, when it comes, with what the array says of it.

    Raises
    ------
    ValueError, TypeError
        When it is computed: if a block has another shape, or values of a dtype that the array's does not hold.
    """
    if not is_dask(image) or np.isnan(image.shape).any():
        return image
    look = partial(_as_promised, chunks=image.chunks, dtype=image.dtype, name=name)
    return image.map_blocks(look, dtype=image.dtype, meta=image._meta)


def _as_promised(
    block: Any, chunks: Any, dtype: np.dtype[Any], name: str, block_id: tuple[int, ...] | None = None
) -> Any:
    if block_id is None:
        return block
    promised = tuple(lengths[i] for lengths, i in zip(chunks, block_id, strict=True))
    if (shape := np.shape(block)) != promised:
        raise ValueError(f"{name}: expected the shape {promised} of dask's block {block_id}, got {shape}")
    if block.dtype == dtype:
        return block
    if not np.can_cast(block.dtype, dtype):
        raise TypeError(f"{name}: expected the dtype {dtype} of dask's block {block_id}, got {block.dtype}")
    return block.astype(dtype)


def as_dask(image: Any, name: str) -> da.Array:
    """`image` as a dask array in this machine's order of bytes; its shape must be known."""
    array = da.asarray(image)
    if np.isnan(array.shape).any():
        raise ValueError(
            f"{name}: expected chunks of known size, got the shape {array.shape}; see compute_chunk_sizes()"
        )
    # Chunks of no length, as slices and concatenations leave them, are no blocks of a picture.
    chunks = tuple(tuple(length for length in axis if length) or axis for axis in array.chunks)
    return array.rechunk(chunks).astype(array.dtype.newbyteorder("="))


def numbered(places: Sequence[Tile]) -> Iterator[tuple[Where, Tile]]:
    """Row and column of each window, and the window."""
    across = sum(place.write[0].start == 0 for place in places)
    for number, place in enumerate(places):
        yield divmod(number, across), place


def grid(places: Sequence[Tile], pictures: Sequence[int] = ()) -> tuple[tuple[int, ...], ...]:
    """Chunks of an array whose blocks are what `places` write, of each picture."""
    rows = [place.write[0] for place in places if place.write[1].start == 0]
    columns = [place.write[1] for place in places if place.write[0].start == 0]
    return (
        *((1,) * n for n in pictures),
        *(tuple(part.stop - part.start for part in axis) for axis in (rows, columns)),
    )


def array_of(
    prefix: str, token: str, tasks: dict[Where, Any], needs: Sequence[Any], chunks: Any, dtype: Any
) -> da.Array:
    """Dask array of tasks, one for each block."""
    name = f"{prefix}-{token}"
    graph = {(name, *key): task for key, task in tasks.items()}
    return da.Array(HighLevelGraph.from_collections(name, graph, dependencies=needs), name, chunks, dtype=dtype)


def clone_graph(images: da.Array, seed: str) -> da.Array:
    """`images`, made by tasks of their own: what is computed of them has no chunk in common with the rest.

    `dask.graph_manipulation.clone` is for that, but dask up to 2026.8 leaves half of the tasks as they are.
    """
    (images,) = dask.optimize(images)
    tasks = as_tasks(dict(images.__dask_graph__()))
    if tasks is None:
        return clone(images, seed=seed)
    keys = {key: renamed(key, seed) for key in tasks}
    graph = {keys[key]: task.substitute(keys, key=keys[key]) for key, task in tasks.items()}
    name = renamed(images.name, seed)
    return da.Array(HighLevelGraph.from_collections(name, graph), name, images.chunks, meta=images)


def by_picture(images: da.Array) -> da.Array:
    """`images`, with no chunk of several pictures or of less than all channels."""
    return images.rechunk({**dict.fromkeys(range(images.ndim - 3), 1), images.ndim - 1: -1})


def window(images: da.Array, where: Where, part: tuple[slice, slice]) -> tuple[Any, ...]:
    """Task that returns a part of a picture of `images`, from the chunks that it lies in."""
    numbers, cuts = [], []
    for lengths, inside in zip(images.chunks[len(where) :], part, strict=False):
        starts = [0, *accumulate(lengths)]
        touched = [i for i in range(len(lengths)) if starts[i] < inside.stop and starts[i + 1] > inside.start]
        numbers.append(touched)
        cuts.append([slice(max(inside.start - starts[i], 0), inside.stop - starts[i]) for i in touched])
    rest = (0,) * (images.ndim - len(where) - 2)
    blocks = [[(images.name, *where, i, j, *rest) for j in numbers[1]] for i in numbers[0]]
    return partial(_gather, leading=len(where), cuts=cuts), blocks


def _gather(blocks: Sequence[Sequence[Any]], leading: int, cuts: Sequence[Sequence[slice]]) -> NDArray[Any]:
    lines = [
        [np.asarray(block)[(0,) * leading][i, j] for block, j in zip(line, cuts[1], strict=True)]
        for line, i in zip(blocks, cuts[0], strict=True)
    ]
    return np.concatenate([np.concatenate(line, 1) for line in lines])


@dataclass(frozen=True)
class Turns:
    """Tasks that are run one after the other, as one: each value is let go after its last use.

    `Task.fuse` is for that, but dask's optimization takes the inside of what that makes for a chain.

    Attributes
    ----------
    nodes : tuple of (task, keys)
        In the order to run them in, each with what is let go after it.
    needs : tuple of keys
        What has to be handed in.
    """

    nodes: tuple[tuple[Any, tuple[Any, ...]], ...]
    needs: tuple[Any, ...]

    @classmethod
    def of(cls, keys: Sequence[Any], nodes: Mapping[Any, Any]) -> Turns:
        """`nodes` that `keys` need, these one by one; the value of the last one is that of all."""
        order: dict[Any, Any] = {}
        for key in keys:
            waiting = [key]
            while waiting:
                missing = [need for need in nodes[waiting[-1]].dependencies if need in nodes and need not in order]
                if missing:
                    waiting += missing
                else:
                    done = waiting.pop()
                    order[done] = nodes[done]
        last = {need: key for key, node in order.items() for need in node.dependencies}
        ends: dict[Any, list[Any]] = {key: [] for key in order}
        for need, key in last.items():
            ends[key].append(need)
        turns = tuple((node, tuple(need for need in ends[key] if need in order)) for key, node in order.items())
        return cls(turns, tuple(need for need in last if need not in order))

    def __call__(self, *given: Any) -> Any:
        """The value of the last task."""
        values, value = dict(zip(self.needs, given, strict=True)), None
        for node, ended in self.nodes:
            value = values[node.key] = node(values)
            for key in ended:
                del values[key]
        return value

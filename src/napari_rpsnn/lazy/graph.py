"""One window, one task: the engine's windows as blocks of dask arrays.

The windows are those of pictures in memory, and so is what is computed of them: chunked equals whole, bit for bit. A
task reads the parts it needs from whatever chunks they lie in.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from operator import getitem
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask._task_spec import convert_legacy_graph
from dask.base import clone_key, tokenize
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from napari_rpsnn.engine.pair_engine import Engine
from napari_rpsnn.engine.pair_statistics import Plan
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.images.tiling import Tile
from napari_rpsnn.lazy.workers import Recipe
from napari_rpsnn.model.weights import ModelLike

Where = tuple[int, ...]


@dataclass(frozen=True)
class Fuser:
    """Fuses pairs of dask pictures; `recipe` is the task that unpacks the `Recipe`."""

    engine: Engine
    recipe: Any
    layout: Layout

    @classmethod
    def choose(
        cls, layout: Layout, model: ModelLike, device: str, precision: str, tile: int | str, method: str
    ) -> Fuser:
        """Fuser of the user's options, each checked, here and now."""
        engine = Engine.choose(model, device, precision, tile, method)
        packed = pickle.dumps(Recipe.of(engine, model, device))
        return cls(engine, dask.delayed(pickle.loads, pure=True)(packed), layout)

    def fuse(
        self,
        image0: da.Array,
        image1: da.Array,
        plan: Callable[[Where], Any],
        needs: Sequence[Any] = (),
        stay: float = 0.0,
    ) -> tuple[da.Array, da.Array | None]:
        """Results and, by decision, decision maps.

        Parameters
        ----------
        image0, image1 : dask array of shape `(..., rows, columns, channels)`
        plan : callable
            Returns the `Plan` of a pair of pictures, or its key in one of `needs`.
        needs : sequence of dask collections, optional
        stay : float, optional
            As in `Engine.fuse`.
        """
        *pictures, rows, columns, channels = image0.shape
        images = [by_picture(image) for image in (image0, image1)]
        needs = [*images, self.recipe, *needs]
        options: dict[str, Any] = {"layout": self.layout, "leading": len(pictures)}
        given = [plan(where) for where in np.ndindex(*pictures)]
        token = tokenize(images, self.recipe.key, self.layout, given, stay)

        tiles = self.engine.tiles(rows, columns)
        look = self._tasks(partial(_look, **options), tiles, images, plan)
        if self.engine.method == "regression":
            chunks = (*grid(tiles, pictures), (channels,))
            return layer(
                "rpsnn-values", token, {(*key, 0): task for key, task in look}, needs, chunks, image0.dtype
            ), None
        votes = layer("rpsnn-votes", token, dict(look), needs, grid(tiles, pictures), np.int8)

        windows = self.engine.windows(rows, columns)
        compose = dict(self._tasks(partial(_compose, **options, stay=stay), windows, [*images, votes], plan))
        both = layer("rpsnn-both", token, compose, [*needs, votes], grid(windows, pictures), object)
        first = {(*key, 0): (getitem, (both.name, *key), 0) for key in compose}
        second = {key: (getitem, (both.name, *key), 1) for key in compose}
        return (
            layer("rpsnn-image", token, first, [both], (*both.chunks, (channels,)), image0.dtype),
            layer("rpsnn-map", token, second, [both], both.chunks, np.float32),
        )

    def _tasks(
        self, work: Any, places: Sequence[Tile], sources: Sequence[da.Array], plan: Callable[[Where], Any]
    ) -> Iterator[tuple[Where, tuple[Any, ...]]]:
        """The task of every block."""
        leading = sources[0].shape[:-3]
        for where in np.ndindex(*leading):
            for key, place in numbered(places):
                parts = [window(source, where, place.read) for source in sources]
                yield (*where, *key), (work, self.recipe.key, plan(where), place, *parts)


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


def layer(prefix: str, token: str, tasks: dict[Where, Any], needs: Sequence[Any], chunks: Any, dtype: Any) -> da.Array:
    """Dask array of tasks, one for each block."""
    name = f"{prefix}-{token}"
    graph = {(name, *key): task for key, task in tasks.items()}
    return da.Array(HighLevelGraph.from_collections(name, graph, dependencies=needs), name, chunks, dtype=dtype)


def apart(images: da.Array, seed: str) -> da.Array:
    """`images`, made by tasks of their own: what is computed of them has no chunk in common with the rest.

    `dask.graph_manipulation.clone` is for that, but dask up to 2026.8 leaves half of the tasks as they are.
    """
    (images,) = dask.optimize(images)
    tasks = convert_legacy_graph(dict(images.__dask_graph__()))
    renamed = {key: clone_key(key, seed) for key in tasks}
    graph = {renamed[key]: task.substitute(renamed, key=renamed[key]) for key, task in tasks.items()}
    name = clone_key(images.name, seed)
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


def _look(
    recipe: Recipe,
    plan: Plan,
    place: Tile,
    part0: NDArray[Any],
    part1: NDArray[Any],
    layout: Layout,
    leading: int,
) -> NDArray[Any]:
    """`Engine.look` at one window."""
    rows, columns, _ = part0.shape
    alone = Tile((slice(0, rows), slice(0, columns)), place.inner, place.inner)
    parts = plan.first((part0, part1))
    ((_, looked),) = recipe.run(lambda engine: list(engine.look(*parts, plan.values, layout.seen, [alone])))
    return looked[(None,) * leading]


def _compose(
    recipe: Recipe,
    plan: Plan,
    place: Tile,
    part0: NDArray[Any],
    part1: NDArray[Any],
    votes: NDArray[np.int8],
    layout: Layout,
    leading: int,
    stay: float,
) -> list[NDArray[Any]]:
    """`Engine.compose` of one window."""
    parts = plan.first((part0, part1))
    image, share = recipe.run(lambda engine: engine.compose(*parts, votes, place, plan.values, layout.seen, stay))
    return [picture[(None,) * leading] for picture in (image, 1 - share if plan.swapped else share)]

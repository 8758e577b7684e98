"""One window, one task, and how it comes to its network: one for each process, a GPU each where there are several.

The windows are those of pictures in memory, and so is what is computed of them: chunked equals whole, bit for bit.
Networks do not travel with tasks: a task has their name, or depends on the one task that unpacks a network, and each
process prepares it once.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from operator import getitem
from pathlib import Path
from typing import Any, TypeVar

import dask
import dask.array as da
import numpy as np
import torch
from dask.base import tokenize
from numpy.typing import NDArray

from napari_rpsnn.engine.pairs.engine import Engine
from napari_rpsnn.engine.pairs.plan import Plan, Seen, settle
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.images.tiling import Tile
from napari_rpsnn.lazy.dask_private import forget_threads
from napari_rpsnn.lazy.graph import Where, array_of, by_picture, grid, numbered, window
from napari_rpsnn.model.catalog import bundled_models, model_path
from napari_rpsnn.model.network import RPSNN
from napari_rpsnn.options import Options

Value = TypeVar("Value")

#: The one thread of a process that runs networks. A tile uses all cores by itself; several at a time would need as many
#: times the memory, and keep each other waiting.
_NETWORKS = ThreadPoolExecutor(1, thread_name_prefix="napari-rpsnn")


def _after_fork() -> None:
    """Begin anew in a child process, which has inherited executors, but none of their threads."""
    global _NETWORKS
    _NETWORKS = ThreadPoolExecutor(1, thread_name_prefix="napari-rpsnn")
    forget_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@dataclass(frozen=True)
class Recipe:
    """What an `Engine` is made from, in the process that is to use it."""

    options: Options

    @classmethod
    def of(cls, engine: Engine, options: Options) -> Recipe:
        """Recipe of an engine that was chosen here, so that all processes compute the same; each on its own device."""
        chosen = engine.chosen | {"device": options.device}
        if not isinstance(engine.model, RPSNN) and str(engine.model) not in bundled_models():
            chosen["model"] = str(Path(engine.model).resolve())  # other processes run elsewhere
        return cls(replace(options, guide_channel=None, mask=None, **chosen))

    def run(self, work: Callable[[Engine], Value]) -> Value:
        """What `work` returns, given the engine of this process."""
        worker, device, threads = _worker(), self.options.device, None
        if worker is not None:
            if device in ("auto", "cuda"):
                device = gpu_of(worker.name, torch.cuda.device_count()) or device
            if worker.nanny:
                # A nanny allows every library one thread, because as many tasks run at a time as the worker has
                # threads. Of those with a network only one does.
                threads = worker.state.nthreads
        model = self.options.model
        changed_ns = 0 if isinstance(model, RPSNN) else model_path(model).stat().st_mtime_ns
        return _NETWORKS.submit(lambda: work(_prepared(self, device, threads, changed_ns))).result()


@lru_cache(maxsize=4)
def _prepared(recipe: Recipe, device: str, threads: int | None, changed_ns: int) -> Engine:
    if threads is not None:
        torch.set_num_threads(max(threads, torch.get_num_threads()))
    return Engine.choose(replace(recipe.options, device=device))


def _worker() -> Any:
    """The worker of dask.distributed that runs the task at hand, if one does."""
    distributed = sys.modules.get("distributed")
    try:
        return None if distributed is None else distributed.get_worker()
    except ValueError:
        return None


def gpu_of(worker: Any, count: int) -> str | None:
    """The GPU, of `count`, for the worker of this name: each has its own as long as there are enough."""
    if count < 2:
        return None
    number = re.search(r"\d+$", str(worker))
    return f"cuda:{(int(number[0]) if number else zlib.crc32(str(worker).encode())) % count}"


@dataclass(frozen=True)
class Fuser:
    """Fuses pairs of dask pictures; `recipe` is the task that unpacks the `Recipe`."""

    engine: Engine
    recipe: Any
    layout: Layout

    @classmethod
    def choose(cls, layout: Layout, options: Options) -> Fuser:
        """Fuser of the user's options, chosen here and now."""
        engine = Engine.choose(options)
        packed = pickle.dumps(Recipe.of(engine, options))
        return cls(engine, dask.delayed(pickle.loads, pure=True)(packed), layout)

    def fuse(
        self,
        image0: da.Array,
        image1: da.Array,
        plan: Callable[[Where], Any],
        needs: Sequence[Any] = (),
        valid: tuple[da.Array | None, da.Array | None] = (None, None),
    ) -> tuple[da.Array, da.Array | None]:
        """Results and, by decision, decision maps.

        Parameters
        ----------
        image0, image1 : dask array of shape `(..., rows, columns, colours)`
        plan : callable
            Returns the `Plan` of a pair of pictures, or its key in one of `needs`.
        needs : sequence of dask collections, optional
        valid : tuple of dask array of shape `(..., rows, columns)`, or None, optional
            Where each has data; None: everywhere.
        """
        *pictures, rows, columns, channels = image0.shape
        images = [by_picture(image) for image in (image0, image1)]
        masks = [by_picture(one[..., None]) for one in valid if one is not None]
        needs = [*images, *masks, self.recipe, *needs]
        options: dict[str, Any] = {
            "layout": self.layout,
            "leading": len(pictures),
            "shape": (rows, columns),
            "masked": tuple(one is not None for one in valid),
        }
        given = [plan(where) for where in np.ndindex(*pictures)]
        token = tokenize(images, masks, self.recipe.key, self.layout, given)

        tiles = self.engine.tiles(rows, columns)
        look = self._tasks(partial(_look, **options), tiles, [*images, *masks], plan)
        if self.engine.method == "regression":
            chunks = (*grid(tiles, pictures), (channels,))
            return array_of(
                "rpsnn-values", token, {(*key, 0): task for key, task in look}, needs, chunks, image0.dtype
            ), None
        votes = array_of("rpsnn-votes", token, dict(look), needs, grid(tiles, pictures), np.int8)

        windows = self.engine.windows(rows, columns)
        compose = dict(self._tasks(partial(_compose, **options), windows, [*images, *masks, votes], plan))
        both = array_of("rpsnn-both", token, compose, [*needs, votes], grid(windows, pictures), object)
        first = {(*key, 0): (getitem, (both.name, *key), 0) for key in compose}
        second = {key: (getitem, (both.name, *key), 1) for key in compose}
        return (
            array_of("rpsnn-image", token, first, [both], (*both.chunks, (channels,)), image0.dtype),
            array_of("rpsnn-map", token, second, [both], both.chunks, np.float32),
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


def _look(
    recipe: Recipe,
    plan: Plan,
    place: Tile,
    *sources: NDArray[Any],
    layout: Layout,
    leading: int,
    shape: tuple[int, int],
    masked: tuple[bool, bool],
) -> NDArray[Any]:
    """`Engine.look` at one window."""
    prepared = plan.prepare(_seen(sources, masked), layout, place.read, shape)
    rows, columns, _ = prepared.parts[0].shape
    alone = [Tile(*[(slice(0, rows), slice(0, columns))] * 3)]

    def work(engine: Engine) -> NDArray[Any]:
        decided = engine.method == "decision"
        looked = np.empty((rows, columns), np.int8) if decided else np.empty_like(prepared.parts[0])
        for part, made in engine.look(prepared.parts, plan, layout, alone):
            looked[part.write] = made
        if not decided:
            settle(prepared, looked, None)
        return looked

    return recipe.run(work)[place.inner][(None,) * leading]


def _compose(
    recipe: Recipe,
    plan: Plan,
    place: Tile,
    *sources: NDArray[Any],
    layout: Layout,
    leading: int,
    shape: tuple[int, int],
    masked: tuple[bool, bool],
) -> list[NDArray[Any]]:
    """`Engine.compose` of one window."""
    prepared = plan.prepare(_seen(sources[:-1], masked), layout, place.read, shape)
    made = recipe.run(lambda engine: engine.compose(prepared.parts, plan, layout, sources[-1], place))
    settle(prepared.part(place.inner), *made)
    return [picture[(None,) * leading] for picture in made]


def _seen(sources: Sequence[NDArray[Any]], masked: tuple[bool, bool]) -> tuple[Seen, Seen]:
    """Two pictures, and where they have data, of which there are masks; None: everywhere."""
    image0, image1, *masks = sources
    rest = iter(masks)
    valid0, valid1 = (next(rest)[..., 0] if has else None for has in masked)
    return (image0, valid0), (image1, valid1)

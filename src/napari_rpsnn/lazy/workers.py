"""How the tasks of `chunked` come to their network: one for each process, on a GPU of its own where there are several.

Networks do not travel with tasks: a task has their name, or depends on the one task that unpacks a network, and each
process prepares it once.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import torch

from napari_rpsnn.engine.inference import choose_device, choose_model
from napari_rpsnn.engine.pair_engine import Engine
from napari_rpsnn.model.catalog import bundled_models, model_path
from napari_rpsnn.model.network import RPSNN
from napari_rpsnn.model.weights import ModelLike

Value = TypeVar("Value")

#: The one thread of a process that runs networks. A tile uses all cores by itself; several at a time would need as many
#: times the memory, and keep each other waiting.
_NETWORKS = ThreadPoolExecutor(1, thread_name_prefix="napari-rpsnn")


@dataclass(frozen=True)
class Recipe:
    """What an `Engine` is made from, in the process that is to use it."""

    model: ModelLike
    device: str
    precision: str
    tile: int
    method: str

    @classmethod
    def of(cls, engine: Engine, model: ModelLike, device: str) -> Recipe:
        """Recipe of an engine that was chosen here for `device`, so that all processes compute the same."""
        model = choose_model(model, choose_device(device))
        if not isinstance(model, RPSNN) and str(model) not in bundled_models():
            model = str(Path(model).resolve())  # other processes run elsewhere
        return cls(model, device, str(engine.dtype).removeprefix("torch."), engine.tile, engine.method)

    def run(self, work: Callable[[Engine], Value]) -> Value:
        """What `work` returns, given the engine of this process."""
        worker, device, threads = _worker(), self.device, None
        if worker is not None:
            if device in ("auto", "cuda"):
                device = gpu_of(worker.name, torch.cuda.device_count()) or device
            if worker.nanny:
                # A nanny allows every library one thread, because as many tasks run at a time as the worker has
                # threads. Of those with a network only one does.
                threads = worker.state.nthreads
        changed_ns = 0 if isinstance(self.model, RPSNN) else model_path(self.model).stat().st_mtime_ns
        return _NETWORKS.submit(lambda: work(_prepared(self, device, threads, changed_ns))).result()


@lru_cache(maxsize=4)
def _prepared(recipe: Recipe, device: str, threads: int | None, changed_ns: int) -> Engine:
    if threads is not None:
        torch.set_num_threads(max(threads, torch.get_num_threads()))
    return Engine.choose(recipe.model, device, recipe.precision, recipe.tile, recipe.method)


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

"""Files through dask: sources read chunk by chunk, results written chunk by chunk, by threads or by a cluster.

Nothing is whole in memory, but results that are not OME-Zarr: other kinds of files are written in one go.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from tqdm.dask import TqdmCallback

from napari_rpsnn.cli.terminal import hears
from napari_rpsnn.io import read_image, write_image
from napari_rpsnn.io.atomic import atomic_write
from napari_rpsnn.io.format import ChunkedFormat, value_ends
from napari_rpsnn.io.formats import chunked_format
from napari_rpsnn.io.image_file import ImageFile

#: Chunks of a file that are smaller are read several at a time.
READ_PX = 1024
#: Seconds to wait for the scheduler to answer.
TIMEOUT = 20
#: Cores for a worker process of ``local``: a tile does not get faster by many more.
CORES = 8


@dataclass(frozen=True)
class FileArray:
    """The array in a file, to travel: a process opens the file when it first reads from it."""

    path: str
    series: int | None
    changed_ns: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return np.asarray(_opened(self.path, self.series, self.changed_ns).data[key])


@lru_cache(maxsize=64)
def _opened(path: str, series: int | None, changed_ns: int) -> ImageFile:
    return read_image(path, series)


def open_lazily(path: Path, series: int | None = None) -> ImageFile:
    """`read_image`, with a dask array: of the chunks of an OME-Zarr, or of planes."""
    path = path.resolve()
    image = read_image(path, series)
    data = image.data
    stored = getattr(data, "shards", None) or getattr(data, "chunks", None) or data.shape
    chunks = tuple(n * max(READ_PX // n, 1) if axis in "YX" else n for axis, n in zip(image.axes, stored, strict=True))
    # Of a folder too, the time of the last change: that of a chunk inside does not matter while one command runs.
    array = FileArray(str(path), series, path.stat().st_mtime_ns, tuple(data.shape), np.dtype(data.dtype))
    return replace(image, data=da.from_array(array, chunks=chunks, meta=np.empty((0,) * array.ndim, array.dtype)))


@contextmanager
def connected(scheduler: str | None) -> Iterator[Any]:
    """The client of a scheduler: its address, ``local``, or ``local[N]`` for N processes; None: of no scheduler."""
    if scheduler is None:
        yield None
        return
    try:
        from distributed import Client, LocalCluster
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error}. --scheduler needs more packages: pip install 'napari-rpsnn[dask]'"
        ) from error
    local = re.fullmatch(r"local(?:\[(\d+)\])?", scheduler)
    with ExitStack() as stack:
        if local:
            cores = os.cpu_count() or 1
            count = int(local[1]) if local[1] else torch.cuda.device_count() or -(-cores // CORES)
            options = {"n_workers": count, "threads_per_worker": max(cores // count, 1), "dashboard_address": None}
            address: Any = stack.enter_context(LocalCluster(**options))
        else:
            address = scheduler
        yield stack.enter_context(Client(address, timeout=TIMEOUT))


@contextmanager
def stored(
    files: Mapping[Path, ImageFile], tally: Any, client: Any, name: str
) -> Iterator[tuple[Any, Callable[[Mapping[str, Any]], None]]]:
    """Compute and write files, all in one go, each whole or not at all.

    Parameters
    ----------
    files : mapping of path to ImageFile
        Their data are dask arrays.
    tally : dask collection or None
        To be computed along.
    client : distributed.Client or None
        None: threads of this process.
    name : str
        To be shown.

    Yields
    ------
    Any
        The value of `tally`.
    callable
        To be called with the provenance: puts the files in their places, one after the other.
    """
    with ExitStack() as places:
        parts: dict[Path, tuple[ChunkedFormat, Path, ExitStack]] = {}
        work = []
        for path, image in files.items():
            if kind := chunked_format(path):
                place = places.enter_context(ExitStack())
                part = place.enter_context(atomic_write(path, replaces=kind.may_replace))
                chunks = kind.create(part, image).chunks
                parts[path] = kind, part, place
                ordered: Any = image.ordered(kind.ORDER)[0]
                work.append(_written(ordered.rechunk(chunks), part, path.name))
            else:
                work.append(image.data)
        *computed, counted = _compute([*work, tally], client, name)

        def finish(provenance: Mapping[str, Any]) -> None:
            for (path, image), values in zip(files.items(), computed, strict=True):
                if path in parts:
                    kind, part, place = parts[path]
                    text = json.dumps(dict(provenance))
                    kind.describe(part, image, text, *value_ends(values))
                    place.close()
                else:
                    write_image(path, values, image.axes, like=image, provenance=provenance)

        yield counted, finish


def _written(data: da.Array, part: Path, name: str) -> da.Array:
    """Tasks that write a chunk each and return its least and its greatest value, side by side on the last axis.

    They carry the name, not the module of the kind of file that it tells: a module cannot travel.
    """

    def write(chunk: NDArray[Any], block_info: Any) -> NDArray[np.float64]:
        place = tuple(slice(*ends) for ends in block_info[0]["array-location"])
        kind = chunked_format(name)
        assert kind is not None
        kind.write_part(part.resolve(), place, chunk)
        return np.array(value_ends(chunk)).reshape((1,) * (chunk.ndim - 1) + (2,))

    chunks = (*((1,) * n for n in data.numblocks[:-1]), (2,) * data.numblocks[-1])
    return data.map_blocks(write, dtype=np.float64, chunks=chunks, meta=np.empty((0,) * data.ndim))


def _compute(work: Sequence[Any], client: Any, name: str) -> list[Any]:
    """Values of dask collections, with a progress bar where somebody is there to see it."""
    options = {"desc": name, "file": sys.stderr, "disable": not hears(), "leave": False}
    if client is None:
        with TqdmCallback(**options):
            return list(dask.compute(*work))
    from distributed import KilledWorker, as_completed, futures_of

    work = client.persist(list(work))
    futures = futures_of(work)
    try:
        for future in tqdm(as_completed(futures), total=len(futures), unit="chunk", **options):
            future.result()
        return list(dask.compute(*work))
    except BaseException as error:
        # What is left is not wanted any more. What is done goes by itself: to cancel it, a scheduler fails.
        client.cancel(futures)
        if isinstance(error, KilledWorker):
            raise RuntimeError(f"workers died: {error}") from error
        raise

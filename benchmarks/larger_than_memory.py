"""Fuse a pair that is made on the fly, chunk by chunk, into an OME-Zarr; print seconds and peak memory.

``python benchmarks/larger_than_memory.py SIZE [--scheduler local[2]]``. Memory is the resident set of the process and
its children together, looked at twenty times a second.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import psutil
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_rpsnn import fuse
from napari_rpsnn.cli.dask_files import connected, stored
from napari_rpsnn.io.formats import read_image
from napari_rpsnn.io.image_file import ImageFile

CHUNK_PX = 1024


class PeakMemory:
    """Context in which the resident memory of this process and its children is watched."""

    bytes = 0

    def __enter__(self) -> PeakMemory:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._ended.wait(0.05):
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except psutil.Error:  # it has ended
                    continue
            self.bytes = max(self.bytes, total)


def half_sharp(sharp_left: bool, size: int) -> da.Array:
    """A picture of `size` by `size` pixels, one half of it out of focus: uint16, a dask array."""

    def make(block_info: Any) -> NDArray[np.uint16]:
        (top, bottom), (left, right) = block_info[None]["array-location"]
        noise = np.random.default_rng([top, left]).random((bottom - top, right - left), np.float32)
        sharp = gaussian_filter(noise, 1)
        in_focus = (np.arange(left, right) < size // 2) == sharp_left
        chunk: NDArray[np.uint16] = (65535 * np.where(in_focus, sharp, gaussian_filter(sharp, 2))).astype(np.uint16)
        return chunk

    chunks = da.core.normalize_chunks(CHUNK_PX, (size, size))
    return da.map_blocks(make, chunks=chunks, dtype=np.uint16, meta=np.empty((0, 0), np.uint16))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", type=int, metavar="SIZE")
    parser.add_argument("--scheduler", help="of the shell's option; else threads")
    parser.add_argument("--model", default="rpsnn-lite")
    parser.add_argument("--tile", type=int)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, PeakMemory() as peak, connected(args.scheduler) as client:
        near, far = (half_sharp(sharp_left, args.size) for sharp_left in (True, False))
        start = time.perf_counter()
        fused = fuse(near, far, model=args.model, tile=args.tile or "auto")
        graph = time.perf_counter() - start
        path = Path(folder) / "fused.ome.zarr"
        with stored({path: ImageFile(fused, "YX")}, None, client, path.name) as (_, finish):
            finish({})
        seconds = time.perf_counter() - start
        right = [
            np.mean(read_image(path).data[-512:, part] == image[-512:, part].compute())
            for image, part in ((near, slice(0, 512)), (far, slice(-512, None)))
        ]
    pair = 2 * args.size**2 * fused.dtype.itemsize / 1e9
    print(
        f"{args.size} x {args.size} ({pair:.2f} GB a pair): {seconds:.1f} s, of these {graph:.1f} s for the graph, "
        f"peak {peak.bytes / 1e9:.2f} GB; in two corners {min(right):.1%} of the pixels are the sharp source's"
    )


if __name__ == "__main__":
    main()

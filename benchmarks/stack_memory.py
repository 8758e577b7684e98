"""Peak memory of `fuse_stack` by the number of planes in a file, each in a fresh process.

    python benchmarks/stack_memory.py SIZE [N ...] [--model rpsnn-lite] [--dask]

Prints, for each number of planes of SIZE x SIZE pixels, seconds and peak resident memory. With `--dask` the stack is a
dask array and the result an array in memory all the same.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_rpsnn import fuse_stack


class PlanesInAFile:
    """A stack of uint16 that is nowhere in memory: plane `k` is sharp in strip `k`."""

    def __init__(self, path: Path, count: int, size: int) -> None:
        self.shape, self.dtype, self.ndim = (count, size, size), np.dtype("uint16"), 3
        self._path = path

    def write(self) -> None:
        """Make the file, plane by plane."""
        count, size, _ = self.shape
        noise = np.random.default_rng(0).random((size, size), np.float32)
        sharp, blurred = (np.rint(60000 * gaussian_filter(noise, sigma)).astype(np.uint16) for sigma in (1, 3))
        with self._path.open("wb") as file:
            for k in range(count):
                strip = slice(k * size // count, (k + 1) * size // count)
                plane = blurred.copy()
                plane[:, strip] = sharp[:, strip]
                file.write(plane.tobytes())

    def __getitem__(self, key: Any) -> NDArray[Any]:
        # Opened anew each time: what stays mapped would count as memory.
        return np.array(np.memmap(self._path, self.dtype, "r", shape=self.shape)[key])


def measure(planes: PlanesInAFile, model: str, dask: bool) -> tuple[float, int]:
    """Seconds, and bytes at the peak, of the process that this is called in."""
    stack: Any = planes
    if dask:
        import dask.array as da

        stack = da.from_array(stack, chunks=(1, *stack.shape[1:]), meta=np.empty((0, 0, 0), np.uint16))
    start = time.perf_counter()
    np.asarray(fuse_stack(stack, model=model))
    return time.perf_counter() - start, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("size", type=int, metavar="SIZE")
    parser.add_argument("counts", type=int, nargs="*", default=[5, 20], metavar="N")
    parser.add_argument("--model", default="rpsnn-lite")
    parser.add_argument("--dask", action="store_true")
    args = parser.parse_args()
    plane = 2 * args.size**2 / 1e6
    for count in args.counts:
        # A fresh process: the memory of an earlier run would hide what this one takes.
        spawn = multiprocessing.get_context("spawn")
        with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, spawn) as fresh:
            planes = PlanesInAFile(Path(folder, "planes"), count, args.size)
            planes.write()
            seconds, peak = fresh.submit(measure, planes, args.model, args.dask).result()
        print(f"{count} planes of {plane:.1f} MB: {seconds:.1f} s, peak {peak / 1e6:.0f} MB", flush=True)


if __name__ == "__main__":
    main()

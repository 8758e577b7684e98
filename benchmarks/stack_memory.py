"""Peak memory of `fuse_stack` by the number of planes, which are made when they are read, each in a fresh process.

    python benchmarks/stack_memory.py SIZE [N ...] [--model rpsnn-lite] [--dask]

Prints, for each number of planes of SIZE x SIZE pixels, seconds and peak resident memory. With `--dask` the stack is a
dask array and the result an array in memory all the same.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_rpsnn import fuse_stack


class LazyPlanes:
    """A stack of uint16 that is nowhere in memory: plane `k` is sharp in strip `k`."""

    def __init__(self, count: int, size: int) -> None:
        self.shape, self.dtype, self.ndim = (count, size, size), np.dtype("uint16"), 3

    def __getitem__(self, key: Any) -> NDArray[Any]:
        number, *part = key if isinstance(key, tuple) else (key,)
        if isinstance(number, slice):
            return np.stack([self[k, *part] for k in range(*number.indices(self.shape[0]))])
        count, size, _ = self.shape
        sharp = np.random.default_rng(0).random((size, size), np.float32)
        plane = gaussian_filter(sharp, 3)
        strip = slice(number * size // count, (number + 1) * size // count)
        plane[:, strip] = gaussian_filter(sharp, 1)[:, strip]
        window: NDArray[Any] = (60000 * plane).astype(np.uint16)[tuple(part)]
        return window


def measure(count: int, size: int, model: str, dask: bool) -> tuple[float, int]:
    """Seconds, and bytes at the peak, of the process that this is called in."""
    stack: Any = LazyPlanes(count, size)
    if dask:
        import dask.array as da

        stack = da.from_array(stack, chunks=(1, size, size), meta=np.empty((0, 0, 0), np.uint16))
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
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
            seconds, peak = fresh.submit(measure, count, args.size, args.model, args.dask).result()
        print(f"{count} planes of {plane:.1f} MB: {seconds:.1f} s, peak {peak / 1e6:.0f} MB", flush=True)


if __name__ == "__main__":
    main()

"""Memory of a process that fuses pairs of ever new shapes.

    python benchmarks/new_shapes.py COUNT SIDE EVERY

Fuses COUNT pairs of up to SIDE x SIDE pixels, in one process, and prints after every EVERY of them how many megabytes
are in use by the allocator (glibc's) and how many are resident.
"""

from __future__ import annotations

import argparse
import ctypes

import numpy as np
import psutil

from napari_rpsnn import fuse


class _MemoryInfo(ctypes.Structure):
    """`mallinfo2` of glibc's malloc.h."""

    _fields_ = [("before", 7 * ctypes.c_size_t), ("uordblks", ctypes.c_size_t), ("after", 2 * ctypes.c_size_t)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    for name in ("count", "side", "every"):
        parser.add_argument(name, type=int, metavar=name.upper())
    args = parser.parse_args()
    libc = ctypes.CDLL("libc.so.6")
    libc.mallinfo2.restype = _MemoryInfo
    rng, process = np.random.default_rng(1), psutil.Process()
    for number in range(1, args.count + 1):
        near, far = rng.integers(0, 255, (2, *rng.integers(1, args.side, 2)), dtype=np.uint8)
        fuse(near, far)
        if number % args.every == 0:
            used, resident = libc.mallinfo2().uordblks, process.memory_info().rss
            print(f"{number}: {used / 1e6:.0f} MB in use, {resident / 1e6:.0f} MB resident", flush=True)


if __name__ == "__main__":
    main()

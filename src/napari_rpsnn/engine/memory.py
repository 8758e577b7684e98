"""Keep freed memory for the next tile, and little else.

Without the first, half of the time on a CPU goes into asking the system for pages.

Every convolution needs tens of megabytes for a moment. glibc gives blocks of that size back to the system when they
are freed, and the system fills each page with zeros when it is touched next. Asked to keep them, it hands the same
pages out again. What is kept is what one tile takes, some hundred megabytes, until the process ends or `give_back` is
called.

Without the second, images of ever new shapes take ever more: torch keeps what it has prepared for the convolutions of
each shape, a thousand of them.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any

# mallopt's parameters, from glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
#: Blocks up to this size come from the heap. Larger ones are rare enough not to matter.
_LARGEST_BLOCK = 1 << 30
#: The heaps of threads have 64 MB each, and one that falls empty is given back unless more than that is asked to stay.
_THREAD_HEAP = 80 << 20
#: In the word before a block, from glibc's malloc.c: the block is from the heap of a thread.
_OF_THREAD_HEAP = 4
#: Of prepared convolutions, for each thread. Of an image of 32x32 all are prepared anew, 3 ms of 27; of larger ones
#: that cannot be measured.
_PREPARED = 16
#: Threads that are tried; a process has about as many heaps as it has threads, at most eight for each processor.
_MOST_TRIES = 64


def settle() -> None:
    """Let this process keep freed memory, and little else, before it computes on a CPU."""
    keep_freed()
    keep_few_prepared()


@cache
def keep_freed() -> None:
    """Let glibc keep freed memory in this process.

    Does nothing with another C library, or where the user has tuned the allocator.
    """
    tuned = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    libc = _glibc()
    if libc is None or tuned:
        return
    libc.mallopt(_MMAP_THRESHOLD, _LARGEST_BLOCK)
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(_TOP_PAD, _THREAD_HEAP)
    # New threads share a heap: what one has freed, the next one takes.
    libc.mallopt(_ARENA_MAX, 1)


def keep_few_prepared() -> None:
    """Let torch keep few of the convolutions that it has prepared.

    It asks when a thread computes the first one. Does nothing where the user has said how many.
    """
    os.environ.setdefault("LRU_CACHE_CAPACITY", str(_PREPARED))


def give_back() -> None:
    """Return what is kept but not in use to the system."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


@contextmanager
def on_first_heap(initializer: Callable[[], object]) -> Iterator[Callable[..., Any]]:
    """Yield a function that calls others, with their arguments, in a thread that uses the process's first heap.

    Only that one grows without bounds, and so can keep all that is freed. In a script there is no other, and the thread
    is the caller's own. In a window, threads of Qt, OpenGL and others have made more, and a new thread takes any of
    them.

    Parameters
    ----------
    initializer : callable
        The first work of a thread that is not the caller's own.
    """
    if _uses_first_heap():
        yield _call
        return
    others: list[ThreadPoolExecutor] = []
    while True:
        executor = ThreadPoolExecutor(1, initializer=initializer)
        if executor.submit(_uses_first_heap).result() or len(others) == _MOST_TRIES:
            break
        others.append(executor)  # while its thread lives, the next one gets another heap
    for other in others:
        other.shutdown()
    with executor:
        yield lambda work, *values: executor.submit(work, *values).result()


def _call(work: Callable[..., Any], *values: Any) -> Any:
    return work(*values)


def _uses_first_heap() -> bool:
    """Whether this thread does, as far as can be known."""
    libc = _glibc()
    if libc is None:
        return True
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
    libc.free.argtypes = (ctypes.c_void_p,)
    block = libc.malloc(1 << 16)  # smaller ones may come from what the thread has freed
    if block is None:  # there is no memory left
        return True
    word = ctypes.c_size_t.from_address(block - ctypes.sizeof(ctypes.c_size_t)).value
    libc.free(block)
    return not word & _OF_THREAD_HEAP


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        # By its name: where another allocator is loaded ahead of it, the process's own `malloc` is not glibc's.
        libc = ctypes.CDLL("libc.so.6")
    except OSError:
        return None
    return libc if hasattr(libc, "gnu_get_libc_version") else None

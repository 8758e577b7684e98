"""Keep freed memory for the next tile: without this, half of the time on a CPU goes into asking the system for pages.

Every convolution needs tens of megabytes for a moment. glibc gives blocks of that size back to the system when they
are freed, and the system fills each page with zeros when it is touched next. Asked to keep them, it hands the same
pages out again. What is kept is what one tile takes, some hundred megabytes, until the process ends or `give_back` is
called.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

# mallopt's parameters, from glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -2, -3, -8
#: Blocks up to this size come from the heap. Larger ones are rare enough not to matter.
_LARGEST_BLOCK = 1 << 30
#: The heaps of threads have 64 MB each, and one that falls empty is given back unless more than that is asked to stay.
_THREAD_HEAP = 80 << 20


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


def give_back() -> None:
    """Return what is kept but not in use to the system."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None

"""What to do where memory is too small: less at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from napari_rpsnn.engine import memory
from napari_rpsnn.images.tiling import Tile, halved

P = ParamSpec("P")
Value = TypeVar("Value")
Made = tuple[NDArray[Any], ...]

#: Sides of windows that are not halved any more: smaller ones are hardly smaller with their halo.
LEAST_PX = 64
#: What torch and oneDNN say on a CPU, which have no exception of their own for it.
_SAYINGS = (
    "DefaultCPUAllocator",
    "can't allocate memory",
    "could not create a primitive",
    "could not create a memory",
    "could not execute a primitive",
    "std::bad_alloc",
)


def is_shortage(error: Exception) -> bool:
    """Whether memory was too small."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in _SAYINGS)


def named(work: Callable[P, Value]) -> Callable[P, Value]:
    """Return a function that does what `work` does; torch's errors for want of memory on a CPU become MemoryErrors."""

    @wraps(work)
    def named_work(*values: P.args, **options: P.kwargs) -> Value:
        try:
            return work(*values, **options)
        except RuntimeError as error:
            if not any(words in str(error) for words in _SAYINGS):
                raise
            raise MemoryError(f"expected more memory to be free, got from torch: {error}") from error

    return named_work


def unless_short(work: Callable[..., Made], *values: Any) -> Made | None:
    """What `work` returns; None where memory is too small for it."""
    try:
        return work(*values)
    except (RuntimeError, MemoryError) as error:
        if not is_shortage(error):
            raise
    # Behind the exception, which keeps what has been computed.
    memory.give_back()
    return None


def in_halves(work: Callable[[Tile], Made], place: Tile, halo: int, step: int, notes: list[str]) -> Made:
    """What `work` returns of a window; where memory is too small for it, of one half after the other.

    Parameters
    ----------
    work : callable
        Returns arrays of the rows and columns that a window writes.
    place : Tile
    halo, step : int
        Of windows, see `halved`.
    notes : list of str
        Where it is said.
    """
    halves = halved(place, halo, step)
    if halves is None or max(part.stop - part.start for part in place.write) < 2 * LEAST_PX:
        return work(place)
    made = unless_short(work, place)
    if made is not None:
        return made
    say("The memory was too small: the image is put together in smaller windows.", notes)
    first, second = (in_halves(work, half, halo, step, notes) for half in halves)
    axis = int(halves[0].write[0] == place.write[0])
    return tuple(np.concatenate(both, axis) for both in zip(first, second, strict=True))


def free(device: torch.device) -> None:
    """Give back what is kept for later, of a GPU's memory, too."""
    memory.give_back()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def say(note: str, notes: list[str]) -> None:
    """Add a sentence for the user, but not twice."""
    if note not in notes:
        notes.append(note)

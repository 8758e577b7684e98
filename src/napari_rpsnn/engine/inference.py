"""A network and a pair of images in, fused tiles out, one at a time: tiles with the exact halo change no result."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_rpsnn.engine.memory import on_first_heap
from napari_rpsnn.engine.shortage import named
from napari_rpsnn.images.tiling import Tile
from napari_rpsnn.model.ambient import undisturbed

Item = TypeVar("Item")
Windows = tuple[Tensor, Tensor]
Network = Callable[[Tensor, Tensor], Tensor]


def _as_it_is(pictures: Tensor) -> Tensor:
    return pictures


def iter_tiles(
    network: Network,
    read: Callable[[tuple[slice, slice]], Windows],
    tiles: Sequence[Tile],
    *,
    device: torch.device,
    dtype: torch.dtype,
    to_units: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]] = (_as_it_is, _as_it_is),
    then: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
    batch: int = 1,
) -> Iterator[tuple[Tile, NDArray[Any]]]:
    """Fuse a pair tile by tile.

    Parameters
    ----------
    network : callable
        Makes an image of two, on the device.
    read : callable
        Returns the windows of both images for two slices, each `(rows, columns, channels)`. It is called in a thread,
        one batch ahead.
    tiles : sequence of Tile
        Of one shape. Read with a halo of at least `HALO`, their inner parts are those of the whole image's result.
    device : torch.device
    dtype : torch.dtype
        Of the arithmetic. The network's last two convolutions keep its own.
    to_units : tuple of callable, optional
        What is made of windows of either image, `(n, rows, columns, channels)`, on the device before the network sees
        them: three channels, or one for grey, in [0, 1], float32 (float64 if `network` takes that).
    then : callable, optional
        What is made of the network's image of a window, `(3, rows, columns)` on the device: called with it and with
        what the network has seen, `(channels, rows, columns)`. None: nothing.
    batch : int, optional
        Tiles to compute at a time.

    Yields
    ------
    Tile, ndarray
        The tile, and what was made of the window that was read.
    """
    with ThreadPoolExecutor(1) as reader, compute_thread() as run:
        readings = _begun((reader.submit(read, tile.read) for tile in tiles), batch)
        batches = iter(lambda: [reading.result() for reading in islice(readings, batch)], [])
        work = (run(_fuse_windows, network, windows, device, dtype, to_units, then) for windows in batches)
        # A GPU is given the next batch's work before this one's is waited for.
        made = chain.from_iterable(_begun(work, int(device.type == "cuda")))
        for tile, part in zip(tiles, made, strict=True):
            yield tile, part.cpu().numpy()


def _begun(items: Iterator[Item], ahead: int) -> Iterator[Item]:
    """The same items, each handed on when `ahead` more have been made."""
    made = deque(islice(items, ahead))
    for item in items:
        made.append(item)
        yield made.popleft()
    yield from made


@contextmanager
def compute_thread() -> Iterator[Callable[..., Any]]:
    """Function that calls others, with their arguments, in the thread that torch computes in, undisturbed.

    It is one thread for all: every thread that computes has helpers of its own, and where they outnumber the cores all
    of them sleep between two steps of work, which takes a fifth more time.
    """
    # A new thread does not know how many threads the user wants torch to have before it asks.
    with on_first_heap(torch.get_num_threads) as run:
        yield lambda work, *values: run(named(undisturbed(work)), *values)


@torch.inference_mode()
def _fuse_windows(
    network: Network,
    windows: Sequence[Windows],
    device: torch.device,
    dtype: torch.dtype,
    to_units: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]],
    then: Callable[[Tensor, Tensor, Tensor], Tensor] | None,
) -> list[Tensor]:
    # On a GPU, copies from pinned memory run beside the work that it still has.
    images = ([window.to(device, non_blocking=True) for window in pictures] for pictures in zip(*windows, strict=True))
    units = [
        to_unit(torch.stack(x) if len(x) > 1 else x[0][None]).movedim(-1, -3)
        for to_unit, x in zip(to_units, images, strict=True)
    ]
    with arithmetic(device, dtype):
        fused = network(*(unit.expand(-1, 3, -1, -1) for unit in units))
    with true_float32(device):
        return list(fused) if then is None else [then(*one) for one in zip(fused, *units, strict=True)]


def to_host(picture: NDArray[Any], device: torch.device) -> Tensor:
    """A copy of the picture in one memory layout, from where `device` takes it fastest."""
    like = torch.from_numpy(np.empty(0, picture.dtype.newbyteorder("=")))
    tensor = torch.empty(picture.shape, dtype=like.dtype, pin_memory=device.type == "cuda")
    tensor.numpy()[...] = picture
    return tensor


@contextmanager
def arithmetic(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Convolutions in the dtype if that has 16 bits, and those that stay float32 in TF32 then, where CUDA has it.

    TF32 and float16 have 10 bits of mantissa, bfloat16 has 7.
    """
    low = dtype.itemsize == 2
    with _tf32(device, low), torch.autocast(device.type, dtype, enabled=low):
        yield


def true_float32(device: torch.device) -> AbstractContextManager[None]:
    """Keep float32 convolutions float32 on CUDA, where torch allows TF32 by itself."""
    return _tf32(device, False)


def _tf32(device: torch.device, allowed: bool) -> AbstractContextManager[None]:
    if device.type != "cuda":
        return nullcontext()
    cudnn = torch.backends.cudnn
    # Left out, the other settings would be switched off.
    settings = {name: getattr(cudnn, name) for name in ("enabled", "benchmark", "deterministic")}
    context: AbstractContextManager[None] = cudnn.flags(**settings, allow_tf32=allowed)
    return context

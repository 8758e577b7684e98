"""The engine: a network and a pair of images in, fused tiles out, one at a time.

Choices and their reasons: channels_last is the layout that CPU and GPU convolutions run fastest in; bfloat16, where
the hardware multiplies it, takes half the time for 0.7 % of error; float16, where there are kernels for it, an eighth
of that error in half of that time; tiles with the exact halo bound the memory and change no result.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_rpsnn.engine.memory import on_first_heap
from napari_rpsnn.images.tiling import Tile
from napari_rpsnn.model.float16 import half_network, has_kernels
from napari_rpsnn.model.network import HALO, RPSNN
from napari_rpsnn.model.weights import ModelLike

Item = TypeVar("Item")
Windows = tuple[Tensor, Tensor]

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

#: Values in memory for each pixel of a window and each channel of the network's width: the growth of resident memory
#: while windows of 520 and 825 pixels went through both models in float32 was 6.4 to 8.4.
WINDOW_VALUES = 9
#: Sides in pixels that a tile is chosen between. A larger one would take longer than a user waits to see it move.
LEAST_TILE, LARGEST_TILE = 128, {"cpu": 1024, "mps": 1024, "cuda": 2048}


def choose_device(device: str) -> torch.device:
    """Return the device of that name; "auto" takes CUDA, then MPS (Apple), then the CPU."""
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, there in available.items() if there))
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device: expected 'auto', 'cuda', 'cuda:N', 'mps' or 'cpu', got {device!r}") from error
    if not available.get(chosen.type) or (chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count()):
        raise ValueError(
            f"device: {device!r} is not on this machine, which has {[n for n, there in available.items() if there]}"
        )
    return chosen


def choose_precision(precision: str, device: torch.device, network: RPSNN) -> torch.dtype:
    """Return the dtype of that name; "auto" takes the fastest one that the hardware has.

    That is float16 where there are kernels for it, then bfloat16, then float32.
    """
    if precision == "auto":
        if has_kernels(device) and half_network(network):
            return torch.float16
        return torch.bfloat16 if has_bfloat16(device) else torch.float32
    if precision not in PRECISIONS:
        raise ValueError(f"precision: expected 'auto', {', '.join(map(repr, PRECISIONS))}, got {precision!r}")
    if precision == "float16" and device.type != "cuda":
        raise ValueError(f"precision: 'float16' is for CUDA devices, got the device '{device}'")
    if precision == "float16" and not half_network(network):
        raise ValueError("precision: the values of this model leave the range of 'float16', expected another one")
    return PRECISIONS[precision]


def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # On Apple GPUs bfloat16 is emulated on the first chips: float32 is the safe choice there.
    # torch has no public question for this that is older than 2.11.
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def choose_model(model: ModelLike, device: torch.device) -> ModelLike:
    """Return `model`; "auto" takes the full model on a GPU and the lite one, 11 times cheaper, on a CPU."""
    if isinstance(model, str) and model == "auto":
        return "rpsnn-lite" if device.type == "cpu" else "rpsnn"
    return model


def choose_tile(tile: int | str, device: torch.device, width: int, dtype: torch.dtype) -> int:
    """Return the tile's side in pixels; "auto" takes what there is memory for.

    Time per window pixel is the same from 142 pixels on; a larger tile only saves halo, 1.4 times the work at 512, 1.2
    at 1024.
    """
    if tile == "auto":
        side = math.isqrt(_pixels_at_once(device, width, dtype)) - 2 * HALO
        return min(max(side // 64 * 64, LEAST_TILE), LARGEST_TILE[device.type])
    if not isinstance(tile, int | np.integer) or isinstance(tile, bool) or tile < 1:
        raise ValueError(f"tile: expected 'auto' or a number of pixels of at least 1, got {tile!r}")
    return int(tile)


def choose_batch(tile: int, device: torch.device, width: int, dtype: torch.dtype) -> int:
    """Return how many tiles to compute at a time: one on a CPU, which it keeps busy, else those there is memory for."""
    if device.type == "cpu":
        return 1
    return max(_pixels_at_once(device, width, dtype) // (tile + 2 * HALO) ** 2, 1)


def _pixels_at_once(device: torch.device, width: int, dtype: torch.dtype) -> int:
    """Pixels of windows that take 0.65 GB on a CPU, 6 GB on a GPU, or a quarter of what is free if that is less."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    budget = min(0.65e9 if device.type == "cpu" else 6e9, free / 4)
    return int(budget / (WINDOW_VALUES * width * dtype.itemsize))


def iter_tiles(
    network: RPSNN,
    read: Callable[[tuple[slice, slice]], Windows],
    tiles: Sequence[Tile],
    *,
    dtype: torch.dtype,
    to_unit: Callable[[Tensor], Tensor] = lambda pictures: pictures,
    then: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
    batch: int = 1,
) -> Iterator[tuple[Tile, NDArray[Any]]]:
    """Fuse a pair tile by tile.

    Parameters
    ----------
    network : RPSNN
        On the device that is to do the work.
    read : callable
        Returns the windows of both images for two slices, each `(rows, columns, channels)`. It is called in a thread,
        one batch ahead.
    tiles : sequence of Tile
        Of one shape. Read with a halo of at least `HALO`, their inner parts are those of the whole image's result.
    dtype : torch.dtype
        Of the arithmetic. The network's last two convolutions keep its own.
    to_unit : callable, optional
        What is made of windows `(n, rows, columns, channels)` on the device before the network sees them: three
        channels, or one for grey, in [0, 1], float32 (float64 if `network` is).
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
    device = next(network.parameters()).device
    with ThreadPoolExecutor(1) as reader, ready() as run:
        readings = _begun((reader.submit(read, tile.read) for tile in tiles), batch)
        batches = iter(lambda: [reading.result() for reading in islice(readings, batch)], [])
        work = (run(_fuse_windows, network, windows, dtype, to_unit, then) for windows in batches)
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


def ready() -> AbstractContextManager[Callable[..., Any]]:
    """Function that calls others, with their arguments, in the thread that torch computes in.

    It is one thread for all: every thread that computes has helpers of its own, and where they outnumber the cores all
    of them sleep between two steps of work, which takes a fifth more time.
    """
    # A new thread does not know how many threads the user wants torch to have before it asks.
    return on_first_heap(torch.get_num_threads)


@torch.inference_mode()
def _fuse_windows(
    network: RPSNN,
    windows: Sequence[Windows],
    dtype: torch.dtype,
    to_unit: Callable[[Tensor], Tensor],
    then: Callable[[Tensor, Tensor, Tensor], Tensor] | None,
) -> list[Tensor]:
    device = next(network.parameters()).device
    # On a GPU, copies from pinned memory run beside the work that it still has.
    images = ([window.to(device, non_blocking=True) for window in pictures] for pictures in zip(*windows, strict=True))
    units = [to_unit(torch.stack(x) if len(x) > 1 else x[0][None]).movedim(-1, -3) for x in images]
    compute = (half_network(network) if dtype == torch.float16 else None) or network
    with arithmetic(device, dtype):
        fused = compute(*(unit.expand(-1, 3, -1, -1) for unit in units))
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

"""Where a network runs, which one, and how much of an image at a time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from napari_rpsnn.model.network import HALO, RPSNN
from napari_rpsnn.model.weights import ModelLike

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


def choose_model(model: ModelLike, device: torch.device) -> ModelLike:
    """Return `model`; "auto" takes the full model on a GPU and the lite one, 11 times cheaper, on a CPU."""
    if isinstance(model, str) and model == "auto":
        return "rpsnn-lite" if device.type == "cpu" else "rpsnn"
    return model


def model_name(model: ModelLike) -> str:
    """What to call a model: a bundled name, the name of a file, or its class and width."""
    return f"RPSNN(width={model.width})" if isinstance(model, RPSNN) else Path(model).name


def choose_tile(tile: int | str, device: torch.device, width: int, dtype: torch.dtype) -> int:
    """Return the tile's side in pixels; "auto" takes what there is memory for.

    Time per window pixel is the same from 142 pixels on; a larger tile only saves halo, 1.4 times the work at 512, 1.2
    at 1024.
    """
    if tile == "auto":
        side = math.isqrt(_pixels_at_once(device, width, dtype)) - 2 * HALO
        return min(max(side // 64 * 64, LEAST_TILE), LARGEST_TILE[device.type])
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


def holds(device: torch.device, dtype: np.dtype[Any]) -> bool:
    """Whether pictures go to the device as they are, and what is made of them there is exact."""
    # Apple GPUs have no unsigned 16-bit integers.
    return dtype.kind in "ui" and dtype.itemsize <= 2 and device.type != "mps"

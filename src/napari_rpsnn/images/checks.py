"""Refuse images that cannot be fused: each check names the argument, what was expected and what was got."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def check_pair(image0: NDArray[Any], image1: NDArray[Any], names: tuple[str, str]) -> None:
    """Refuse images that cannot be fused with each other, naming what was expected and what was got."""
    for name, image in zip(names, (image0, image1), strict=True):
        if image.dtype.kind not in "iuf":
            raise TypeError(f"{name}: expected an integer or floating-point dtype, got {image.dtype}")
    both = " and ".join(names)
    if image0.shape != image1.shape:
        raise ValueError(f"{both}: expected the same shape, got {image0.shape} and {image1.shape}")
    if image0.dtype.newbyteorder("=") != image1.dtype.newbyteorder("="):
        raise ValueError(f"{both}: expected the same dtype, got {image0.dtype} and {image1.dtype}")


def count_infinite(image: NDArray[Any], valid: NDArray[np.bool_] | None = None) -> int:
    """How many values are infinite, of pixels that have data (None: of all)."""
    if image.dtype.kind != "f":
        return 0
    infinite = np.isinf(image)
    return int(np.count_nonzero(infinite if valid is None else infinite[valid]))


def refuse_infinite(count: int, name: str) -> None:
    """Refuse infinity that was counted."""
    if count:
        raise ValueError(f"{name}: expected finite values, or NaN for no data, got {count} that are infinite")


def count_differing(alpha0: NDArray[Any], alpha1: NDArray[Any]) -> int:
    """How many pixels differ in alpha; 0 says that there is no data, and differs from nothing."""
    return int(np.count_nonzero((alpha0 != alpha1) & (alpha0 != 0) & (alpha1 != 0)))


def refuse_alpha(count: int, names: tuple[str, str]) -> None:
    """Refuse to choose between two alpha channels, of which the pixels that differ were counted."""
    if count:
        raise ValueError(
            f"{' and '.join(names)}: of four channels on channel_axis the last is alpha and must be the same in both, "
            f"or 0 for no data, got {count} pixels that differ; of four independent channels let one decide by "
            "guide_channel, or fuse them one by one: make them the first axis and leave channel_axis=None"
        )

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


def check_finite(image: NDArray[Any], name: str) -> None:
    """Refuse NaN and infinity."""
    refuse_infinite(count_infinite(image), name)


def count_infinite(image: NDArray[Any]) -> int:
    """How many values are NaN or infinite."""
    return 0 if image.dtype.kind != "f" else int(image.size - np.isfinite(image).sum())


def refuse_infinite(count: int, name: str) -> None:
    """Refuse NaN and infinity that were counted."""
    if count:
        raise ValueError(f"{name}: expected finite values, got {count} that are NaN or infinite")


def check_alpha(alpha0: NDArray[Any], alpha1: NDArray[Any], names: tuple[str, str]) -> None:
    """Refuse to choose between two alpha channels."""
    refuse_alpha(int(np.count_nonzero(alpha0 != alpha1)), names)


def refuse_alpha(count: int, names: tuple[str, str]) -> None:
    """Refuse to choose between two alpha channels, of which the pixels that differ were counted."""
    if count:
        raise ValueError(
            f"{' and '.join(names)}: of four channels on channel_axis the last is alpha and must be the same in both, "
            f"got {count} pixels that differ; of four independent channels let one decide by guide_channel, or fuse "
            "them one by one: make them the first axis and leave channel_axis=None"
        )


def check_height(height: bool, plane_spacing: float, method: str) -> None:
    """Refuse a height map where no plane is decided for, and planes that are not apart."""
    if height and method == "regression":
        raise ValueError("height: expected method='decision', got 'regression', which decides for no plane")
    if not plane_spacing > 0 or not np.isfinite(plane_spacing):
        raise ValueError(f"plane_spacing: expected a positive number, got {plane_spacing!r}")


def check_guide(guide_channel: Any, method: str) -> None:
    """Refuse a guide where there is no decision that the other channels could follow."""
    if guide_channel is not None and method == "regression":
        raise ValueError(
            f"guide_channel: expected None or method='decision', got {guide_channel!r} with method='regression', which "
            "has no decision to apply to other channels"
        )

"""Grey arrays that measures compare: how they are made of images, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Grey = NDArray[np.float64]

#: Rec. 601 in the digits that MATLAB's rgb2gray has, which all published figures come from.
LUMA = (0.298936021293776, 0.587043074451121, 0.114020904255103)
WHITE = 255.0


def to_grey(image: ArrayLike, *, low: float = 0.0, high: float = WHITE) -> Grey:
    """Return an image as grey values from 0 to 255.

    Parameters
    ----------
    image : array_like of shape `(rows, columns)`, or `(rows, columns, 3)` or `(rows, columns, 4)` for colours
        Colours become Rec. 601 luma; alpha is left out. Of 8 bits they are rounded, as published figures are.
    low, high : float, optional
        Values that become 0 and 255; for all images that are compared they must be the same. Values beyond are cut.

    Returns
    -------
    ndarray of float64 of shape `(rows, columns)`

    Raises
    ------
    ValueError
        If the image has another shape, or values that are not finite, or `high` is not above `low`.
    TypeError
        If it is not of an integer or floating-point dtype of at most 64 bits.

    Examples
    --------
    >>> import numpy as np
    >>> to_grey(np.array([[[255, 0, 0], [0, 255, 0]]], np.uint8))
    array([[ 76., 150.]])
    >>> to_grey(np.array([[1000, 3000]], np.uint16), low=1000, high=3000)
    array([[  0., 255.]])
    """
    array = _numbers(image, "image")
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        raise ValueError(f"image: expected (rows, columns), or 3 or 4 colours as a third axis, got {array.shape}")
    if not high > low:
        raise ValueError(f"high: expected more than low, which is {low}, got {high}")
    if not np.isfinite(array).all():
        raise ValueError("image: expected finite values, got NaN or infinity")
    grey = array.astype(np.float64) if array.ndim == 2 else array[..., :3] @ np.array(LUMA)
    if array.dtype == np.uint8 and (low, high) == (0, WHITE):
        return np.floor(grey + 0.5)
    return ((grey - low) * (WHITE / (high - low))).clip(0, WHITE)


def _numbers(image: ArrayLike, name: str) -> NDArray[Any]:
    array: NDArray[Any] = np.asarray(image)
    # float64, which measures compute in, does not hold more.
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
        raise TypeError(f"{name}: expected an integer or floating-point dtype of at most 64 bits, got {array.dtype}")
    return array


def checked(image: ArrayLike, name: str) -> Grey:
    """An image that a measure can take, or an error that names it."""
    array = _numbers(image, name)
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name}: expected a grey image (rows, columns), got the shape {array.shape}; see to_grey")
    array = array.astype(np.float64)
    # A measure has constants for this range; 16 bits as they are would give a figure that means nothing.
    if not (array.min() >= 0 and array.max() <= WHITE):
        raise ValueError(
            f"{name}: expected values from 0 to 255, got {array.min():g} to {array.max():g}; to_grey brings them there"
        )
    return array


def checked_together(sources: Sequence[ArrayLike], fused: ArrayLike) -> tuple[list[Grey], Grey]:
    """Sources and a fused image that a measure can take together."""
    if len(sources) < 2:
        raise ValueError(f"sources: expected at least 2 images, got {len(sources)}")
    image = checked(fused, "fused")
    made = [checked(source, f"sources[{k}]") for k, source in enumerate(sources)]
    for k, source in enumerate(made):
        _check_shape(source, f"sources[{k}]", image)
    return made, image


def checked_pair(truth: ArrayLike, fused: ArrayLike) -> tuple[Grey, Grey]:
    """A truth and a fused image that can be compared."""
    wanted, image = checked(truth, "truth"), checked(fused, "fused")
    _check_shape(wanted, "truth", image)
    return wanted, image


def check_size(fused: Grey, least_px: int) -> None:
    """Refuse an image with a side of less than so many pixels."""
    rows, columns = fused.shape
    if min(rows, columns) < least_px:
        raise ValueError(f"fused: expected at least {least_px}x{least_px} pixels, got {rows}x{columns}")


def _check_shape(image: Grey, name: str, fused: Grey) -> None:
    if image.shape != fused.shape:
        raise ValueError(f"{name} and fused: expected the same shape, got {image.shape} and {fused.shape}")

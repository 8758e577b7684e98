"""What is handed in as an image, as something with `shape`, `dtype` and NumPy's basic indexing, or refused by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from napari_rpsnn.images.array_part import ArrayPart, is_dask
from napari_rpsnn.images.validity import is_masked

#: NumPy's limit is 64, or 32 before its version 2, and pictures have an axis more.
MOST_AXES = 31


def as_array(image: Any, name: str) -> Any:
    """`image`, if it has what an array has: it may be larger than the memory. Else a NumPy array of it.

    A tensor of torch on the CPU is a NumPy array of the same memory.

    Raises
    ------
    TypeError
        If it is no array, or its values are no integers or floating-point numbers of at most 64 bits.
    ValueError
        If it has rows of different lengths, or too many axes.
    """
    array = image if is_dask(image) else readable(image, name)
    try:
        # NumPy takes None for float64.
        shape, dtype = tuple(array.shape), np.dtype("O" if array.dtype is None else array.dtype)
        length = len([n for n in shape if n >= 0 or n != n])  # of dask, lengths that are not known are NaN
    except (TypeError, ValueError, AttributeError) as error:
        raise TypeError(f"{name}: expected an array, got {_kind(image)}") from error
    if length > MOST_AXES:
        raise ValueError(f"{name}: expected at most {MOST_AXES} axes, got {length}")
    if dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected an integer or floating-point dtype, got {dtype}")
    if dtype.itemsize > 8:
        raise TypeError(f"{name}: expected a dtype of at most 64 bits, got {dtype} of {8 * dtype.itemsize}")
    # One that only resembles an array may name its dtype.
    return array if isinstance(array.dtype, np.dtype) else ArrayPart(array, (0,) * length, shape)


def as_mask(mask: Any) -> Any:
    """A user's `mask` as an array that NumPy's functions take, dask's among them."""
    return mask if is_dask(mask) else np.asarray(readable(mask, "mask"))


def as_stack(images: Any, name: str) -> Any:
    """`as_array` of a stack, or a list of that of each of its planes, if they are handed in one by one."""
    if hasattr(images, "shape"):
        return as_array(images, name)
    if isinstance(images, str | bytes) or not isinstance(images, Iterable):
        raise TypeError(f"{name}: expected an array or a sequence of arrays, got {_kind(images)}")
    return [as_array(plane, f"{name}[{k}]") for k, plane in enumerate(images)]


def readable(image: Any, name: str) -> Any:
    """`image`, if it has what an array has, of whatever dtype; else a NumPy array of it."""
    if _is_tensor(image):
        try:
            return image.detach().resolve_conj().resolve_neg().numpy()
        except (TypeError, RuntimeError) as error:
            of = f"{image.layout} and {image.dtype} on the device '{image.device}'"
            raise TypeError(
                f"{name}: expected a dense tensor on the CPU of a dtype of NumPy, got one of {of}"
            ) from error
    if hasattr(image, "shape") and hasattr(image, "dtype") and hasattr(image, "__getitem__"):
        if hasattr(image, "nnz") or hasattr(image, "__cuda_array_interface__"):
            raise TypeError(f"{name}: expected an array that NumPy can read, got {_kind(image)}; convert it first")
        return image
    try:
        return _as_one(image)
    except Exception as error:  # whatever it is, it says by itself what an array of it is
        raise ValueError(f"{name}: expected an array, got {_kind(image)}: {error}") from error


def _as_one(image: Any) -> Any:
    """A NumPy array of a sequence, of `numpy.ma` if an array in it is, or in a sequence in it."""
    if not is_masked(image):
        return np.asarray(image)
    return np.ma.stack(list(map(_as_one, image))) if isinstance(image, list | tuple) else image


def _is_tensor(image: Any) -> bool:
    """Whether it is a tensor of torch, which is not loaded to find out."""
    return any(f"{kind.__module__}.{kind.__name__}" == "torch.Tensor" for kind in type(image).__mro__)


def _kind(image: Any) -> str:
    kind = type(image)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"

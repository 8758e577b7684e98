"""A part of an array, of whatever holds it: nothing is read before a window of the part is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ArrayPart:
    """A part of an array that is read when it is indexed (a memory map of some kind, zarr, planes of files).

    Attributes
    ----------
    array : array-like with `shape`, `dtype` and NumPy's basic indexing
    starts : tuple of int
        Where the part begins on each axis.
    shape : tuple of int
    """

    array: Any
    starts: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its values."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: tuple[int | slice, ...]) -> Any:
        """A window: for each axis a number, or a slice without step."""
        inside = []
        for at, start, length in zip(key, self.starts, self.shape, strict=True):
            ends = at.indices(length)[:2] if isinstance(at, slice) else ()
            inside.append(slice(*(start + end for end in ends)) if isinstance(at, slice) else start + range(length)[at])
        return self.array[tuple(inside)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[(slice(None),) * self.ndim], dtype)


def cut(array: Any, window: Sequence[slice]) -> Any:
    """The part of an array that a slice without step on each axis tells; views and lazy arrays stay what they are."""
    if isinstance(array, np.ndarray) or is_dask(array):
        return array[tuple(window)]
    ends = [at.indices(length)[:2] for at, length in zip(window, array.shape, strict=True)]
    return ArrayPart(array, tuple(start for start, _ in ends), tuple(stop - start for start, stop in ends))


def is_dask(image: Any) -> bool:
    """Whether it is a dask array; dask is not loaded to find out."""
    return type(image).__module__.partition(".")[0] == "dask"

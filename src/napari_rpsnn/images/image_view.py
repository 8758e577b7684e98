"""One picture of whatever holds the images (an array, a memory map, zarr, dask), read window by window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.layout import Layout, Window


@dataclass(frozen=True)
class Picture:
    """A picture `(rows, columns, channels)` of which nothing is read before a window of it is asked for.

    Attributes
    ----------
    images : array-like with `shape`, `dtype` and NumPy's basic indexing
    layout : Layout
    where : tuple of int
        Which picture: time, position, channel.
    channels : int or None
        How many of its channels a window has; None: all.
    """

    images: Any
    layout: Layout
    where: tuple[int, ...]
    channels: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, columns, channels."""
        ndim = len(self.images.shape)
        # A view of one value: an array of that shape that takes no memory.
        whole = np.broadcast_to(np.zeros((), np.uint8), self.images.shape)
        picture = self.layout.picture(whole[tuple(self.layout.key(self.where, ndim))], ndim)
        rows, columns, channels = picture[..., : self.channels].shape
        return rows, columns, channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its values."""
        dtype: np.dtype[Any] = np.dtype(self.images.dtype)
        return dtype

    @property
    def colours(self) -> Picture:
        """The picture without its alpha, if it has one."""
        return replace(self, channels=3) if self.layout.alpha else self

    def __getitem__(self, window: Window) -> NDArray[Any]:
        return self.layout.read(self.images, self.where, window)[..., : self.channels]

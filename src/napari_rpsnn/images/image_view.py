"""One picture of whatever holds the images (an array, a memory map, zarr, dask), read window by window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.layout import WHOLE, Layout, Window
from napari_rpsnn.images.validity import Valid, both, known


@dataclass(frozen=True)
class ImageView:
    """A picture `(rows, columns, colours)` of which nothing is read before a window of it is asked for.

    Attributes
    ----------
    images : array-like with `shape`, `dtype` and NumPy's basic indexing
    layout : Layout
    where : tuple of int
        Which picture: time, position, channel.
    masks : tuple of array-like
        Of the shape of the images, nonzero where there is data.
    """

    images: Any
    layout: Layout
    where: tuple[int, ...]
    masks: tuple[Any, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, columns, colours."""
        ndim = len(self.images.shape)
        # A view of one value: an array of that shape that takes no memory.
        whole = np.broadcast_to(np.zeros((), np.uint8), self.images.shape)
        picture = self.layout.picture(whole[tuple(self.layout.key(self.where, ndim))], ndim)
        rows, columns, colours = self.layout.colours(picture).shape
        return rows, columns, colours

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its values."""
        dtype: np.dtype[Any] = np.dtype(self.images.dtype)
        return dtype

    def __getitem__(self, window: Window) -> NDArray[Any]:
        """Colours of a window."""
        colours: NDArray[Any] = self.layout.colours(self.read(window))
        return colours

    def loaded(self) -> ImageView:
        """The same picture, read as a whole."""
        masks = tuple(self._read(mask, WHOLE) for mask in self.masks)
        return ImageView(self.read(), replace(self.layout, channel_axis=-1, joined=True), (), masks)

    def see(self, window: Window = WHOLE) -> tuple[NDArray[Any], Valid]:
        """`read` without NaN, and where there is data; None: everywhere."""
        by_mask: Valid = None
        for mask in self.masks:
            by_mask = both(by_mask, self._read(mask, window) != 0)
        return known(self.read(window), self.layout, by_mask)

    def read(self, window: Window = WHOLE) -> NDArray[Any]:
        """All channels of a window, alpha among them."""
        return self._read(self.images, window)

    def _read(self, images: Any, window: Window) -> NDArray[Any]:
        ndim = len(images.shape)
        part = np.asarray(images[tuple(self.layout.key(self.where, ndim, window))])
        picture: NDArray[Any] = self.layout.picture(part, ndim)
        return picture

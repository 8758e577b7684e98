"""Which axes of an array are pictures, which are channels that share a decision, and which are taken one by one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Window = tuple[slice, slice]

#: All rows and columns of a picture.
WHOLE: Window = (slice(None), slice(None))


@dataclass(frozen=True)
class Layout:
    """How images of one shape fall apart into pictures `(rows, columns, channels)`.

    Attributes
    ----------
    channel_axis : int or None
        Axis of the colours in the images.
    joined : bool
        Whether the channels of a picture share one decision. Else every channel is a picture of its own.
    alpha : bool
        Whether the last of four channels is alpha, which is kept and not fused.
    guide : tuple of int or None
        Channels whose mean the network sees; None: all of them.
    """

    channel_axis: int | None
    joined: bool
    alpha: bool
    guide: tuple[int, ...] | None

    @classmethod
    def of(cls, shape: tuple[int, ...], channel_axis: int | None, guide_channel: int | Sequence[int] | None) -> Layout:
        """Read the options for images of `shape`, or raise ValueError naming the wrong one.

        Pictures of three or four columns are allowed, but most likely they are colours that nobody named: that is said.
        """
        axes = 2 if channel_axis is None else 3
        if len(shape) < axes or 0 in shape:
            raise ValueError(f"expected images with at least {axes} axes, none of them empty, got the shape {shape}")
        if channel_axis is None:
            if guide_channel is not None:
                raise ValueError(f"guide_channel: expected None without channel_axis, got {guide_channel}")
            if len(shape) > 2 and shape[-1] in (3, 4) and shape[-2] > 4:
                warnings.warn(
                    f"channel_axis: without it, images of shape {shape} are pictures of {shape[-2]} rows and "
                    f"{shape[-1]} columns; if the last axis is colour, say channel_axis=-1",
                    stacklevel=2,
                )
            return cls(None, joined=True, alpha=False, guide=None)
        if not -len(shape) <= channel_axis < len(shape):
            raise ValueError(f"channel_axis: expected an axis of an image of shape {shape}, got {channel_axis}")
        channels = shape[channel_axis]
        if guide_channel is not None:
            guide = (guide_channel,) if isinstance(guide_channel, int | np.integer) else tuple(guide_channel)
            if not guide or not all(isinstance(c, int | np.integer) and 0 <= c < channels for c in guide):
                raise ValueError(
                    f"guide_channel: expected a channel from 0 to {channels - 1}, or several, got {guide_channel!r}"
                )
            return cls(channel_axis, joined=True, alpha=False, guide=tuple(int(c) for c in guide))
        return cls(channel_axis, joined=channels in (3, 4), alpha=channels == 4, guide=None)

    def pictures(self, images: NDArray[Any]) -> NDArray[Any]:
        """View of images as `(..., rows, columns, channels)`."""
        if self.channel_axis is None:
            return images[..., None]
        if self.joined:
            return np.moveaxis(images, self.channel_axis, -1)
        return np.moveaxis(images, self.channel_axis, 0)[..., None]

    def images(self, pictures: NDArray[Any]) -> NDArray[Any]:
        """View of pictures as images: the inverse of `pictures`."""
        if self.channel_axis is None:
            return pictures[..., 0]
        return np.moveaxis(pictures, -1, self.channel_axis) if self.joined else self.maps(pictures[..., 0])

    def maps(self, maps: NDArray[Any]) -> NDArray[Any]:
        """View of `(..., rows, columns)`, one map for each picture, as what `new_map` returns first."""
        return maps if self.joined or self.channel_axis is None else np.moveaxis(maps, 0, self.channel_axis)

    def everywhere(self, ndim: int) -> tuple[slice, ...]:
        """All pictures, as `key` takes one, of images of `ndim` axes."""
        return (slice(None),) * (ndim - 2 - (self.channel_axis is not None and self.joined))

    def sides(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Rows and columns of images of this shape."""
        apart = None if self.channel_axis is None else self.channel_axis % len(shape)
        *_, rows, columns = (n for axis, n in enumerate(shape) if axis != apart)
        return rows, columns

    def key(self, where: tuple[int | slice, ...], ndim: int, window: Window = WHOLE) -> list[Any]:
        """Index of a window of picture `where` in images of `ndim` axes."""
        apart = None if self.channel_axis is None else self.channel_axis % ndim
        *leading, row_axis, column_axis = (axis for axis in range(ndim) if axis != apart)
        if apart is not None and not self.joined:
            leading.insert(0, apart)
        key: list[Any] = [slice(None)] * ndim
        for axis, i in zip((*leading, row_axis, column_axis), (*where, *window), strict=True):
            key[axis] = i
        return key

    def picture(self, part: Any, ndim: int) -> Any:
        """View `(rows, columns, channels)` of what `key` gives of images of `ndim` axes."""
        if self.channel_axis is None or not self.joined:
            return part[..., None]
        # Of the axes before the channels only the last rows and columns are left.
        behind = ndim - 1 - self.channel_axis % ndim
        return np.moveaxis(part, -1 - min(behind, 2), -1)

    def new_map(self, shape: tuple[int, ...], dtype: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return a map for images of `shape`, and a view of it as `(..., rows, columns)`, one for each picture.

        Where channels share a decision the map has no channel axis.
        """
        if self.channel_axis is None:
            made = np.zeros(shape, dtype)
            return made, made
        if self.joined:
            axis = self.channel_axis % len(shape)
            made = np.zeros(shape[:axis] + shape[axis + 1 :], dtype)
            return made, made
        made = np.zeros(shape, dtype)
        return made, np.moveaxis(made, self.channel_axis, 0)

    def colours(self, pictures: Any) -> Any:
        """View of `(..., rows, columns, channels)` without alpha, if there is one."""
        return pictures[..., :3] if self.alpha else pictures

    def alpha_of(self, pictures: Any) -> Any:
        """View `(..., rows, columns)` of the alpha of `(..., rows, columns, channels)`; None if there is none."""
        return pictures[..., 3] if self.alpha else None

    def with_alpha(self, colours: Any, alpha: Any) -> Any:
        """`(..., rows, columns, channels)` put together again; `alpha` as of `alpha_of`."""
        return colours if alpha is None else np.concatenate([colours, alpha[..., None]], -1)

    def grey(self, picture: NDArray[Any]) -> NDArray[np.float64]:
        """What the network is to see, in one channel, `(rows, columns)`."""
        guide = self.guide_channels(picture)
        grey: NDArray[np.float64] = (guide / np.float64(guide.shape[-1])).sum(-1, dtype=np.float64)
        return grey

    def guide_channels(self, picture: NDArray[Any]) -> NDArray[Any]:
        """Channels that the network is to see: one grey or three colours, `(rows, columns, 1 or 3)`."""
        return picture if self.guide is None else picture[..., list(self.guide)]

"""Where pictures have data: all that says "no data here" in one form.

`mask=` is nonzero where there is data, as masks are in scikit-image's registration and in OpenCV; the mask of a
`numpy.ma.MaskedArray` is True where there is none; NaN is none, and so is alpha 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_rpsnn.images.layout import Layout

#: Index of a pixel that no plane has data for.
NO_PLANE = 65535

Valid = NDArray[np.bool_] | None


def is_masked(image: Any) -> bool:
    """Whether it is an array of `numpy.ma`, a dask array of these, or a sequence with such a plane."""
    if isinstance(image, list | tuple):
        return any(map(is_masked, image))
    return isinstance(getattr(image, "_meta", image), np.ma.MaskedArray)


def unmasked(image: Any) -> tuple[Any, Any]:
    """The values of an image or a plane, and where it has data by `numpy.ma`; None: everywhere."""
    if not is_masked(image):
        return image, None
    if isinstance(image, np.ma.MaskedArray):
        return image.data, ~np.ma.getmaskarray(image)
    return image.map_blocks(np.ma.getdata), ~image.map_blocks(np.ma.getmaskarray, dtype=bool)


def told(mask: Any, shape: tuple[int, ...], channel_axis: int | None) -> Any:
    """A user's `mask` as an array of `shape`, that of the images with `channel_axis`; nothing is copied.

    Raises
    ------
    TypeError, ValueError
        If it is not of a boolean or integer dtype, or cannot be broadcast to the shape without `channel_axis`.
    """
    if mask.dtype.kind not in "biu":
        raise TypeError(f"mask: expected a boolean or integer dtype, nonzero where there is data, got {mask.dtype}")
    axis = None if channel_axis is None else channel_axis % len(shape)
    without = tuple(n for i, n in enumerate(shape) if i != axis)
    try:
        mask = np.broadcast_to(mask, without)
    except ValueError as error:
        raise ValueError(f"mask: expected the shape {without}, or one that goes with it, got {mask.shape}") from error
    return mask if axis is None else np.broadcast_to(np.expand_dims(mask, axis), shape)


def split_pair(
    image0: Any, image1: Any, mask: Any, channel_axis: int | None
) -> tuple[Any, Any, tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """The values of two images, and their masks: of their shape, nonzero where there is data."""
    (a, by_ma0), (b, by_ma1) = unmasked(image0), unmasked(image1)
    by_mask: Any = (None, None)
    if mask is not None:
        # The axis of the two images comes first.
        axis = channel_axis if channel_axis is None or channel_axis < 0 else channel_axis + 1
        by_mask = told(mask, (2, *a.shape), axis)
    each = (by_ma0, by_mask[0]), (by_ma1, by_mask[1])
    first, second = (tuple(one for one in masks if one is not None) for masks in each)
    return a, b, (first, second)


def both(first: Any, second: Any) -> Any:
    """Where there is data by both; None: everywhere."""
    if first is None or second is None:
        return second if first is None else first
    return first & second


def where_data(picture: Any, layout: Layout, by_mask: Any = None) -> Any:
    """Where pictures `(..., rows, columns, channels)` have data, alpha among their channels; None: everywhere.

    A pixel has data where all channels have that share a decision. `by_mask`, of the same shape, says so, too.
    """
    parts = []
    channels = range(picture.shape[-1])
    if picture.dtype.kind == "f":
        parts += [~np.isnan(picture[..., c]) for c in channels]
    if layout.alpha:
        parts.append(layout.alpha_of(picture) != 0)
    if by_mask is not None:
        parts += [by_mask[..., c] != 0 for c in channels]
    return reduce(and_, parts) if parts else None


def alpha_of_data(picture: Any, layout: Layout, valid: Any, where: Callable[..., Any]) -> Any:
    """Alpha of pictures, 0 where there is no data, whatever says so; None if there is none.

    `where` is that of the library which the arrays are of.
    """
    alpha = layout.alpha_of(picture)
    return alpha if alpha is None or valid is None else where(valid, alpha, alpha.dtype.type(0))


def known(picture: NDArray[Any], layout: Layout, by_mask: Any = None) -> tuple[NDArray[Any], Valid]:
    """A part of a picture without NaN, and where it has data; None: everywhere. Else 0 is in place of NaN and alpha."""
    valid = where_data(picture, layout, by_mask)
    if valid is None or valid.all():
        return picture, None
    if picture.dtype.kind == "f":
        picture = np.where(np.isnan(picture), picture.dtype.type(0), picture)
    return layout.with_alpha(layout.colours(picture), alpha_of_data(picture, layout, valid, np.where)), valid


def like_the_rest(picture: NDArray[Any], valid: Valid) -> NDArray[Any]:
    """`(rows, columns, channels)` with values of its own in place of what is no data: such as are seen there anyway."""
    if valid is None or not valid.any():
        return picture
    some = picture[valid]
    step = max(1, len(some) // 4096)
    middle = np.sort(some[::step], axis=0)[len(some[::step]) // 2]
    return np.where(valid[..., None], picture, middle)


def from_each_other(image0: Any, image1: Any, valid0: Any, valid1: Any, where: Callable[..., Any]) -> tuple[Any, Any]:
    """Two pictures, each with the other's values where it has no data: nobody sees an edge there. 0 where neither has.

    `where` is that of the library which the arrays are of.
    """
    nothing = image0.dtype.type(0)
    filled = []
    for own, has, other, other_has in ((image0, valid0, image1, valid1), (image1, valid1, image0, valid0)):
        rest = other if other_has is None else where(other_has[..., None], other, nothing)
        filled.append(own if has is None else where(has[..., None], own, rest))
    return filled[0], filled[1]


def without_data(dtype: np.dtype[Any]) -> Any:
    """What stands where no image has data: NaN in floats, 0 in integers."""
    return math.nan if dtype.kind == "f" else 0


def said_back(image: Any, nowhere: Any, by_mask: bool, alpha: bool, masked: bool, array: Callable[..., Any]) -> Any:
    """An image as `numpy.ma` where nothing else can say that there is no data.

    That is where the images were of `numpy.ma`, and where a `mask` was given of integers without alpha.
    """
    if not masked and (not by_mask or alpha or image.dtype.kind == "f"):
        return image
    return array(image, mask=nowhere)

"""Read a focus stack plane by plane, whatever holds it: an array, a memory map, zarr, dask, or a sequence of planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.array_like import as_mask
from napari_rpsnn.images.array_part import cut
from napari_rpsnn.images.checks import check_pair
from napari_rpsnn.images.layout import WHOLE, Layout, Window
from napari_rpsnn.images.slabs import split_planes
from napari_rpsnn.images.validity import NO_PLANE, Valid, both, is_masked, known, told, unmasked


@dataclass(frozen=True)
class FocusStack:
    """A stack, read plane by plane: `shape` and `layout` are those of one plane of it.

    Of a part of a stack, `first` is the number of its first plane in the whole. `masks` are of the shape of `images`,
    nonzero where there is data; `masked` tells whether `numpy.ma` says so.
    """

    images: Any
    name: str
    axis: int
    count: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    layout: Layout
    masks: tuple[Any, ...] = ()
    masked: bool = False
    first: int = 0

    @classmethod
    def of(
        cls,
        images: Any,
        axis: int,
        channel_axis: int | None,
        guide_channel: int | Sequence[int] | None,
        name: str = "images",
        mask: Any = None,
    ) -> FocusStack:
        """Check the options against the stack, which messages call `name`; `mask` is the user's."""
        masked = is_masked(images)
        images, by_ma = unmasked(images) if hasattr(images, "shape") else _Sequence.split(images, name)
        shape = tuple(images.shape)
        for option, value in (("axis", axis), ("channel_axis", channel_axis)):
            if value is not None and not -len(shape) <= value < len(shape):
                raise ValueError(f"{option}: expected an axis of a stack of shape {shape}, got {value}")
        axis %= len(shape)
        if channel_axis is not None:
            channel_axis %= len(shape)
            if channel_axis == axis:
                raise ValueError(f"channel_axis: expected another axis than that of the planes, {axis}, got the same")
            channel_axis -= channel_axis > axis
        axes = 3 if channel_axis is None else 4
        if len(shape) < axes:
            raise ValueError(
                f"{name}: expected a stack of at least {axes} axes, with planes on axis {axis}, got the shape {shape}"
            )
        if shape[axis] < 2:
            raise ValueError(f"{name}: expected at least 2 planes on axis {axis} of shape {shape}, got {shape[axis]}")
        plane = shape[:axis] + shape[axis + 1 :]
        dtype = np.dtype(images.dtype)
        if dtype.kind not in "iuf":
            raise TypeError(f"{name}: expected an integer or floating-point dtype, got {dtype}")
        whole_axis = None if channel_axis is None else channel_axis + (channel_axis >= axis)
        masks = by_ma, None if mask is None else told(as_mask(mask), shape, whole_axis)
        given = tuple(one for one in masks if one is not None)
        layout = Layout.of(plane, channel_axis, guide_channel)
        return cls(images, name, axis, shape[axis], plane, dtype, layout, given, masked)

    @property
    def pictures(self) -> tuple[int, ...]:
        """Shape of a plane as `Layout.pictures` has it."""
        return self.layout.pictures(np.broadcast_to(np.zeros((), np.uint8), self.shape)).shape

    @property
    def map_axis(self) -> int:
        """The axis of the planes in maps of all of them, which have no channels that share a decision."""
        channels = self.layout.channel_axis
        return self.axis - (channels is not None and self.layout.joined and channels < self.axis)

    def part(self, planes: Sequence[int] | None, region: Sequence[Sequence[int]] | None) -> FocusStack:
        """Planes from the first to the last one that are given, and a region of them; None: all. Nothing is read."""
        first, last = (0, self.count - 1) if planes is None else planes
        if not 0 <= first < last < self.count:
            raise ValueError(
                f"planes: expected the first and the last one, two of 0 to {self.count - 1}, got {first} and {last}"
            )
        ndim = len(self.shape)
        sides = self.layout.sides(self.shape)
        rows, columns = ((0, side) for side in sides) if region is None else region
        if not all(0 <= start < stop <= side for (start, stop), side in zip((rows, columns), sides, strict=True)):
            raise ValueError(
                f"region: expected rows and columns within {sides[0]} and {sides[1]}, as slices have them, got "
                f"{rows[0]}:{rows[1]} and {columns[0]}:{columns[1]}"
            )
        if self.first + last >= NO_PLANE:
            raise ValueError(
                f"{self.name}: expected at most {NO_PLANE} planes, as many as an index of 16 bits can number, got "
                f"{self.first + self.count}; `planes` takes a part"
            )
        if planes is None and region is None:
            return self
        window = self.layout.key(self.layout.everywhere(ndim), ndim, (slice(*rows), slice(*columns)))
        shape = np.broadcast_to(np.zeros((), np.uint8), self.shape)[tuple(window)].shape
        window.insert(self.axis, slice(first, last + 1))
        images, *masks = (cut(array, window) for array in (self.images, *self.masks))
        return replace(
            self,
            images=images,
            masks=tuple(masks),
            count=last + 1 - first,
            shape=shape,
            first=self.first + first,
        )

    def slabs(self, slab: int | None) -> list[FocusStack]:
        """Overlapping sub-stacks of so many planes; None: the stack itself."""
        if slab is None:
            return [self]
        return [self.part((planes[0], planes[-1]), None) for planes in split_planes(self.count, slab)]

    def read(self, where: tuple[int, ...], k: int, window: Window = WHOLE) -> NDArray[Any]:
        """Window of a picture `(rows, columns, channels)` of plane `k`, in this machine's order of bytes.

        `where` is of the leading axes of `Layout.pictures`.
        """
        part = np.asarray(self._picture(self.images, where, k, window))
        return part.astype(part.dtype.newbyteorder("="), copy=False)

    def see(self, where: tuple[int, ...], k: int, window: Window = WHOLE) -> tuple[NDArray[Any], Valid]:
        """`read` without NaN, and where there is data; None: everywhere."""
        by_mask: Valid = None
        for mask in self.masks:
            by_mask = both(by_mask, np.asarray(self._picture(mask, where, k, window)) != 0)
        return known(self.read(where, k, window), self.layout, by_mask)

    def picture(self, where: tuple[int, ...], k: int) -> Any:
        """Picture of plane `k` as the kind of array that holds the stack."""
        return self._picture(self.images, where, k, WHOLE)

    def mask(self, where: tuple[int, ...], k: int) -> Any:
        """`masks` of plane `k` as the kind of array that holds them: `(rows, columns, channels)`; None: no masks."""
        return reduce(both, (self._picture(mask, where, k, WHOLE) != 0 for mask in self.masks), None)

    def _picture(self, images: Any, where: tuple[int, ...], k: int, window: Window) -> Any:
        key = self.layout.key(where, len(self.shape), window)
        key.insert(self.axis, k)
        return self.layout.picture(images[tuple(key)], len(self.shape))


@dataclass(frozen=True)
class _Sequence:
    """Planes that were handed in one by one, as an array with a first axis more."""

    planes: Sequence[Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @classmethod
    def split(cls, images: Sequence[Any], name: str) -> tuple[_Sequence, _Sequence | None]:
        """Planes, and where they have data by `numpy.ma`; None: everywhere."""
        if not len(images):
            raise ValueError(f"{name}: expected at least 2 planes, got none")
        planes, valid = zip(*(unmasked(x if hasattr(x, "shape") else np.asarray(x)) for x in images), strict=True)
        for k, plane in enumerate(planes):
            check_pair(planes[0], plane, (f"{name}[0]", f"{name}[{k}]"))
        shape = len(planes), *planes[0].shape
        made = cls(planes, shape, np.dtype(planes[0].dtype))
        if all(one is None for one in valid):
            return made, None
        everywhere = np.broadcast_to(np.True_, planes[0].shape)
        return made, cls([everywhere if one is None else one for one in valid], shape, np.dtype(bool))

    def __getitem__(self, key: tuple[Any, ...]) -> Any:
        first, rest = key[0], key[1:]
        if isinstance(first, slice):  # the planes are on another axis
            return np.stack([plane[rest] for plane in self.planes[first]])
        return self.planes[first][rest]

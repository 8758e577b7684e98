"""A plane of a stack as dask arrays: its values, and where it has data."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple, Self

import dask.array as da
from numpy.typing import NDArray

from napari_rpsnn.images.checks import count_differing, count_infinite, refuse_alpha, refuse_infinite
from napari_rpsnn.images.focus_stack import FocusStack
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.images.validity import Valid, alpha_of_data, known, where_data
from napari_rpsnn.lazy.graph import Where, by_picture, window


class LazyPlane(NamedTuple):
    """One picture of a plane.

    Attributes
    ----------
    picture : dask array of shape `(rows, columns, channels)`
        Alpha among its channels.
    mask : dask array of this shape, or None
        What the user and `numpy.ma` say of where there is data; None: nothing.
    """

    picture: da.Array
    mask: da.Array | None

    @classmethod
    def of(cls, stack: FocusStack, where: Where, k: int) -> Self:
        """Plane `k` of a stack of dask arrays."""
        mask = stack.mask(where, k)
        return cls(by_picture(stack.picture(where, k)), None if mask is None else by_picture(mask))

    @property
    def sources(self) -> list[da.Array]:
        """The arrays that there are."""
        return [self.picture] if self.mask is None else [self.picture, self.mask]

    def window(self, part: tuple[slice, slice]) -> list[Any]:
        """Tasks of a part, for `see`."""
        return [window(source, (), part) for source in self.sources]

    def colours(self, layout: Layout) -> da.Array:
        """Without alpha."""
        return layout.colours(self.picture)

    def valid(self, layout: Layout) -> da.Array | None:
        """Where there is data; None: everywhere."""
        return where_data(self.picture, layout, self.mask)


def alphas_so_far(planes: Sequence[LazyPlane], layout: Layout) -> list[da.Array]:
    """Alpha of each plane and of those before it, as a stack in memory has it; none where there is none."""
    if not layout.alpha:
        return []
    alphas = (alpha_of_data(plane.picture, layout, plane.valid(layout), da.where) for plane in planes)
    return list(accumulate(alphas, da.maximum))


def count_faults(
    picture: NDArray[Any], valid: Valid, before: Sequence[NDArray[Any]], layout: Layout
) -> tuple[int, int]:
    """How many values of a part of a plane are infinite, and how many are not of the alpha of those `before` it."""
    differing = sum(count_differing(layout.alpha_of(picture), alpha) for alpha in before)
    return count_infinite(picture, valid), differing


def refuse_faults(faults: Sequence[tuple[int, int]], number: int) -> None:
    """Refuse a plane of this number, of whose parts the faults were counted."""
    infinite, differing = map(sum, zip(*faults, strict=True))
    refuse_infinite(infinite, f"images, plane {number}")
    refuse_alpha(differing, (f"images: planes before {number}", f"plane {number}"))


def see(parts: Sequence[NDArray[Any]], layout: Layout) -> tuple[NDArray[Any], Valid]:
    """What `LazyPlane.window` gives, without NaN, and where there is data; None: everywhere."""
    return known(parts[0], layout, *parts[1:])

"""A plane of a stack as dask arrays: its values, and where it has data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import dask.array as da
from numpy.typing import NDArray

from napari_rpsnn.images.focus_stack import FocusStack
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.images.validity import Valid, known, where_data
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


def see(parts: Sequence[NDArray[Any]], layout: Layout) -> tuple[NDArray[Any], Valid]:
    """What `LazyPlane.window` gives, without NaN, and where there is data; None: everywhere."""
    return known(parts[0], layout, *parts[1:])

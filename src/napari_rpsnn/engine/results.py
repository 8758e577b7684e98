"""What long work says on its way and returns in the end: it is a generator of small reports."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.engine.stages import Stage
from napari_rpsnn.images.focus_stack import FocusStack
from napari_rpsnn.images.layout import Layout

Value = TypeVar("Value")


@dataclass(frozen=True)
class Preview:
    """One picture as far as it is fused, in an array that is not written to any more.

    Attributes
    ----------
    picture : ndarray of shape `(rows, columns, channels)`
    where : tuple of int
        Which picture of the result: time, position, channel.
    layout : Layout
    place : tuple
        Index of the slab in the result, where there are several; else empty.
    """

    picture: NDArray[Any]
    where: tuple[int, ...]
    layout: Layout
    place: tuple[Any, ...] = ()

    def paint(self, result: NDArray[Any]) -> None:
        """Copy the picture to its place in an array of the result's shape."""
        self.layout.pictures(result[self.place])[self.where] = self.picture


@dataclass(frozen=True)
class Progress:
    """A report after every tile: how many of how many are done.

    Attributes
    ----------
    done, total : int
    note : str or None
        A sentence for the user about how the work goes on.
    preview : Preview or None
        Of a stack, now and then: the picture as far as it is fused.
    stages : tuple of Stage
        Of the first report: all of the work, in its order; their steps are `total`.
    """

    done: int
    total: int
    note: str | None = None
    preview: Preview | None = None
    stages: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class Result:
    """What fusing returns: the all-in-focus image, and where it comes from.

    Attributes
    ----------
    image : ndarray
        The all-in-focus image.
    map : ndarray or None
        Of two images, where asked for: the decision map, float32, how much of the first one is in each pixel.
    index : ndarray or None
        Of a stack: the plane that each pixel comes from, uint16. None by regression.
    confidence : ndarray or None
        Of a stack, where asked for: how sure the decision for that plane is, float32.
    height : ndarray or None
        Of a stack, where asked for: the height of the surface, float32.
    made_by : dict
        What made it: options, model, device and more, see `provenance.made_by`.
    """

    image: NDArray[Any]
    made_by: dict[str, Any]
    map: NDArray[np.float32] | None = None
    index: NDArray[np.uint16] | None = None
    confidence: NDArray[np.float32] | None = None
    height: NDArray[np.float32] | None = None

    @classmethod
    def of_slabs(cls, results: Sequence[Result], stack: FocusStack, join: Callable[..., Any]) -> Self:
        """Results of the slabs of a stack as one, the slabs on the axis of the planes; `join` is `stack` of NumPy."""
        names = {"image": stack.axis, "index": stack.map_axis, "confidence": stack.map_axis, "height": stack.map_axis}
        arrays: dict[str, Any] = {}
        for name, axis in names.items():
            parts = [getattr(result, name) for result in results]
            stacked = np.ma.stack if np.ma.isMaskedArray(parts[0]) else join  # the image alone may be masked
            arrays[name] = None if parts[0] is None else stacked(parts, axis)
        arrays["image"] = arrays["image"].astype(stack.dtype, copy=False)  # with its order of bytes
        return cls(made_by=results[0].made_by, **arrays)


def drain(steps: Generator[Any, None, Value]) -> Value:
    """Run a generator to its end and return what it returns; notes become warnings where the caller was called."""
    while True:
        try:
            report = next(steps)
        except StopIteration as end:
            value: Value = end.value
            return value
        if isinstance(report, Progress) and report.note:
            warnings.warn(report.note, stacklevel=3)

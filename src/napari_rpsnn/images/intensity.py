"""Arrays of any real dtype to the network's [0, 1] and back, with one scale and one offset for all of a stack."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

#: Values are no larger, so that sums and differences of them stay in float64.
LARGEST = 1e300
#: Nor are values in units of a range that they do not lie in, so that squares of them stay in float32.
BEYOND = 1e15


@dataclass(frozen=True)
class IntensityRange:
    """The least and the greatest value of the images that are fused together.

    All images get the same scale and offset: a stretch of each on its own would change which one is brighter. The
    result is invariant: a constant added to all images, or a factor, does the same to what the network returns.
    """

    low: float | int
    high: float | int

    @classmethod
    def of(cls, images: Iterable[NDArray[Any]]) -> IntensityRange:
        """Range of all images together; they are looked at one by one."""
        ends = [(image.min().item(), image.max().item()) for image in images]
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        # Not "larger than": what is not a number is neither.
        if not all(abs(end) <= LARGEST for both in ends for end in both):
            raise ValueError(f"images: expected values of at most {LARGEST:g}, got {low} to {high}")
        return cls(low, high)

    @property
    def _span(self) -> float | int:
        return self.high - self.low or 1

    def to_unit_tensor(self, images: Tensor) -> Tensor:
        """`to_unit` of integers of at most 16 bits, on the device that they are on."""
        unit: Tensor = (images.float() - self.low) / self._span
        return unit

    def to_unit(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Map `image` linearly to float32, the range to [0, 1]."""
        above: NDArray[Any]
        if image.dtype.kind in "ui" and image.dtype.itemsize <= 2:
            # float32 holds these values and their differences, and its quotient is the rounded one of float64.
            return (image.astype(np.float32) - np.float32(self.low)) / np.float32(self._span)
        if image.dtype.kind == "f" or image.dtype.itemsize <= 4:
            above = image.astype(np.float64) - self.low
        else:
            # Modulo 2^64 the difference is right even where 64-bit integers leave float64, or their own type.
            whole = math.floor(self.low)
            wide, low = image.astype(np.uint64), np.uint64(whole % 2**64)
            above = (wide - low).astype(np.float64)
            below = image < whole  # a stack's range leaves dead pixels out
            above[below] = -(low - wide[below]).astype(np.float64)
            above -= self.low - whole
        with np.errstate(over="ignore"):  # hot pixels may be beyond any range
            return (above / np.float64(self._span)).clip(-BEYOND, BEYOND).astype(np.float32)

    def from_unit(self, unit: NDArray[np.floating[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Undo `to_unit`: values of `dtype`, never beyond the range, rounded to the nearest for integers."""
        unit = np.clip(unit.astype(np.float64), 0, 1)
        image: NDArray[Any]
        if dtype.kind == "f":
            image = np.clip(unit * self._span + self.low, self.low, self.high)
            return image.astype(dtype)
        span = self.high - self.low
        steps = np.rint(unit * span)
        top = steps >= span
        above = np.where(top, 0, steps).astype(np.uint64)
        above[top] = span
        return (above + np.uint64(self.low % 2**64)).astype(dtype)

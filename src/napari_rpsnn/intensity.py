"""Arrays of any real dtype to the network's [0, 1] and back, with one scale and one offset for both images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class IntensityRange:
    """The least and the greatest value of a pair of images.

    Both images get the same scale and offset: a stretch of each on its own would change which one is brighter. The
    result is invariant: a constant added to both images, or a factor, does the same to what the network returns.
    """

    low: float
    high: float

    @classmethod
    def of(cls, image0: NDArray[Any], image1: NDArray[Any]) -> IntensityRange:
        """Range of both images together."""
        low = min(image0.min(), image1.min()).item()
        high = max(image0.max(), image1.max()).item()
        # 64-bit integers may round beyond themselves, and beyond their type, as floats.
        low_float = float(low) if float(low) >= low else float(np.nextafter(float(low), np.inf))
        high_float = float(high) if float(high) <= high else float(np.nextafter(float(high), -np.inf))
        if not np.isfinite(high_float - low_float):
            raise ValueError(
                f"image0 and image1 must span a range that float64 can hold, got values from {low} to {high}"
            )
        return cls(low_float, high_float)

    @property
    def _span(self) -> float:
        return self.high - self.low or 1.0

    def to_unit(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Map `image` linearly to float32 in [0, 1]."""
        unit = (image.astype(np.float64) - self.low) / self._span
        return unit.astype(np.float32)

    def from_unit(self, unit: NDArray[np.floating[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Undo `to_unit`: values of `dtype`, never beyond the range, rounded to the nearest for integers."""
        image = np.clip(unit.astype(np.float64) * self._span + self.low, self.low, self.high)
        if dtype.kind in "iu":
            np.rint(image, out=image)
        return image.astype(dtype)

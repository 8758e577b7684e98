"""What several measures are made of: windows, gradients, and ratios that have a value everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from napari_rpsnn.metrics.greys import Grey, check_size

#: Variances in squared grey levels below it are rounding.
FLAT = 1e-8
SOBEL, PREWITT = (1.0, 2.0, 1.0), (1.0, 1.0, 1.0)


def gaussian(size: int, sigma_px: float) -> NDArray[np.float64]:
    """Weights of a window of one axis, whose sum is 1."""
    places = np.arange(size) - (size - 1) / 2
    weights: NDArray[np.float64] = np.exp(-(places**2) / (2 * sigma_px**2))
    weights /= weights.sum()
    return weights


def smooth(image: Grey, weights: NDArray[np.float64]) -> Grey:
    """Weighted sums in windows around every pixel; outside there are zeros."""
    down = correlate1d(image, weights, 0, mode="constant")
    across: Grey = correlate1d(down, weights, 1, mode="constant")
    return across


def smooth_inside(image: Grey, weights: NDArray[np.float64]) -> Grey:
    """Weighted sums in all windows that lie inside the image."""
    size = len(weights)
    check_size(image, size)
    before, after = size // 2, (size - 1) // 2
    rows, columns = image.shape
    return smooth(image, weights)[before : rows - after, before : columns - after]


def gradients(image: Grey, across: tuple[float, float, float]) -> tuple[Grey, Grey]:
    """Along rows and along columns, with the weights `SOBEL` or `PREWITT` across; outside there are zeros."""
    rise = (-1.0, 0.0, 1.0)
    along_rows, along_columns = (
        correlate1d(correlate1d(image, rise, axis, mode="constant"), across, 1 - axis, mode="constant")
        for axis in (1, 0)
    )
    return along_rows, along_columns


#: What is around a pixel of a stack.
_AROUND = gaussian(11, 2.5)


def divide(above: Grey, below: Grey, otherwise: float) -> Grey:
    """Quotient; `otherwise` where there is nothing to divide by."""
    quotient: Grey = np.divide(above, below, out=np.full(np.shape(below), otherwise), where=below != 0)
    return quotient


def likeness(one: Grey, other: Grey) -> Grey:
    """The smaller of both over the larger; two zeros are alike."""
    return divide(np.minimum(one, other), np.maximum(one, other), 1.0)


def detail_around(image: Grey) -> Grey:
    """Energy of edges around each pixel, by which sources of a stack are told that show most there."""
    along_rows, along_columns = gradients(image, SOBEL)
    return smooth(along_rows**2 + along_columns**2, _AROUND)


def two_strongest(maps: Iterable[Sequence[Grey]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At every pixel the maps of the two sources whose first map is largest there; of two sources both.

    Measures were made for two sources. Of a stack most planes are out of focus everywhere: if all of them counted, an
    image that is as blurred as most would be the best.
    """
    first, second, *others = (np.stack(of_source) for of_source in maps)
    first, second = _sorted(first, second)
    for other in others:
        second = _sorted(second, other)[0]
        first, second = _sorted(first, second)
    return first, second


def _sorted(one: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    larger = one[0] >= other[0]
    return np.where(larger, one, other), np.where(larger, other, one)


class Local:
    """Means and variances of an image in all windows inside it."""

    def __init__(self, image: Grey, weights: NDArray[np.float64]) -> None:
        # Variances are the same for any offset, and have fewer digits to lose with values around zero.
        self._centred, self._weights = image - 128, weights
        self._mean = smooth_inside(self._centred, weights)
        self.mean = self._mean + 128
        variance = smooth_inside(self._centred**2, weights) - self._mean**2
        self.variance = np.where(variance < FLAT, 0, variance)

    def covariance(self, other: Local) -> Grey:
        """With another image; 0 where one is flat."""
        joint = smooth_inside(self._centred * other._centred, self._weights) - self._mean * other._mean
        return np.where((self.variance == 0) | (other.variance == 0), 0, joint)

    def similarity(self, other: Local, tiny: float) -> Grey:
        """Structural similarity (Wang and Bovik) with one small constant; two flat windows of one grey are alike."""
        means = divide(2 * self.mean * other.mean + tiny, self.mean**2 + other.mean**2 + tiny, 1.0)
        variances = self.variance + other.variance
        return means * divide(2 * self.covariance(other) + tiny, variances + tiny, 1.0)

"""The range of values of a stack: neither a hot pixel nor one plane far brighter than all others has a part in it."""

from __future__ import annotations

from statistics import median

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.intensity import IntensityRange

#: A plane's range counts up to so many times that of the stack's middle plane: one overexposed plane, or a cosmic ray
#: of several pixels, leaves the others their contrast.
MOST_RANGE = 8


def supported_ends(picture: NDArray[np.generic]) -> tuple[float, float]:
    """The least and the greatest value that a pixel beside, above or below it reaches, too."""
    low, high = [], []
    for axis in (0, 1):
        if picture.shape[axis] > 1:
            first, second = (np.moveaxis(picture, axis, 0)[part] for part in (slice(1, None), slice(-1)))
            low.append(np.maximum(first, second).min().item())
            high.append(np.minimum(first, second).max().item())
    least, most = min(low, default=picture.min().item()), max(high, default=picture.max().item())
    return min(least, most), max(least, most)  # of few pixels none may support another


def common_range(ends: list[tuple[float, float]], means: list[NDArray[np.float64]]) -> IntensityRange:
    """The range of a stack, of what `supported_ends` and `block_means` say of its planes."""
    lows, highs = zip(*ends, strict=True)
    low, high = median(lows), median(highs)
    reach = MOST_RANGE * (high - low)
    most = high + reach
    if sum(bool((blocks > most).any()) for blocks in means) > 1:  # light that few planes of a confocal stack have
        most = sorted(highs)[-2]
    low, high = max(min(lows), low - reach), min(max(highs), most)
    if not min(lows) <= low <= high <= max(highs):  # a mean of integers of 64 bits is rounded
        low, high = min(lows), max(highs)
    if all(isinstance(end, int) for end in (*lows, *highs)):
        low, high = int(low), int(high)
    return IntensityRange.of([np.asarray(low), np.asarray(high)])

"""How much brighter or darker pictures of one scene are than each other: lamp, flash, exposure, bleaching, stray light.

1. Means of the same blocks of each picture: defocus moves light by some pixels, and leaves these nearly alone.
2. What pictures have in common is the median of each block, of two pictures the mean. Each is brought to it by a factor
   of the values themselves, by iteratively reweighted least squares: blocks that differ for other reasons count little.
3. By an offset instead, or by both, only where that explains plainly more, because a blurred picture, whose contrast is
   smaller, seems to have both.

Pictures have no order here, and each is looked at by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.intensity import IntensityRange

#: Blocks along each side of a picture, and the least share of a block that has data for it to count.
BLOCKS, LEAST_SHARE = 8, 0.8
#: How often all pictures are brought to what they have in common, and how often one is weighed anew for that.
ROUNDS, FITS = 4, 8
#: Of the range of values: what blocks differ by anyway; there a factor alone will do. And what is added to brightness
#: before it is compared, so that the noise of dark pictures is not made bright.
ANYWAY, DARK = 0.003, 0.002
#: What an offset leaves of the differences that a factor leaves, and both together of what the better one leaves.
BY_OFFSET, BY_BOTH = 0.5, 0.3
#: Pictures are made brighter or darker by this factor at most.
MOST_GAIN = 4.0

#: Gain and offset by blocks of these weights.
_Fit = Callable[[NDArray[np.float64]], tuple[float, float]]


@dataclass(frozen=True)
class Level:
    """What brings a picture to the brightness of the others: `gain * values + offset`."""

    gain: float = 1.0
    offset: float = 0.0

    def of_unit(self, values: IntensityRange) -> Level:
        """The same of intensities that `values` has brought to [0, 1]."""
        span = values.high - values.low or 1
        return Level(self.gain, (self.offset + (self.gain - 1) * values.low) / span)


def block_means(picture: NDArray[np.generic], valid: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Means of the blocks of `(rows, columns, channels)`; NaN where too little has data."""
    starts = [np.unique(np.linspace(0, n, BLOCKS, endpoint=False).astype(int)) for n in picture.shape[:2]]

    def sums(values: NDArray[np.generic]) -> NDArray[np.float64]:
        for axis, at in enumerate(starts):
            values = np.add.reduceat(values, at, axis=axis, dtype=np.float64)
        return np.asarray(values, np.float64)

    if valid is not None:
        picture = np.where(valid[..., None], picture, picture.dtype.type(0))
    # Of one memory layout: the rounding of sums depends on it.
    total = sums(np.ascontiguousarray(picture)).mean(-1)
    sizes = np.multiply.outer(*(np.diff([*at, n]) for at, n in zip(starts, picture.shape, strict=False)))
    counts = sizes if valid is None else sums(valid)
    means: NDArray[np.float64] = np.where(counts >= LEAST_SHARE * sizes, total / np.maximum(counts, 1), np.nan)
    return means.ravel()


def levels(means: Sequence[NDArray[np.float64]], values: IntensityRange) -> list[Level]:
    """What brings pictures of these `block_means` and this range to one brightness."""
    # Where there are negative values, 0 is not black.
    black = min(0.0, float(values.low))
    span = float(values.high) - float(values.low) or 1.0
    blocks = (np.stack(means) - black) / span
    blocks = blocks[:, ~np.isnan(blocks).all(0)]
    found = np.tile([1.0, 0.0], (len(blocks), 1))
    for _ in range(ROUNDS if blocks.size else 0):
        common = np.nanmedian(found[:, :1] * blocks + found[:, 1:], axis=0)
        found = np.array([_fitted(picture, common) for picture in blocks])
    return [Level(float(gain), float(offset * span + black * (1 - gain))) for gain, offset in found]


def _fitted(picture: NDArray[np.float64], common: NDArray[np.float64]) -> tuple[float, float]:
    there = ~np.isnan(picture)
    if not there.any():
        return 1.0, 0.0
    x, y = picture[there], common[there]
    gain, left = _weighed(x, y, lambda w: (_ratio(w @ y + DARK * w.sum(), w @ x + DARK * w.sum()), 0.0))
    if left <= ANYWAY:
        return gain
    offset, left_by_offset = _weighed(x, y, lambda w: (1.0, float(w @ (y - x) / w.sum())))
    best, least = (offset, left_by_offset) if left_by_offset < BY_OFFSET * left else (gain, left)
    line, left_by_both = _weighed(x, y, lambda w: _line(x, y, w))
    return line if left_by_both < BY_BOTH * least else best


def _weighed(x: NDArray[np.float64], y: NDArray[np.float64], fit: _Fit) -> tuple[tuple[float, float], float]:
    """Gain and offset, and the median of the differences that they leave."""
    weights = np.ones_like(x)
    for _ in range(FITS):
        gain, offset = fit(weights)
        off = np.abs(gain * x + offset - y)
        left = float(np.median(off))
        weights = 1 / (1 + (off / max(1.5 * left, 1e-9)) ** 2)
    return (gain, offset), left


def _line(x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, float]:
    share = weights / weights.sum()
    mean_x, mean_y = share @ x, share @ y
    # The slope that treats both alike.
    gain = _ratio(np.sqrt(share @ (y - mean_y) ** 2), np.sqrt(share @ (x - mean_x) ** 2))
    return gain, float(mean_y - gain * mean_x)


def _ratio(above: float, below: float) -> float:
    return float(np.clip(above / below if below > 0 else 1.0, 1 / MOST_GAIN, MOST_GAIN))

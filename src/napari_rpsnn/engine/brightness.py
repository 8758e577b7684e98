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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.intensity import BEYOND, IntensityRange

#: Blocks along each side of a picture, and the least share of a block that has data for it to count.
BLOCKS, LEAST_SHARE = 8, 0.8
#: Pixels along the shorter side that count, at least.
THINNED_PX = 512
#: How often all pictures are brought to what they have in common, and how often one is weighed anew for that.
ROUNDS, FITS = 4, 8
#: Of the range of values: what blocks differ by anyway; there a factor alone will do. And what is added to brightness
#: before it is compared, so that the noise of dark pictures is not made bright.
ANYWAY, DARK = 0.003, 0.002
#: What an offset leaves of the differences that a factor leaves, and both together of what the better one leaves.
BY_OFFSET, BY_BOTH = 0.5, 0.3
#: Two pictures are brought to one brightness if a factor differs from 1 by more than this, or an offset from 0 by more
#: than this share of the range. Real pairs that were taken one after the other differ by up to 0.033.
PLAINLY = 0.04
#: Where the least value is farther from 0 than so many times the range, 0 is not black.
MOST_OFFSET = 20
#: Pictures are made brighter or darker by this factor at most.
MOST_GAIN = 4.0
#: By which factor brightness varies more or less within pictures that have light of their own than in common, and by
#: which factor one has more light than another: in pictures of one scene 1.4 and 1.6 at most, whatever disturbs them.
VARIED, OWN_LIGHT = 1.4, 1.6
#: By which factor it varies more in a picture that shows something by itself; what is added to both, in shares of the
#: range; and by which factor light drifts at most, but for one picture.
MOST_VARIED, EVEN, MOST_DRIFT = 2.0, 0.01, 3.0

#: Gain and offset by blocks of these weights.
_Fit = Callable[[NDArray[np.float64]], tuple[float, float]]


@dataclass(frozen=True)
class Level:
    """What brings a picture to the brightness of the others: `gain * values + offset`."""

    gain: float = 1.0
    offset: float = 0.0

    def bring(self, image: NDArray[Any]) -> NDArray[Any]:
        """Values of that brightness, of the dtype of the image, and held in its range."""
        if self.gain == 1 and self.offset == 0:
            return image
        values = self.gain * image.astype(np.float64) + self.offset
        if image.dtype.kind == "f":
            largest = np.finfo(image.dtype).max
            values = values.clip(-largest, largest)
        else:
            limits = np.iinfo(image.dtype)
            values = np.rint(np.clip(values, limits.min, np.nextafter(np.float64(limits.max), 0)))
        return values.astype(image.dtype)

    def of_unit(self, values: IntensityRange) -> Level:
        """The same of intensities that `values` has brought to [0, 1]; of a range of one value there is none."""
        span = values.high - values.low
        return Level(self.gain, (self.offset + (self.gain - 1) * values.low) / span) if span else SAME


#: A picture that needs none.
SAME = Level()


def block_sums(
    picture: NDArray[np.generic],
    valid: NDArray[np.bool_] | None,
    shape: tuple[int, int],
    start: tuple[int, int] = (0, 0),
) -> NDArray[np.float64]:
    """Sums of the blocks of a picture of this shape, and how many pixels they are of, of a part that begins there.

    The part is `(rows, columns, channels)`. Of large pictures every n-th row and column counts.

    Returns
    -------
    ndarray of shape `(2, BLOCKS, BLOCKS)`
        To be added up over all parts.
    """
    made = np.zeros((2, BLOCKS, BLOCKS))
    step = _step(shape)
    thinned = tuple(slice(-first % step, None, step) for first in start)
    # Of one memory layout: the rounding of sums depends on it.
    picture = np.ascontiguousarray(picture[thinned])
    if 0 in picture.shape:
        return made
    if valid is not None:
        valid = valid[thinned]
        picture = np.where(valid[..., None], picture, picture.dtype.type(0))
    blocks = [
        (first + np.arange(part.start, part.start + step * n, step)) * BLOCKS // length
        for first, part, n, length in zip(start, thinned, picture.shape[:2], shape, strict=True)
    ]
    at = [np.flatnonzero(np.diff(block, prepend=-1)) for block in blocks]

    def sums(values: NDArray[Any]) -> NDArray[np.float64]:
        for axis in (0, 1):
            values = np.add.reduceat(values, at[axis], axis=axis, dtype=np.float64)
        return values

    place = np.ix_(*(block[first] for block, first in zip(blocks, at, strict=True)))
    made[0][place] = sums(picture).mean(-1)
    made[1][place] = sums(np.ones(picture.shape[:2], bool) if valid is None else valid)
    return made


def block_means(sums: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float64]:
    """Means of the blocks of a picture of this shape, of `block_sums`; NaN where too little has data."""
    step = _step(shape)
    lengths = [np.bincount(np.arange(0, n, step) * BLOCKS // n, minlength=BLOCKS) for n in shape]
    total, counts = sums
    enough = counts >= np.maximum(LEAST_SHARE * np.multiply.outer(*lengths), 1)
    means: NDArray[np.float64] = np.where(enough, total / np.maximum(counts, 1), np.nan)
    return means.ravel()


def _step(shape: tuple[int, int]) -> int:
    return max(1, min(shape) // THINNED_PX)


def far_brighter(found: Sequence[Level]) -> list[bool]:
    """Whether a picture is brighter than most others, which are alike, by more than its level makes up for."""
    gains = np.array([level.gain for level in found])
    alike = np.median(np.abs(np.log(gains))) < np.log(MOST_GAIN) / 2
    away: list[bool] = (alike & (gains <= 1 / MOST_GAIN)).tolist()
    return away


def levels(means: Sequence[NDArray[np.float64]], values: IntensityRange) -> list[Level]:
    """What brings pictures of these `block_means` and this range to one brightness."""
    span, black = _range(values)
    blocks = _blocks(means, values)
    found = np.tile([1.0, 0.0], (len(blocks), 1))
    for _ in range(ROUNDS if blocks.size else 0):
        common = np.nanmedian(found[:, :1] * blocks + found[:, 1:], axis=0)
        found = np.array([_fitted(picture, common) for picture in blocks])
    gains = np.sort(found[:, 0])[1:-1]
    if len(gains) > 0 and gains[-1] > MOST_DRIFT * gains[0]:
        found[:] = 1.0, 0.0
    elif blocks.size:
        more = _more_varied(blocks, np.nanmedian(found[:, :1] * blocks + found[:, 1:], axis=0))
        found[(more > np.log(MOST_VARIED)).all(1)] = 1.0, 0.0  # it alone shows something
    # The rounding of sums depends on the parts that they are of, and must not be seen.
    found = found.round(9)
    return [Level(float(gain), float(offset * span + black * (1 - gain))) for gain, offset in found]


def have_own_light(means: Sequence[NDArray[np.float64]], values: IntensityRange) -> bool:
    """Whether it is the specimen that is bright in a picture, not the lamp: a confocal plane has its own light alone.

    A lamp, or stray light, leaves how much brightness varies within a picture, beside its mean or as it is. One picture
    may be out of the ordinary.
    """
    blocks = _blocks(means, values)
    blocks = blocks[~np.isnan(blocks).all(1)]
    if not blocks.size:
        return False
    away = np.abs(_more_varied(blocks, np.nanmedian(blocks, axis=0))).min(1)
    light = np.sort(np.nanmean(blocks, 1) + EVEN)[1:-1]
    return bool(np.sum(away > np.log(VARIED)) > 1 and len(light) > 0 and light[-1] > OWN_LIGHT * light[0])


def _range(values: IntensityRange) -> tuple[float, float]:
    """How wide it is, and what is black."""
    span = float(values.high) - float(values.low) or 1.0
    # Where there are negative values, 0 is not black; nor is it where nothing comes near it.
    return span, min(0.0, float(values.low)) if values.low <= MOST_OFFSET * span else float(values.low)


def _blocks(means: Sequence[NDArray[np.float64]], values: IntensityRange) -> NDArray[np.float64]:
    span, black = _range(values)
    with np.errstate(over="ignore"):  # hot pixels may be beyond any range
        blocks = ((np.stack(means) - black) / span).clip(-BEYOND, BEYOND)
    there: NDArray[np.float64] = blocks[:, ~np.isnan(blocks).all(0)]
    return there


def _more_varied(blocks: NDArray[np.float64], common: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much more brightness varies within each picture than in common, beside its mean and as it is: logarithms."""
    own, shared = (
        np.array([_variation(x) for x in some]) for some in (blocks, np.where(np.isnan(blocks), np.nan, common))
    )
    more: NDArray[np.float64] = np.log((own + EVEN) / (shared + EVEN))
    return more


def _variation(blocks: NDArray[np.float64]) -> tuple[float, float]:
    """Standard deviation, beside the mean, and as it is."""
    there = blocks[~np.isnan(blocks)]
    if not there.size:
        return 0.0, 0.0
    deviation = float(there.std())
    return deviation / max(abs(float(there.mean())), EVEN), deviation


def plainly(found: Sequence[Level], values: IntensityRange) -> list[Level]:
    """Levels of two pictures, if these plainly differ in brightness, else that nothing is to be done."""
    # Of values from 0 to 1; each is brought to the mean of both: half of the way.
    units = (level.of_unit(values) for level in found)
    differ = (max(abs(unit.gain - 1), abs(unit.offset)) > PLAINLY / 2 for unit in units)
    return list(found) if any(differ) else [SAME for _ in found]


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

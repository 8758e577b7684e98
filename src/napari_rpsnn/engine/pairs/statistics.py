"""What must be known of two pictures before they are fused, found block by block, whatever the blocks are.

1. Whether they can be fused: finite values, one alpha.
2. Their range, because both get one scale and one offset.
3. Which of them goes into the network's first branch. The branches share no weights, so it makes a difference: the
   brighter one does, so that the order that they are handed over in makes none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.checks import count_infinite, refuse_alpha, refuse_infinite
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import Layout

#: Means that differ by less than this share of the range are equal.
ROUNDING = 1e-9


@dataclass(frozen=True)
class PairStatistics:
    """Of the same block of two pictures.

    Attributes
    ----------
    ends : list of scalar
        The least and the greatest value of what the network is to see, of each picture.
    infinite : tuple of int
        How many values of each are NaN or infinite.
    differing : int
        Pixels whose alpha differs.
    brighter : tuple of float
        How much brighter the second one is: the sum of all differences, in units of the second number.
    size : int
        How many values that is.
    """

    ends: list[Any]
    infinite: tuple[int, int]
    differing: int
    brighter: tuple[float, float]
    size: int

    @classmethod
    def of(cls, block0: NDArray[Any], block1: NDArray[Any], layout: Layout) -> PairStatistics:
        """Look at `(rows, columns, channels)` of both."""
        infinite = count_infinite(block0) + _nans(block0), count_infinite(block1) + _nans(block1)
        differing = 0
        if layout.alpha:
            differing = int(np.count_nonzero(layout.alpha_of(block0) != layout.alpha_of(block1)))
        seen0, seen1 = (layout.guide_channels(layout.colours(block)) for block in (block0, block1))
        ends = [end for seen in (seen0, seen1) for end in (seen.min(), seen.max())]
        return cls(ends, infinite, differing, _brighter(seen0, seen1), seen0.size)


@dataclass(frozen=True)
class Plan:
    """How two pictures are to be fused.

    Attributes
    ----------
    values : IntensityRange
        Of both.
    swapped : bool
        Whether the second one goes first.
    """

    values: IntensityRange
    swapped: bool = False

    @classmethod
    def of(cls, statistics: Sequence[PairStatistics], names: tuple[str, str]) -> Plan:
        """Plan of the statistics of all blocks of two pictures; refuses what cannot be fused.

        Raises
        ------
        ValueError
            If a picture holds NaN or infinity, or the pictures differ in alpha.
        """
        for i, name in enumerate(names):
            refuse_infinite(sum(some.infinite[i] for some in statistics), name)
        refuse_alpha(sum(some.differing for some in statistics), names)
        values = IntensityRange.of(end for some in statistics for end in some.ends)
        span = float(values.high) - float(values.low) or 1.0
        brighter = sum(total * (unit / span) for total, unit in (some.brighter for some in statistics))
        # The rounding of sums depends on the blocks, and must not decide.
        return cls(values, swapped=brighter > ROUNDING * sum(some.size for some in statistics))

    def first(self, pair: tuple[Any, Any]) -> tuple[Any, Any]:
        """What goes first, and the other."""
        return pair[::-1] if self.swapped else pair


def _brighter(seen0: NDArray[Any], seen1: NDArray[Any]) -> tuple[float, float]:
    """Sum of the differences: of them, not of the values, whose offset may be far beyond what they differ by."""
    dtype = seen0.dtype
    if dtype.kind in "ui" and dtype.itemsize <= 4:
        return int(seen1.sum(dtype=np.int64)) - int(seen0.sum(dtype=np.int64)), 1.0
    with np.errstate(all="ignore"):  # what is not finite is refused later
        if dtype.kind == "f":
            differences = seen1.astype(np.float64) - seen0
        else:
            # Modulo 2^64 a difference is right even where it leaves their type.
            distance = np.maximum(seen0, seen1).astype(np.uint64) - np.minimum(seen0, seen1).astype(np.uint64)
            differences = np.where(seen1 >= seen0, 1.0, -1.0) * distance
        unit = float(np.abs(differences).max())
        # Of any magnitude: shares of the largest one do not leave float64.
        return (float((differences / unit).sum()), unit) if unit > 0 and np.isfinite(unit) else (0.0, 0.0)


def _nans(block: NDArray[Any]) -> int:
    return int(np.isnan(block).sum()) if block.dtype.kind == "f" else 0

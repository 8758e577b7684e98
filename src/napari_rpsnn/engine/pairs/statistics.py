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

#: Means that differ by less than this share of the largest value are equal.
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
    sums : tuple of float
        Of what the network is to see of each.
    size : int
        How many values that is.
    """

    ends: list[Any]
    infinite: tuple[int, int]
    differing: int
    sums: tuple[float, float]
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
        sums = float(seen0.sum(dtype=np.float64)), float(seen1.sum(dtype=np.float64))
        return cls(ends, infinite, differing, sums, seen0.size)


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
        brighter = sum(some.sums[1] for some in statistics) - sum(some.sums[0] for some in statistics)
        # The rounding of sums depends on the blocks, and must not decide.
        rounding = ROUNDING * max(abs(values.low), abs(values.high)) * sum(some.size for some in statistics)
        return cls(values, swapped=brighter > rounding)

    def first(self, pair: tuple[Any, Any]) -> tuple[Any, Any]:
        """What goes first, and the other."""
        return pair[::-1] if self.swapped else pair


def _nans(block: NDArray[Any]) -> int:
    return int(np.isnan(block).sum()) if block.dtype.kind == "f" else 0

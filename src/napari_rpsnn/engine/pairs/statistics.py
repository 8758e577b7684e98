"""What must be known of two pictures before they are fused, found part by part, whatever the parts are.

1. Whether they can be fused: no infinity, one alpha where both have data.
2. Their range, because both get one scale and one offset. A hot pixel, far beyond all that a neighbour supports, has no
   part in it.
3. Which of them goes into the network's first branch. The branches share no weights, so it makes a difference: the
   brighter one does, so that the order that they are handed over in makes none.
4. Whether they plainly differ in brightness, of which the network would take the change for focus.
5. Borders that an earlier alignment left without data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.engine.borders import NO_BORDER, Border
from napari_rpsnn.engine.brightness import block_means, block_sums, levels, plainly
from napari_rpsnn.engine.pairs.plan import HOT, Plan, Seen
from napari_rpsnn.images.checks import count_differing, count_infinite, refuse_alpha, refuse_infinite
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.images.validity import Valid

#: Means that differ by less than this share of the range are equal.
ROUNDING = 1e-9
#: Rows that are looked at together, so that they stay in the processor's cache.
STRIP_ROWS = 64


@dataclass(frozen=True)
class PairStatistics:
    """Of the same part of two pictures.

    Attributes
    ----------
    ends : list of scalar
        The least and the greatest value of what the network is to see, of each picture.
    supported : list of scalar
        Of values that the one in the next row reaches, too.
    infinite : tuple of int
        How many values of each are infinite.
    differing : int
        Pixels whose alpha differs.
    brighter : tuple of float
        How much brighter the second one is, where both have data: the sum of all differences, in units of the second
        number.
    size : int
        How many values that is.
    blocks : tuple of ndarray
        `block_sums` of each.
    lacking : tuple of bool
        Whether each has no data in places.
    """

    ends: list[Any]
    supported: list[Any]
    infinite: tuple[int, int]
    differing: int
    brighter: tuple[float, float]
    size: int
    blocks: tuple[NDArray[np.float64], NDArray[np.float64]]
    lacking: tuple[bool, bool]

    @classmethod
    def of(
        cls,
        first: Seen,
        second: Seen,
        layout: Layout,
        size: tuple[int, int],
        shape: tuple[int, int],
        start: tuple[int, int] = (0, 0),
    ) -> PairStatistics:
        """Look at a part of both, `(rows, columns, channels)`, and where it has data.

        Parameters
        ----------
        size : tuple of int
            Rows and columns of its own; one more of each may follow, of the next parts.
        shape, start : tuple of int
            Of the whole pictures, and where the part begins in them.
        """
        seen = [layout.guide_channels(layout.colours(picture)) for picture, _ in (first, second)]
        supported = [
            end for part, (_, valid) in zip(seen, (first, second), strict=True) for end in _supported(part, valid, size)
        ]
        own = tuple(slice(n) for n in size)
        pictures = first[0][own], second[0][own]
        valid = [None if there is None or there[own].all() else there[own] for _, there in (first, second)]
        differing = count_differing(*map(layout.alpha_of, pictures)) if layout.alpha else 0
        infinite = [count_infinite(*one) for one in zip(pictures, valid, strict=True)]
        parts = [part[own] for part in seen]
        shown = [part if there is None else part[there] for part, there in zip(parts, valid, strict=True)]
        both = None if valid[0] is None and valid[1] is None else _there(valid[0]) & _there(valid[1])
        common = parts if both is None else [part[both] for part in parts]
        blocks = [block_sums(part, there, shape, start) for part, there in zip(parts, valid, strict=True)]
        return cls(
            [end for values in shown if values.size for end in (values.min(), values.max())],
            supported,
            (infinite[0], infinite[1]),
            differing,
            _brighter(common[0], common[1]),
            common[0].size,
            (blocks[0], blocks[1]),
            (valid[0] is not None, valid[1] is not None),
        )


def plan_of(
    statistics: Sequence[PairStatistics],
    names: tuple[str, str],
    shape: tuple[int, int],
    borders: tuple[Border, Border] = (NO_BORDER, NO_BORDER),
    matched: bool = False,
) -> Plan:
    """Plan of the statistics of all parts of two pictures of this shape; refuses what cannot be fused.

    Raises
    ------
    ValueError
        If a picture holds infinity, or the pictures differ in alpha.
    """
    for i, name in enumerate(names):
        refuse_infinite(sum(some.infinite[i] for some in statistics), name)
    refuse_alpha(sum(some.differing for some in statistics), names)
    whole = IntensityRange.of([end for some in statistics for end in some.ends] or [np.zeros(1)])
    values = _robust(whole, [end for some in statistics for end in some.supported])
    # A hot pixel that both have makes no difference.
    span = max(float(values.high) - float(values.low), *(some.brighter[1] for some in statistics)) or 1.0
    brighter = sum(total * (unit / span) for total, unit in (some.brighter for some in statistics))
    # The rounding of sums depends on the parts, and must not decide.
    swapped = brighter > ROUNDING * sum(some.size for some in statistics)
    lacking = [any(some.lacking[i] for some in statistics) for i in (0, 1)]
    means = [block_means(np.sum([some.blocks[i] for some in statistics], 0), shape) for i in (0, 1)]
    found = levels(means, values)
    found = found if matched else plainly(found, values)
    return Plan(
        values,
        swapped=swapped,
        levels=(found[0], found[1]),
        matched=matched,
        hot=values != whole,
        borders=(NO_BORDER if lacking[0] else borders[0], NO_BORDER if lacking[1] else borders[1]),
        lacking=any(lacking),
    )


def _brighter(seen0: NDArray[Any], seen1: NDArray[Any]) -> tuple[float, float]:
    """Sum of the differences: of them, not of the values, whose offset may be far beyond what they differ by."""
    dtype = seen0.dtype
    if seen0.size == 0:
        return 0.0, 0.0
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


def _robust(whole: IntensityRange, supported: Sequence[Any]) -> IntensityRange:
    """The range, but where an end is far beyond what neighbours support."""
    # Of a small part the least value that has support may be greater than the greatest one.
    if not supported or min(supported[::2]) >= max(supported[1::2]):
        return whole
    inner = IntensityRange.of([min(supported[::2]), max(supported[1::2])])
    far = HOT * (inner.high - inner.low)
    low = inner.low if inner.low - whole.low > far else whole.low
    high = inner.high if whole.high - inner.high > far else whole.high
    return IntensityRange(low, high)


def _supported(picture: NDArray[Any], valid: Valid, size: tuple[int, int]) -> list[Any]:
    """The least and the greatest value that the pixel below or beside it reaches, too; nothing of a single pixel."""
    rows, columns = size
    low, high = [], []
    for start in range(0, rows, STRIP_ROWS):
        own = slice(start, min(start + STRIP_ROWS, rows)), slice(0, columns)
        below = slice(start + 1, own[0].stop + 1), own[1]
        for there in (below, (own[0], slice(1, columns + 1))):
            second = picture[there]
            cut = slice(second.shape[0]), slice(second.shape[1])
            first = picture[own][cut]
            least, most = np.maximum(first, second), np.minimum(first, second)
            if valid is not None:
                known = valid[own][cut] & valid[there]
                least, most = least[known], most[known]
            if most.size:
                low.append(least.min())
                high.append(most.max())
    return [min(low), max(high)] if low else []


def _there(valid: Valid) -> Any:
    return True if valid is None else valid

"""What must be known of the planes of a stack as a whole before any window of it is decided.

Each plane is read once, by itself:

- Equal planes and planes of one value contribute nothing, nor do those that are too bright or dark to be compared.
- The range of intensities is that of values that a neighbour supports: a hot pixel has no part in it.
- Brightness drifts from plane to plane (lamp, bleaching, automatic exposure): for deciding, planes get one brightness.
- Borders that an earlier alignment left without data are found.
- Mean energies of detail, of a few small windows: where nothing else tells, the plane that is sharp elsewhere is best.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_rpsnn.engine.borders import NO_BORDER, SAID_PX, Border, of_one_scene
from napari_rpsnn.engine.brightness import (
    SAME,
    Level,
    block_means,
    block_sums,
    far_brighter,
    have_own_light,
    levels,
    plainly,
)
from napari_rpsnn.engine.pairs.plan import Plan
from napari_rpsnn.engine.stacks.evidence import halved, is_oversampled, look, to_steps
from napari_rpsnn.engine.stacks.neighbours import brightness, differences, filled, nearest, places_along
from napari_rpsnn.engine.stacks.samples import Sample
from napari_rpsnn.engine.stacks.value_range import common_range, supported_ends
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import WHOLE, Layout
from napari_rpsnn.images.validity import Valid, both, like_the_rest

#: What rounding leaves of detail in a plane that is made brighter, of `evidence.ROUNDING`.
ROUNDED = 0.7
#: What is compared of brightness from 0 to 1: some more, for noise and what stands out.
BEYOND = -0.5, 1.5


@dataclass(frozen=True)
class StackStatistics:
    """Of one picture of a stack.

    Attributes
    ----------
    planes : list of int
        Those that contribute, in an order that follows from their contents alone.
    values : IntensityRange
    levels : list of Level
        What brings the values of these planes to one brightness.
    swapped : bool
        Of two planes, whether the second is the brighter one: that goes first, as in a pair of images.
    detail : Tensor of shape `(N, FACTS)`
        Logarithms of their mean energies of detail, beside the greatest.
    borders : list of Border
    places : tuple of int
        Of each plane among its neighbours, see `places_along`.
    nearest : ndarray of int, of shape `(N, N)`
        Of each plane all of `planes`, itself first, then its neighbours: where it has no data, they take its place.
    coarse : bool
        Whether planes are compared at half the resolution.
    own_light : bool
        Whether each plane has the light of what lies in it alone.
    only : int or None
        Of `planes`, the one that shows all of a thin specimen.
    mostly : int or None
        The one that nearly all comes from: others are taken where they are far better.
    matched : bool
        Whether what is returned is of that brightness, too.
    prefer : str or None
        Of two depths, both of which are right, the one that is asked for: "near" or "far".
    """

    planes: list[int]
    values: IntensityRange
    levels: list[Level]
    swapped: bool
    detail: Tensor
    borders: list[Border]
    places: tuple[int, ...]
    nearest: NDArray[np.intp]
    coarse: bool = False
    own_light: bool = False
    only: int | None = None
    mostly: int | None = None
    matched: bool = False
    prefer: str | None = None

    @property
    def sharpest(self) -> int:
        """The plane that has most detail as a whole."""
        return self.planes[int(self.detail.mean(1).argmax())]

    @property
    def unlike(self) -> list[float]:
        """How much brighter or darker each plane is than they are in common, from 0; returned values keep that.

        More of it where a plane stands apart from others that are alike, as by a flash.
        """
        if self.matched:
            return [0.0] * len(self.levels)
        units = (level.of_unit(self.values) for level in self.levels)
        away = np.array([abs(math.log(unit.gain)) + abs(unit.offset) for unit in units])
        apart = np.maximum(away - 2 * np.median(away), 0)
        found: list[float] = (away + APART * apart).tolist()
        return found

    @property
    def rounding(self) -> list[float]:
        """What `look` adds to the energies of each plane."""
        return _rounding(self.values, self.levels)

    @property
    def plan(self) -> Plan:
        """Of two planes alone, how they are fused."""
        first, second = self.levels if self.matched else plainly(self.levels, self.values)
        borders = self.borders[0], self.borders[1]
        return Plan(self.values, self.swapped, (first, second), self.matched, True, borders, lacking=True)

    def shown(self, number: int, colours: NDArray[Any]) -> NDArray[Any]:
        """What is returned of colours of a plane; `number` is counted in `planes`."""
        return self.levels[number].bring(colours) if self.matched else colours

    def seen(self, number: int, guide: NDArray[Any]) -> NDArray[np.float32]:
        """What is compared of guide channels of a plane, grey, of one brightness; `number` is counted in `planes`."""
        return _seen(guide, self.values, self.levels[number])

    def bordered(self, first: int) -> list[str]:
        """What planes are called of which borders were found; `first` is the number of the first one."""
        found = (k for k, border in zip(self.planes, self.borders, strict=True) if border.depth >= SAID_PX)
        return [f"plane {first + k}" for k in sorted(found)]

    @classmethod
    def of(cls, planes: Iterable[PlaneStatistics]) -> StackStatistics:
        """What is known when all planes have been looked at."""
        known = {plane.digest: plane for plane in reversed(list(planes))}
        ordered = [known[digest] for digest in sorted(known)]
        # Where others lack data, a plane of one value may be all that there is.
        lacking = any(plane.lacks for plane in ordered)
        useful = [plane for plane in ordered if plane.ends and (lacking or not plane.constant)]
        useful = useful or [plane for plane in ordered if plane.ends] or ordered
        means = [plane.means for plane in useful]
        values = common_range([plane.ends for plane in useful if plane.ends] or [(0, 0)], means)
        own_light = have_own_light(means, values)
        found = [SAME] * len(useful) if own_light else levels(means, values)
        showing = [_shows(plane, values, level) for plane, level in zip(useful, found, strict=True)]
        if not lacking:  # else it may be all that there is
            showing = [here and not far for here, far in zip(showing, far_brighter(found), strict=True)]
        if any(showing) and not all(showing):
            return cls.of(compress(useful, showing))
        rounding = _rounding(values, found)
        # What is compared of samples of all planes in one place, of one place after the other.
        sampled = [
            [(_seen(s.window, values, level), s.valid) for s, level in zip(samples, found, strict=True)]
            for samples in zip(*(plane.samples for plane in useful), strict=True)
        ]
        of_planes = zip(*sampled, strict=True)
        shown = [np.concatenate([brightness(*window) for window in windows]) for windows in of_planes]
        apart = differences(np.stack(shown))
        near = nearest(apart)
        looks = [_as_shown(sampled, others) for others in near]
        coarse = is_oversampled(looks, rounding)
        looks = [halved(plane) for plane in looks] if coarse else looks
        return cls(
            [plane.number for plane in useful],
            values,
            found,
            len(means) == 2 and bool(np.nansum(means[1] - means[0]) > 0),
            relative(torch.stack([energies(look(*one)).mean(0) for one in zip(looks, rounding, strict=True)])),
            of_one_scene([plane.border for plane in useful]),
            places_along(apart),
            near,
            coarse,
            own_light,
        )


#: How much more a plane counts as unlike others for standing apart from them.
APART = 4.0


@dataclass(frozen=True)
class PlaneStatistics:
    """Of one plane, found by itself.

    Attributes
    ----------
    number : int
    digest : bytes
        The same for equal planes only.
    constant : bool
        Whether it is all of one value.
    lacks : bool
        Whether it is known to have no data in places.
    ends : tuple of float, or None
        The least and the greatest value that a neighbour supports; None: it has no data at all.
    means : ndarray
        Its `block_means`.
    border : Border
    samples : list of Sample
    """

    number: int
    digest: bytes
    constant: bool
    lacks: bool
    ends: tuple[float, float] | None
    means: NDArray[np.float64]
    border: Border
    samples: list[Sample]

    @classmethod
    def of(
        cls, number: int, picture: NDArray[Any], layout: Layout, told: Valid = None, find_border: bool = True
    ) -> PlaneStatistics:
        """Look at the colours of a plane, `(rows, columns, colours)`; `told` is where it is known to have data."""
        rows, columns, _ = picture.shape
        filled = like_the_rest(picture, told)
        digest = hashlib.blake2b(filled.tobytes(), digest_size=16)
        digest.update(b"" if told is None else np.packbits(told).tobytes())
        seen = layout.guide_channels(filled)
        border = Border.of(seen) if told is None and find_border else NO_BORDER
        valid = both(told, border.valid(WHOLE, (rows, columns)))
        seen = like_the_rest(seen, valid)
        return cls(
            number,
            digest.digest(),
            bool((filled == filled[0, 0]).all()),
            told is not None,
            supported_ends(seen) if told is None or told.any() else None,
            block_means(block_sums(seen, valid, (rows, columns)), (rows, columns)),
            border,
            Sample.of(seen, valid),
        )


def _shows(plane: PlaneStatistics, values: IntensityRange, level: Level) -> bool:
    """Whether anything is left to compare of a plane: one that is far too bright has one value, as a constant one."""
    if plane.ends is None:
        return False
    unit, span = level.of_unit(values), float(values.high) - float(values.low) or 1.0
    low, high = (unit.gain * (float(end) - float(values.low)) / span + unit.offset for end in plane.ends)
    return low < BEYOND[1] and high > BEYOND[0]


#: A window of a plane, grey, of one brightness, and where it has data.
_Seen = tuple[NDArray[np.float32], Valid]


def _as_shown(samples: Sequence[Sequence[_Seen]], others: NDArray[np.intp]) -> Tensor:
    """The first of these planes in all samples, filled by the next ones, `(n, 1, rows, columns)`."""
    shown = np.stack([filled(windows.__getitem__, others)[0] for windows in samples])
    return to_steps(torch.from_numpy(shown)[:, None])


def _rounding(values: IntensityRange, found: list[Level]) -> list[float]:
    gains = [level.of_unit(values).gain for level in found]
    most = max(gains) ** 2
    return [1 + ROUNDED * (most - gain**2) for gain in gains]


def _seen(guide: NDArray[Any], values: IntensityRange, level: Level) -> NDArray[np.float32]:
    in_unit = level.of_unit(values)
    grey = values.to_unit(guide).mean(-1, dtype=np.float64)
    # First of one brightness: a plane that is far brighter than the others would be one of a constant value beyond all.
    seen: NDArray[np.float32] = (in_unit.gain * grey + in_unit.offset).clip(*BEYOND).astype(np.float32)
    return seen


def energies(levels: list[Tensor]) -> Tensor:
    """Mean energies `(N, FACTS)` of the bands of detail of what `look` saw of small windows of all planes."""
    bands = [level[:, 1] for level in levels] + [levels[-1][:, 2]]
    return torch.stack([(10**band).mean((1, 2)) for band in bands], 1)


def relative(energies: Tensor) -> Tensor:
    """The facts `(N, FACTS)`: logarithms of energies beside those of the best plane of each band."""
    logarithms = energies.clamp_min(1e-12).log10()
    return logarithms - logarithms.amax(0)

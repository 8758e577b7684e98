"""How two pictures are to be fused, and what each window of them is made into before that.

1. Both get one scale and one offset, which no hot pixel stretches.
2. Where one has no data, a border of an earlier alignment or a hot pixel, it is given the other's values: nobody sees
   an edge there, and the result is the other's. Where both have a border or a hot pixel they stay as they are.
3. For deciding both get one brightness, if they plainly differ in it; on request in what is returned, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.engine.borders import NO_BORDER, SAID_PX, Border
from napari_rpsnn.engine.brightness import SAME, Level
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import Layout, Window
from napari_rpsnn.images.validity import Valid, from_each_other, without_data

if TYPE_CHECKING:
    from torch import Tensor

#: A hot pixel is farther beyond the range of values that a neighbour supports than this share of that range.
HOT = 0.25

#: Colours of a part of a picture, and where they are data; None: everywhere.
Seen = tuple[NDArray[Any], Valid]


class Prepared(NamedTuple):
    """Parts of two pictures, made ready; where the result is one's alone, and where nobody has data (None: nowhere)."""

    parts: tuple[NDArray[Any], NDArray[Any]]
    lost: tuple[Valid, Valid] = (None, None)
    nowhere: Valid = None

    def part(self, window: Window) -> Prepared:
        """A window of it."""
        lost0, lost1, nowhere = (None if one is None else one[window] for one in (*self.lost, self.nowhere))
        return Prepared((self.parts[0][window], self.parts[1][window]), (lost0, lost1), nowhere)


@dataclass(frozen=True)
class Plan:
    """Of two pictures.

    Attributes
    ----------
    values : IntensityRange
        Of both.
    swapped : bool
        Whether the second one goes first.
    levels : tuple of Level
        What brings each to the brightness of both.
    matched : bool
        Whether what is returned is of that brightness, too; else it is for deciding alone.
    hot : bool
        Whether there are hot pixels.
    borders : tuple of Border
        Of each.
    lacking : bool
        Whether either has no data in places.
    """

    values: IntensityRange
    swapped: bool = False
    levels: tuple[Level, Level] = (SAME, SAME)
    matched: bool = False
    hot: bool = False
    borders: tuple[Border, Border] = (NO_BORDER, NO_BORDER)
    lacking: bool = False

    @property
    def prepares(self) -> bool:
        """Whether anything is made of the pictures before they are fused."""
        return self.lacking or self.hot or self.matched or any(border.depth for border in self.borders)

    def bordered(self, names: tuple[str, str]) -> list[str]:
        """Names of the pictures of which borders were found."""
        return [name for name, border in zip(names, self.borders, strict=True) if border.depth >= SAID_PX]

    def first(self, pair: tuple[Any, Any]) -> tuple[Any, Any]:
        """What goes first, and the other."""
        return pair[::-1] if self.swapped else pair

    def to_units(self, exact: bool, decides: bool) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
        """What makes values of either, what goes first first, to what is compared.

        Parameters
        ----------
        exact : bool
            Whether the values are those of the pictures; else they are in [0, 1] already.
        decides : bool
            Whether they are compared to decide.
        """
        used = self.first(self.levels) if decides and not self.matched else (SAME, SAME)

        def of(level: Level) -> Callable[[Tensor], Tensor]:
            def to_unit(pictures: Tensor) -> Tensor:
                unit = (self.values.to_unit_tensor(pictures) if exact else pictures).clamp(0, 1)
                return unit if level == SAME else unit * in_unit.gain + in_unit.offset

            in_unit = level.of_unit(self.values)
            return to_unit

        return of(used[0]), of(used[1])

    def prepare(self, seen: tuple[Seen, Seen], layout: Layout, window: Window, shape: tuple[int, int]) -> Prepared:
        """Make a window of pictures of this shape ready."""
        images = seen[0][0], seen[1][0]
        if not self.prepares:
            return Prepared(images)
        # 2: data; 1: what looks like a border or a hot pixel; 0: no data.
        worth0, worth1 = (
            self._worth(*one, border, layout, window, shape) for one, border in zip(seen, self.borders, strict=True)
        )
        if self.matched:
            images = self.levels[0].bring(images[0]), self.levels[1].bring(images[1])
        lost0, lost1, nowhere = worth0 < worth1, worth1 < worth0, (worth0 == 0) & (worth1 == 0)
        parts = from_each_other(*images, ~lost0 & ~nowhere, ~lost1 & ~nowhere, np.where)
        return Prepared(parts, (lost0, lost1), nowhere)

    def _worth(
        self, image: NDArray[Any], told: Valid, border: Border, layout: Layout, window: Window, shape: tuple[int, int]
    ) -> NDArray[np.int8]:
        fine = np.ones(image.shape[:2], bool)
        if (inside := border.valid(window, shape)) is not None:
            fine &= inside
        if self.hot:
            unit = self.values.to_unit(layout.guide_channels(image))
            fine &= ((unit >= -HOT) & (unit <= 1 + HOT)).all(-1)
        worth = np.int8(1) + fine.astype(np.int8)
        return worth if told is None else worth * told


def one_or_three(to_unit: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """What the network is shown: three channels, or the mean of any other number."""

    def see(pictures: Tensor) -> Tensor:
        units = to_unit(pictures)
        return units if units.shape[-1] == 3 else units.mean(-1, keepdim=True)

    return see


def settle(prepared: Prepared, result: NDArray[Any], share: NDArray[np.float32] | None) -> None:
    """Set results, and shares of the first, where one picture is alone or none has data."""
    lost0, lost1 = prepared.lost
    if share is not None:
        for lost, value in ((lost0, 0), (lost1, 1), (prepared.nowhere, np.nan)):
            if lost is not None:
                share[lost] = value
    if prepared.nowhere is not None:
        result[prepared.nowhere] = without_data(result.dtype)


class PreparedPicture:
    """One of two pictures as it is made ready, window by window.

    Parameters
    ----------
    see : callable
        Returns what is `Seen` of both pictures for a window.
    number : int
        0 or 1.
    like : array-like
        Of the shape and dtype of the picture.
    """

    def __init__(
        self, see: Callable[[Window], tuple[Seen, Seen]], number: int, plan: Plan, layout: Layout, like: Any
    ) -> None:
        self._see, self._number, self._plan, self._layout = see, number, plan, layout
        self.shape: tuple[int, int, int] = like.shape
        self.dtype = like.dtype

    def __getitem__(self, window: Window) -> NDArray[Any]:
        return self._plan.prepare(self._see(window), self._layout, window, self.shape[:2]).parts[self._number]

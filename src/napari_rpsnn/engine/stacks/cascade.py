"""Fuse the planes of one picture by regression: the paper's cascade, or a balanced tree.

1. Look: each plane is read once, for the common range of intensities and for what it is worth.
2. Rank: what contributes is put in an order that follows from the planes' contents alone, so that forward, reversed and
   shuffled stacks give the same result.
3. Cascade: two planes are fused, then the result with the next plane. Tree: pairs of planes, then pairs of results.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.engine.pairs.plan import Plan, settle
from napari_rpsnn.engine.stacks.planes import Planes
from napari_rpsnn.engine.stacks.ranking import Survey, strip_rows, survey_strip
from napari_rpsnn.engine.stacks.samples import sample_windows
from napari_rpsnn.images.layout import WHOLE, Layout
from napari_rpsnn.images.validity import NO_PLANE, Valid, like_the_rest, without_data

if TYPE_CHECKING:
    from napari_rpsnn.engine.pairs.engine import Engine

#: A sentence for the user, and the picture so far, which is not written to any more; either may be None.
Said = tuple[str | None, NDArray[Any] | None]
NOTHING: Said = (None, None)


@dataclass
class Merged:
    """A plane, or the result of several: the picture, and where there is data (None: everywhere)."""

    image: NDArray[Any]
    valid: Valid


class Cascade:
    """One picture of a stack, plane by plane.

    Parameters
    ----------
    planes : Planes
    engine : Engine
    order : str
        "cascade" or "tree".
    """

    def __init__(self, planes: Planes, engine: Engine, order: str) -> None:
        self._planes, self._engine, self._order = planes, engine, order
        self._survey = Survey()

    def look(self) -> Iterator[Said]:
        """Look at every plane, and find the order. Yields after each plane, and after each that is ranked."""
        layout = self._planes.layout
        for k, (colours, valid) in enumerate(self._planes.check()):
            rows, columns, _ = colours.shape

            def part(place: Any, seen: Any = colours, there: Valid = valid) -> tuple[NDArray[Any], Valid]:
                return seen[place], None if there is None else there[place]

            strips = [
                survey_strip(*part(slice(r.start, r.stop + 1)), r.stop - r.start, layout) for r in strip_rows(rows)
            ]
            samples = [layout.guide_channels(like_the_rest(*part(window))) for window in sample_windows(rows, columns)]
            self._survey.add(k, strips, samples)
            yield NOTHING
        if self._planes.doubt:
            self._engine.notes.append(self._planes.doubt)
            yield self._planes.doubt, None
        self._survey.choose()
        for _ in self._survey.rank(self._engine.mean_vote):
            yield NOTHING

    def merge_all(self, target: NDArray[Any], index: NDArray[np.uint16]) -> Iterator[Said]:
        """Fuse the planes that contribute. Yields as `Engine.fuse` does, with the picture so far where there is one."""
        layout = self._planes.layout
        pile: list[Merged] = []
        # The next plane is read while one is fused.
        with ThreadPoolExecutor(1) as reader:
            planes = iter(self._survey.order)
            following = reader.submit(self._plane, next(planes))
            for k in merges(self._survey.order, self._order):
                if k is not None:
                    pile.append(following.result())
                    if (after := next(planes, None)) is not None:
                        following = reader.submit(self._plane, after)
                    continue
                running: NDArray[Any] | None = layout.with_alpha(pile[0].image, self._planes.alpha)
                second = pile.pop()
                merging = merge(self._engine, Plan(self._survey.values, lacking=True), layout, pile.pop(), second)
                while True:
                    try:
                        yield next(merging)[0], running
                    except StopIteration as end:
                        pile.append(end.value[0])
                        break
                    running = None
        merged = pile.pop()
        target[...] = layout.with_alpha(merged.image, self._planes.alpha)
        if merged.valid is not None:  # of one plane alone, too
            index[~merged.valid] = NO_PLANE
            layout.colours(target)[~merged.valid] = without_data(target.dtype)

    def _plane(self, k: int) -> Merged:
        picture, valid = self._planes.read(k)
        return Merged(picture, valid)


def merge(
    engine: Engine, plan: Plan, layout: Layout, merged: Merged, other: Merged
) -> Generator[Said, None, tuple[Merged, NDArray[np.float32]]]:
    """Fuse two, of which either may lack data; return the result, and the share of the first. Yields as the engine."""
    image = np.empty(merged.image.shape, merged.image.dtype)
    rows, columns, _ = image.shape
    seen = (merged.image, merged.valid), (other.image, other.valid)
    prepared = plan.prepare(seen, layout, WHOLE, (rows, columns))
    share = np.ones((rows, columns), np.float32)
    for note in engine.fuse(prepared.parts, plan, layout, image, share):
        yield note, None
    settle(prepared, image, share)
    valid = None if merged.valid is None or other.valid is None else merged.valid | other.valid
    return Merged(image, valid), share


def merges(planes: Sequence[int], order: str) -> Iterator[int | None]:
    """What to do, in reverse Polish notation: put a plane on a pile, or, None, merge the two results on top of it."""
    waiting: list[int] = []
    for k in planes:
        yield k
        waiting.append(1)
        # A tree is like binary addition with its carry: two results of equally many planes are merged at once.
        while len(waiting) > 1 and (order == "cascade" or waiting[-1] == waiting[-2]):
            waiting.append(waiting.pop() + waiting.pop())
            yield None
    yield from [None] * (len(waiting) - 1)

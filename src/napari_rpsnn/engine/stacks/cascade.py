"""Fuse the planes of one picture: the paper's cascade, or a balanced tree.

1. Survey: each plane is read once, for the common range of intensities and for what it is worth.
2. Rank: what contributes is put in an order that follows from the planes' contents alone, so that forward, reversed and
   shuffled stacks give the same result.
3. Cascade: two planes are fused, then the result with the next plane. Tree: pairs of planes, then pairs of results. The
   plane that each pixel comes from goes along.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_rpsnn.engine.pairs.statistics import Plan
from napari_rpsnn.engine.stacks.depth_from_focus import iter_heights
from napari_rpsnn.engine.stacks.planes import Planes
from napari_rpsnn.engine.stacks.ranking import Survey, sample_windows, strip_rows, survey_strip

if TYPE_CHECKING:
    from napari_rpsnn.engine.pairs.engine import Engine
    from napari_rpsnn.options import StackOptions

#: What a further plane needs to win a region, see `decision.hesitate`. Where two planes are
#: about equally sharp the better one of the whole picture stays, so that thin specimens come from one plane and not
#: from a patchwork of several.
STAY = 1.5

#: A sentence for the user, and the picture so far, which is not written to any more; either may be None.
Said = tuple[str | None, NDArray[Any] | None]
NOTHING: Said = (None, None)


@dataclass
class _Merged:
    """A plane, or the result of several: the picture, the plane of each pixel, and where there is data (None: all)."""

    image: NDArray[Any]
    index: NDArray[np.uint16]
    valid: NDArray[np.bool_] | None


class PictureStack:
    """One picture of a stack through all its planes.

    Parameters
    ----------
    planes : Planes
    engine : Engine
    options : StackOptions
    """

    def __init__(self, planes: Planes, engine: Engine, options: StackOptions) -> None:
        self._planes = planes
        self._engine = engine
        self._options = options
        self._survey = Survey()

    @staticmethod
    def count_steps(count: int, rows: int, columns: int, engine: Engine, options: StackOptions) -> int:
        """Steps of `fuse` at most. Every plane is read and ranked before it is fused, and read again for the height."""
        return sum(_parts(count, engine.steps(rows, columns), options.return_height))

    def fuse(
        self, target: NDArray[Any], index: NDArray[np.uint16], heights: NDArray[np.float32] | None
    ) -> Iterator[tuple[int, str | None, NDArray[Any] | None]]:
        """Fuse the planes into `target`, `(rows, columns, channels)`, and the plane of each pixel into `index`.

        Yields the number of steps done, and what there is to say.
        """
        rows, columns, _ = target.shape
        parts = _parts(self._planes.count, self._engine.steps(rows, columns), heights is not None)
        work = self._look(), self._rank(), self._merge_all(target, index), self._find_heights(index, heights)
        before = 0
        for part, steps in zip(parts, work, strict=True):
            # Planes that are left out leave steps out; a shortage of memory adds some.
            for step, (note, running) in enumerate(steps, 1):
                yield before + min(step, part), note, running
            before += part

    def _look(self) -> Iterator[Said]:
        """Look at every plane: the range, and what planes contribute. Yields after each plane."""
        layout = self._planes.layout
        for k, picture in enumerate(self._planes.check()):
            rows, columns, _ = picture.shape
            strips = [survey_strip(picture[r.start : r.stop + 1], r.stop - r.start, layout) for r in strip_rows(rows)]
            samples = [layout.guide_channels(picture[window]) for window in sample_windows(rows, columns)]
            self._survey.add(k, strips, samples)
            yield NOTHING
        self._survey.choose()

    def _rank(self) -> Iterator[Said]:
        """Find the order of the planes. Yields after each plane."""
        for _ in self._survey.rank(self._engine.mean_vote):
            yield NOTHING

    def _find_heights(self, index: NDArray[np.uint16], heights: NDArray[np.float32] | None) -> Iterator[Said]:
        """Read the planes once more and set the heights, if they are wanted. Yields after each plane."""
        if heights is None:
            return
        planes, values, threads = self._planes, self._survey.values, torch.get_num_threads()
        read = lambda k: planes.read(k)[0]  # noqa: E731
        for _ in iter_heights(read, planes.count, planes.layout, values, index, heights, threads):
            yield NOTHING
        heights *= float(self._options.plane_spacing)

    def _merge_all(self, target: NDArray[Any], index: NDArray[np.uint16]) -> Iterator[Said]:
        """Fuse the planes that contribute. Yields as `Engine.fuse` does, with the picture so far where there is one."""
        layout = self._planes.layout
        pile: list[_Merged] = []
        # The next plane is read while one is fused.
        with ThreadPoolExecutor(1) as reader:
            planes = iter(self._survey.order)
            following = reader.submit(self._plane, next(planes))
            for k in merges(self._survey.order, self._options.order):
                if k is not None:
                    pile.append(following.result())
                    if (after := next(planes, None)) is not None:
                        following = reader.submit(self._plane, after)
                else:
                    running: NDArray[Any] | None = layout.with_alpha(pile[0].image, self._planes.alpha)
                    second = pile.pop()
                    merging = self._merge(pile.pop(), second)
                    while True:
                        try:
                            yield next(merging), running
                        except StopIteration as end:
                            pile.append(end.value)
                            break
                        running = None
        merged = pile.pop()
        target[...] = layout.with_alpha(merged.image, self._planes.alpha)
        index[...] = merged.index

    def _plane(self, k: int) -> _Merged:
        picture, valid = self._planes.read(k)
        return _Merged(picture, np.full(picture.shape[:2], k, np.uint16), valid)

    def _merge(self, merged: _Merged, other: _Merged) -> Generator[str | None, None, _Merged]:
        image0, image1, valid0, valid1 = merged.image, other.image, merged.valid, other.valid
        # Without data in one, both are the same there, and neither the network nor a neighbour sees an edge.
        if valid0 is not None:
            image0 = np.where(valid0[..., None], merged.image, other.image)
        if valid1 is not None:
            image1 = np.where(valid1[..., None], other.image, merged.image)
        image = np.empty(image0.shape, image0.dtype)
        share = np.ones(image.shape[:2], np.float32)
        plan = Plan(self._survey.values)
        yield from self._engine.fuse((image0, image1), plan, self._planes.layout, image, share, STAY)
        first = share >= 0.5
        if valid0 is not None:
            first &= valid0
        if valid1 is not None:
            first |= ~valid1
        valid = None if valid0 is None or valid1 is None else valid0 | valid1
        return _Merged(image, np.where(first, merged.index, other.index), valid)


def _parts(count: int, merge: int, heights: bool) -> tuple[int, ...]:
    """Steps to look at the planes, to rank them, to merge them, and to find heights."""
    return count, count - 1, (count - 1) * merge, count if heights else 0


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

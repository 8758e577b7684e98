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

from napari_rpsnn.engine.depth_from_focus import iter_heights
from napari_rpsnn.engine.pair_statistics import Plan
from napari_rpsnn.engine.plane_ranking import Survey, sample_windows, strip_rows, survey_strip
from napari_rpsnn.images.checks import check_alpha, check_finite
from napari_rpsnn.images.focus_stack import FocusStack

if TYPE_CHECKING:
    from napari_rpsnn.engine.pair_engine import Engine
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
    stack : FocusStack
    where : tuple of int
        Which picture: time, position, channel.
    engine : Engine
    options : StackOptions
        With `register`, planes are aligned, each to its neighbour, so that all lie where the middle one lies.
    """

    def __init__(self, stack: FocusStack, where: tuple[int, ...], engine: Engine, options: StackOptions) -> None:
        self.stack = stack
        self._where = where
        self._engine = engine
        self._options = options
        self._survey = Survey()
        self._matrices: list[NDArray[np.float64]] = []
        self._alpha: NDArray[Any] | None = None

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
        parts = _parts(self.stack.count, self._engine.steps(rows, columns), heights is not None)
        work = self._look(), self._rank(), self._merge_all(target, index), self._find_heights(index, heights)
        before = 0
        for part, steps in zip(parts, work, strict=True):
            # Planes that are left out leave steps out; a shortage of memory adds some.
            for step, (note, running) in enumerate(steps, 1):
                yield before + min(step, part), note, running
            before += part

    def _look(self) -> Iterator[Said]:
        """Check every plane; find the range, what planes contribute, and how they lie. Yields after each plane."""
        previous = None
        steps: list[NDArray[np.float64]] = []
        layout = self.stack.layout
        for k in range(self.stack.count):
            picture = self._read(k)
            rows, columns, _ = picture.shape
            strips = [survey_strip(picture[r.start : r.stop + 1], r.stop - r.start, layout) for r in strip_rows(rows)]
            samples = [layout.guide_channels(picture[window]) for window in sample_windows(rows, columns)]
            self._survey.add(k, strips, samples)
            if self._options.register is not None:
                from napari_rpsnn.engine.registration import estimate

                grey = layout.grey(picture)
                steps.append(np.eye(3) if previous is None else estimate(previous, grey, self._options.register))
                previous = grey
            yield NOTHING
        self._survey.choose()
        self._matrices = _chain(steps)

    def _rank(self) -> Iterator[Said]:
        """Find the order of the planes. Yields after each plane."""
        for _ in self._survey.rank(self._engine.mean_vote):
            yield NOTHING

    def _find_heights(self, index: NDArray[np.uint16], heights: NDArray[np.float32] | None) -> Iterator[Said]:
        """Read the planes once more and set the heights, if they are wanted. Yields after each plane."""
        if heights is None:
            return
        planes, layout, values = self.stack.count, self.stack.layout, self._survey.values
        threads = torch.get_num_threads()
        for _ in iter_heights(lambda k: self._plane(k).image, planes, layout, values, index, heights, threads):
            yield NOTHING
        heights *= float(self._options.plane_spacing)

    def _merge_all(self, target: NDArray[Any], index: NDArray[np.uint16]) -> Iterator[Said]:
        """Fuse the planes that contribute. Yields as `Engine.fuse` does, with the picture so far where there is one."""
        layout = self.stack.layout
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
                    running: NDArray[Any] | None = layout.with_alpha(pile[0].image, self._alpha)
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
        target[...] = layout.with_alpha(merged.image, self._alpha)
        index[...] = merged.index

    def _read(self, k: int) -> NDArray[Any]:
        """Colours of plane `k`, checked, not aligned."""
        layout, name = self.stack.layout, self.stack.name
        picture = self.stack.read(self._where, k)
        check_finite(picture, f"{name}, plane {k}")
        alpha = layout.alpha_of(picture)
        if self._alpha is None:
            self._alpha = alpha
        if alpha is not None:
            check_alpha(self._alpha, alpha, (f"{name}: plane 0", f"plane {k}"))
        colours: NDArray[Any] = layout.colours(picture)
        return colours

    def _plane(self, k: int) -> _Merged:
        picture = self._read(k)
        index = np.full(picture.shape[:2], k, np.uint16)
        if not self._matrices:
            return _Merged(picture, index, None)
        from napari_rpsnn.engine.registration import warp

        picture, valid = warp(picture, self._matrices[k])
        return _Merged(picture, index, None if valid.all() else valid)

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
        yield from self._engine.fuse((image0, image1), plan, self.stack.layout, image, share, STAY)
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


def _chain(steps: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """From the middle plane to every plane; `steps` lead to each plane from the one before it."""
    if not steps:
        return []
    middle = len(steps) // 2
    matrices = [np.eye(3)] * len(steps)
    for k in range(middle + 1, len(steps)):
        matrices[k] = steps[k] @ matrices[k - 1]
    for k in range(middle - 1, -1, -1):
        matrices[k] = np.linalg.inv(steps[k + 1]) @ matrices[k + 1]
    return matrices

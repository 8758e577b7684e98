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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.engine.pair_engine import Engine
from napari_rpsnn.engine.plane_ranking import Survey, sample_windows, strip_rows, survey_strip
from napari_rpsnn.images.checks import check_alpha, check_finite
from napari_rpsnn.images.focus_stack import Planes
from napari_rpsnn.images.intensity import IntensityRange

#: What a further plane needs to win a region, see `decision.hesitate`. Where two planes are
#: about equally sharp the better one of the whole picture stays, so that thin specimens come from one plane and not
#: from a patchwork of several.
STAY = 1.5


@dataclass
class _Layer:
    """A plane, or the result of several: the picture, the plane of each pixel, and where there is data (None: all)."""

    image: NDArray[Any]
    index: NDArray[np.uint16]
    valid: NDArray[np.bool_] | None


class PictureStack:
    """One picture of a stack through all its planes.

    Parameters
    ----------
    planes : Planes
    where : tuple of int
        Which picture: time, position, channel.
    register : str or None
        How planes are aligned, each to its neighbour, so that all lie where the middle one lies.
    """

    def __init__(self, planes: Planes, where: tuple[int, ...], register: str | None) -> None:
        self.planes = planes
        self.where = where
        self.register = register
        self._survey = Survey()
        self._matrices: list[NDArray[np.float64]] = []
        self._alpha: NDArray[Any] | None = None
        self._result: _Layer | None = None
        #: As far as it is fused: replaced after every merged plane, never written to.
        self.running: NDArray[Any] | None = None

    @property
    def image(self) -> NDArray[Any]:
        """The all-in-focus picture, `(rows, columns, channels)`."""
        return self.with_alpha(self._fused.image)

    @property
    def index(self) -> NDArray[np.uint16]:
        """Plane of each pixel, `(rows, columns)`."""
        return self._fused.index

    @property
    def _fused(self) -> _Layer:
        if self._result is None:
            raise RuntimeError("the picture has not been fused yet")
        return self._result

    def with_alpha(self, image: NDArray[Any]) -> NDArray[Any]:
        """A picture of the colours, with the alpha of the planes where they have one."""
        return image if self._alpha is None else np.concatenate([image, self._alpha[..., None]], -1)

    @property
    def values(self) -> IntensityRange:
        """Range of the planes that contribute."""
        return self._survey.values

    def aligned(self, k: int) -> NDArray[Any]:
        """Colours of plane `k`, aligned."""
        return self._layer(k).image

    def survey(self) -> Iterator[None]:
        """Check every plane; find the range, what planes contribute, and how they lie. Yields after each plane."""
        previous = None
        steps: list[NDArray[np.float64]] = []
        for k in range(self.planes.count):
            picture = self._read(k)
            layout = self.planes.layout
            rows, columns, _ = picture.shape
            strips = [survey_strip(picture[r.start : r.stop + 1], r.stop - r.start, layout) for r in strip_rows(rows)]
            self._survey.add(k, strips, [layout.seen(picture[window]) for window in sample_windows(rows, columns)])
            if self.register is not None:
                from napari_rpsnn.engine.registration import estimate

                grey = layout.grey(picture)
                steps.append(np.eye(3) if previous is None else estimate(previous, grey, self.register))
                previous = grey
            yield
        self._survey.choose()
        self._matrices = _chain(steps)

    def rank(self, engine: Engine) -> Iterator[None]:
        """Find the order of the planes. Yields after each plane."""
        yield from self._survey.rank(engine)

    def fuse(self, engine: Engine, order: str) -> Iterator[str | None]:
        """Fuse the planes that contribute. Yields as `Engine.fuse` does."""
        pile: list[_Layer] = []
        # The next plane is read while one is fused.
        with ThreadPoolExecutor(1) as reader:
            planes = iter(self._survey.order)
            following = reader.submit(self._layer, next(planes))
            for k in merges(self._survey.order, order):
                if k is not None:
                    pile.append(following.result())
                    if (after := next(planes, None)) is not None:
                        following = reader.submit(self._layer, after)
                else:
                    self.running = pile[0].image
                    layer = pile.pop()
                    pile.append((yield from self._merge(pile.pop(), layer, engine)))
        self._result = pile.pop()

    def _read(self, k: int) -> NDArray[Any]:
        """Colours of plane `k`, checked, not aligned."""
        picture = self.planes.read(self.where, k)
        check_finite(picture, f"images, plane {k}")
        if not self.planes.layout.alpha:
            return picture
        if self._alpha is None:
            self._alpha = picture[..., 3]
        check_alpha(self._alpha, picture[..., 3], ("images: plane 0", f"plane {k}"))
        return picture[..., :3]

    def _layer(self, k: int) -> _Layer:
        picture = self._read(k)
        index = np.full(picture.shape[:2], k, np.uint16)
        if not self._matrices:
            return _Layer(picture, index, None)
        from napari_rpsnn.engine.registration import warp

        picture, valid = warp(picture, self._matrices[k])
        return _Layer(picture, index, None if valid.all() else valid)

    def _merge(self, layer0: _Layer, layer1: _Layer, engine: Engine) -> Generator[str | None, None, _Layer]:
        image0, image1, valid0, valid1 = layer0.image, layer1.image, layer0.valid, layer1.valid
        # Without data in one, both are the same there, and neither the network nor a neighbour sees an edge.
        if valid0 is not None:
            image0 = np.where(valid0[..., None], layer0.image, layer1.image)
        if valid1 is not None:
            image1 = np.where(valid1[..., None], layer1.image, layer0.image)
        image = np.empty(image0.shape, image0.dtype)
        share = np.ones(image.shape[:2], np.float32)
        yield from engine.fuse(image0, image1, self._survey.values, image, share, self.planes.layout.seen, STAY)
        first = share >= 0.5
        if valid0 is not None:
            first &= valid0
        if valid1 is not None:
            first |= ~valid1
        valid = None if valid0 is None or valid1 is None else valid0 | valid1
        return _Layer(image, np.where(first, layer0.index, layer1.index), valid)


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

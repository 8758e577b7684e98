"""Whether a specimen is so thin that one plane shows all of it: then every pixel comes from that plane.

Out of focus, what refracts light has rings, and contrast that may be greater than in focus. Evidence of detail takes
them for focus, so that the planes of a thin specimen become a patchwork. R-PSNN knows them, but comparing planes by it
costs ten times as much as all the rest, so it is asked in a few small windows only:

1. Windows of all planes are decided as the picture will be. Where scores would lose much by one plane, or much in
   places, as where there is a bristle or another depth, nobody is asked.
2. R-PSNN sees them at half the resolution, where rings are as wide as the details that it was trained to compare, and
   at the full one, where thin things are. Of the planes that most pixels come from, the one that it finds in focus in
   more places is the best one; where pixels come from another plane, R-PSNN is asked which of both is in focus.
3. Where it supports the choice of others at neither resolution, what the planes differ in is no focus, and one plane
   shows all: the one by which scores lose least. The less they lose, the more it may be for others at the full
   resolution, which shows grain, too: where they lose less than by anything thin, it is not asked there.

Where nearly all comes from one plane anyway, and there is no noise, that plane is then taken only where the others are
not far better: what lies elsewhere in the picture, at another depth, is kept, while single specks of rings are not.

Where most of a picture is dark nobody is asked: what shines by itself is not refracted. Noise makes votes small and
random, so R-PSNN sees the planes smoothed as far as it takes to quieten them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import convolve, gaussian_filter

from napari_rpsnn.engine.stacks.decision import best_planes, score_window
from napari_rpsnn.engine.stacks.evidence import without_hot_pixels
from napari_rpsnn.engine.stacks.neighbours import filled
from napari_rpsnn.engine.stacks.samples import Sample
from napari_rpsnn.engine.stacks.statistics import PlaneStatistics, StackStatistics
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.validity import Valid
from napari_rpsnn.model.stack_decider import bundled_stack_decider

#: Which of two grey pictures in [0, 1] is in focus at each pixel: from 1, the first, to -1, the second.
VoteMap = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]

#: Planes that R-PSNN compares: those that most pixels come from.
MOST_PLANES = 5
#: Shares of the pixels: scores must not lose much in the one, and not by a single hair in the other.
SHARE, NEARLY_ALL = 0.99, 0.999


@dataclass(frozen=True)
class _Bounds:
    """What scores lose at most by the one plane in `SHARE` and in `NEARLY_ALL` of the pixels.

    Rings are everywhere, what is thin is in few places: for each that scores lose in the mean it may be so many more.
    """

    nowhere_much: float
    no_hair: float
    for_each: float

    def hold(self, lost: Any, most: Any, worst: Any) -> Any:
        """Whether that is so, of one plane or of all at once."""
        more = self.for_each * lost
        return (lost <= LITTLE) & (most <= self.nowhere_much + more) & (worst <= self.no_hair + more)


#: In the mean, in `SHARE` and in `NEARLY_ALL` of the pixels, a real smear loses 1.5 to 4.0, 26 and 40, one with wide
#: rings 5.3, 37 and 55; bristles as bright as the gravel behind them 3, 53 and 77, in a little noise 1.3, 36 and 57.
WITHOUT_NOISE = _Bounds(25.0, 45.0, 4.0)
#: Where no score is sure: smears 0 to 1.4, 14 and 21; such bristles 0.2 to 1, 7 to 24 and 26 to 39, others 2.4 to 5, 35
#: and 47.
IN_NOISE = _Bounds(16.0, 23.5, 0.0)
#: In `SHARE` of the pixels, where nothing is thin at all; and at most in the mean: smears lose 5.3 and less, even
#: sections 8.6, surfaces 15 and more.
NOTHING_THIN, LITTLE = 15.0, 7.0
#: Mean vote for the planes that were chosen, as a share of what votes are worth there, in a thin specimen: at most this
#: at half the resolution; and at the full one less, the more scores lose: none where they lose `EVEN` in the mean, and
#: 1 for each `WORTH` less. So crops of a real smear may have 0.35 to 0.44 and have up to 0.35, uneven sections may have
#: -0.1 to 0.4 and have 0.1 to 0.8.
SUPPORT, EVEN, WORTH = 0.0, 9.4, 12.0
#: Share of the pixels that come from one plane, of a picture that nearly all comes from it.
NEARLY = 0.98
#: Of the brightest value: the median in transmitted light is at least this. What shines by itself has no rings.
GROUND = 0.3
#: Standard deviation of noise that votes are good in, in grey values from 0 to 1; and least sigma worth smoothing by.
QUIET, LEAST_SIGMA_PX = 4 / 255, 0.3
IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def settled(planes: Sequence[PlaneStatistics], known: StackStatistics, votes: VoteMap) -> StackStatistics:
    """What is known, and whether one plane shows all, or nearly all."""
    known, question = decide_samples(planes, known)
    return question.answered(votes) if question else known


def decide_samples(
    planes: Sequence[PlaneStatistics], known: StackStatistics
) -> tuple[StackStatistics, Question | None]:
    """What is known when windows of all planes are decided, and what R-PSNN has to be asked then.

    Of two planes alone it decides anyway.
    """
    numbers = {plane.number: plane for plane in planes}
    places = list(zip(*(numbers[k].samples for k in known.planes), strict=True))
    if len(known.planes) == 2 or not _lit_from_behind(places, known.values):
        return known, None
    counts, pixels = np.zeros(len(known.planes), np.int64), sum(samples[0].wide[..., 0].size for samples in places)
    windows, chosen, losses = [], [], []
    for samples in places:
        window = _Window.of(samples, known)
        index, loss = window.decided(known)
        windows.append(window)
        chosen.append(index)
        losses.append(loss)
        counts += np.bincount(index.ravel(), minlength=len(counts))
        if loss.too_much and counts.sum() - counts.max() > (1 - NEARLY) * pixels:
            return known, None  # whatever the other windows show
    share = counts / counts.sum()
    is_quiet = all(_smoothing(window.inner_planes) < LEAST_SIGMA_PX for window in windows)
    # In noise no score is so much better that what is thin would be kept.
    nearly = bool(share.max() >= NEARLY and is_quiet)
    lost = np.mean([loss.mean for loss in losses], 0)
    least = int(share.argmax() if nearly else lost.argmin())
    most, worst = (max(loss.most[part][least] for loss in losses) for part in (SHARE, NEARLY_ALL))
    bounds = WITHOUT_NOISE if is_quiet else IN_NOISE
    if not bounds.hold(lost[least], most, worst):
        return known, None
    candidates = [int(k) for k in np.argsort(-share, kind="stable")[:MOST_PLANES] if share[k] > 0]
    allowed = 1.0 if most <= NOTHING_THIN else (EVEN - lost[least]) / WORTH
    return known, Question(known, windows, chosen, candidates, least, allowed, nearly)


def _lit_from_behind(places: Sequence[Sequence[Sample]], values: IntensityRange) -> bool:
    medians = [np.median(sample.window.astype(np.float64)) for samples in places for sample in samples]
    black = min(0.0, float(values.low))
    return float(np.median(medians)) - black >= GROUND * (float(values.high) - black)


@dataclass(frozen=True)
class Question:
    """Whether one plane shows all that there is in some windows.

    Attributes
    ----------
    known : StackStatistics
    windows : list of _Window
    chosen : list of ndarray of int
        The planes that pixels of each window come from.
    candidates : list of int
        Those that most of them come from.
    least : int
        The one by which scores lose least.
    allowed : float
        How much R-PSNN may be for others at the full resolution.
    nearly : bool
        Whether nearly all comes from `least`, which then shows nearly all if R-PSNN is for no other.
    """

    known: StackStatistics
    windows: list[_Window]
    chosen: list[NDArray[np.int64]]
    candidates: list[int]
    least: int
    allowed: float
    nearly: bool

    def answered(self, votes: VoteMap) -> StackStatistics:
        """What is known when R-PSNN was asked."""
        if not self._shows_all(votes):
            return self.known
        return replace(self.known, mostly=self.least) if self.nearly else replace(self.known, only=self.least)

    def _shows_all(self, votes: VoteMap) -> bool:
        halved = _Votes([[_halved(plane) for plane in window.planes] for window in self.windows], votes)
        if halved.support(self.candidates, [_halved(index) for index in self.chosen]) > SUPPORT:
            return False
        if self.allowed >= 1:
            return True
        near = _Votes([window.inner_planes for window in self.windows], votes)
        inner = [index[window.inner] for index, window in zip(self.chosen, self.windows, strict=True)]
        return near.support(self.candidates, inner) <= self.allowed


class _Votes:
    """Votes of R-PSNN between two planes in all windows, asked for once."""

    def __init__(self, windows: list[list[NDArray[np.float32]]], votes: VoteMap) -> None:
        self._windows, self._votes = [_quiet(planes) for planes in windows], votes
        self._asked: dict[tuple[int, int], list[NDArray[np.float32]]] = {}

    def __call__(self, first: int, second: int) -> list[NDArray[np.float32]]:
        if (first, second) not in self._asked:
            made = [self._votes(planes[first], planes[second]) for planes in self._windows]
            self._asked[first, second], self._asked[second, first] = made, [-votes for votes in made]
        return self._asked[first, second]

    def mean(self, first: int, second: int) -> float:
        """Mean of all votes, from 1 for the first plane to -1 for the second."""
        votes = self(first, second)
        return sum(float(one.sum()) for one in votes) / sum(one.size for one in votes)

    def support(self, candidates: list[int], chosen: list[NDArray[np.int64]]) -> float:
        """How much R-PSNN is for the choice of other planes than the best one, from 1 to -1."""
        best = candidates[0]
        for k in candidates[1:]:
            if self.mean(best, k) < 0:
                best = k
        taken = [
            votes[index == k]
            for k in sorted(set(candidates) - {best})
            for votes, index in zip(self(k, best), chosen, strict=True)
        ]
        worth = sum(float(np.abs(votes).sum()) for votes in taken)
        return sum(float(votes.sum()) for votes in taken) / worth if worth else 1.0


@dataclass(frozen=True)
class _Losses:
    """What scores of a window lose if it has one plane only: of each plane the mean, and at most in shares."""

    mean: NDArray[np.float32]
    most: dict[float, NDArray[np.float32]]

    @property
    def too_much(self) -> bool:
        """Whether that is too much of every plane, noise or not."""
        at_most = WITHOUT_NOISE.hold(LITTLE, self.most[SHARE], self.most[NEARLY_ALL])
        return not np.any((self.mean <= LITTLE) & at_most)


@dataclass(frozen=True)
class _Window:
    """What all planes show in a sample, and where they have data.

    Grey, with what a neighbour shows where a plane has no data, and without hot pixels, which R-PSNN would take for
    focus.
    """

    planes: list[NDArray[np.float32]]
    valid: list[Valid]
    inner: tuple[slice, slice]

    @property
    def inner_planes(self) -> list[NDArray[np.float32]]:
        """Without what lies around."""
        return [plane[self.inner] for plane in self.planes]

    @classmethod
    def of(cls, samples: Sequence[Sample], known: StackStatistics) -> _Window:
        """What is compared of the samples of all planes in one place."""
        seen = [(known.seen(k, sample.wide), sample.wide_valid) for k, sample in enumerate(samples)]
        whole = np.stack([filled(seen.__getitem__, near)[0] for near in known.nearest])
        planes = without_hot_pixels(torch.from_numpy(whole)[:, None])[:, 0]
        return cls(list(planes.numpy()), [valid for _, valid in seen], samples[0].inner)

    def decided(self, known: StackStatistics) -> tuple[NDArray[np.int64], _Losses]:
        """Index, beside which nothing is known, and what scores lose."""
        rows, columns = self.planes[0].shape
        window = slice(0, rows), slice(0, columns)
        decider = bundled_stack_decider(torch.device("cpu"))
        # Detail in a smooth surface may be that of rings, and what is cut off may be their light.
        scored = score_window(lambda k, _: (self.planes[k], self.valid[k]), window, known, decider, rules=False)
        lost = (scored.scores.amax(0) - scored.scores).flatten(1)
        pixels = lost.shape[1]
        most = {share: lost.kthvalue(max(round(share * pixels), 1)).values.numpy() for share in (SHARE, NEARLY_ALL)}
        losses = _Losses(lost.mean(1).numpy(), most)
        return best_planes(scored, rows, columns).index.numpy(), losses


def _halved(picture: NDArray[Any]) -> NDArray[Any]:
    """At half the resolution, the last row and column repeated: means of four values, or of an index one of them."""
    whole = np.pad(picture, [(0, length % 2) for length in picture.shape], mode="edge")
    rows, columns = (length // 2 for length in whole.shape)
    squares = whole.reshape(rows, 2, columns, 2)
    halved: NDArray[Any] = squares[:, 0, :, 0] if picture.dtype.kind == "i" else squares.mean((1, 3))
    return halved


def _quiet(planes: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Planes of a window, smoothed by what it takes to make their noise `QUIET`."""
    sigma = _smoothing(planes)
    return [gaussian_filter(plane, sigma) if sigma >= LEAST_SIGMA_PX else plane for plane in planes]


def _smoothing(planes: Sequence[NDArray[np.float32]]) -> float:
    """Pixels of the standard deviation that makes the noise of a window `QUIET`.

    Noise is measured by a mask that straight edges and slopes have no part in (J. Immerkær, "Fast noise variance
    estimation", Comput. Vis. Image Underst. 64 (1996)), in the plane where that finds least: details are no noise.
    """
    least = min(float(np.median(np.abs(convolve(plane, IMMERKAER)))) for plane in planes)
    return least / (0.6745 * 6) / (2 * float(np.sqrt(np.pi)) * QUIET)

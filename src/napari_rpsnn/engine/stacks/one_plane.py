"""Whether a specimen is so thin that one plane shows all of it: then every pixel comes from that plane.

Out of focus, what refracts light has rings, and contrast that may be greater than in focus. Evidence of detail takes
them for focus, so that the planes of a thin specimen become a patchwork. R-PSNN knows them, but comparing planes by it
costs ten times as much as all the rest, so it is asked in a few small windows only:

1. Windows of all planes are decided as the picture will be.
2. Of the planes that most of their pixels come from, the one that R-PSNN finds in focus in more places is the best one.
3. Where pixels come from another plane, R-PSNN is asked which of both is in focus. Only where it is plainly for the
   best one instead, there and as a whole, what the planes differ in is no focus: one plane shows all, the best of all.

Where most of a picture is dark nobody is asked: what shines by itself is not refracted. Noise makes votes small and
random, so R-PSNN sees the planes smoothed as far as it takes to quieten them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import convolve, gaussian_filter, uniform_filter

from napari_rpsnn.engine.stacks.decision import decide_window
from napari_rpsnn.engine.stacks.statistics import PlaneStatistics, StackStatistics
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.model.stack_decider import bundled_stack_decider

#: Which of two grey pictures in [0, 1] is in focus at each pixel: from 1, the first, to -1, the second.
VoteMap = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]

#: Planes that R-PSNN compares, those that most pixels come from, and the least share of pixels of such a plane.
MOST_PLANES, LEAST_SHARE = 5, 0.02
#: Mean vote for the planes that were chosen, as a share of what votes are worth there: at most this in a thin specimen.
SUPPORT = -0.4
#: Share of the pixels from other planes where votes for the best one are such, in the mean of a square of this side: at
#: least this. Both bounds gained most on 90 held-out stacks of training's kinds: eleven became one plane, eight of them
#: by 0.3 to 27 dB better, three by 1.0 to 7.5 dB worse.
AGAINST, AROUND_PX, PLAINLY = 0.35, 5, 0.3
#: Of the brightest value: the median in transmitted light is at least this. What shines by itself has no rings.
GROUND = 0.3
#: Standard deviation of noise that votes are good in, in grey values from 0 to 1; and least sigma worth smoothing by.
QUIET, LEAST_SIGMA_PX = 4 / 255, 0.3
IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


@dataclass(frozen=True)
class Verdict:
    """What R-PSNN says: the best plane, how much it supports the decision (1 to -1), where it is plainly against it."""

    best: int
    support: float
    against: float

    @property
    def thin(self) -> bool:
        """Whether the best plane shows all."""
        return self.support <= SUPPORT and self.against >= AGAINST


def settled(planes: Sequence[PlaneStatistics], known: StackStatistics, votes: VoteMap) -> StackStatistics:
    """What is known, and whether one plane shows all; of two planes alone R-PSNN decides anyway."""
    if len(known.planes) == 2 or not _lit_from_behind(planes, known.values):
        return known
    verdict = asked_in_windows(planes, known, votes)
    return replace(known, only=verdict.best) if verdict.thin else known


def _lit_from_behind(planes: Sequence[PlaneStatistics], values: IntensityRange) -> bool:
    median = float(np.median([np.median(sample.astype(np.float64)) for plane in planes for sample, _ in plane.samples]))
    black = min(0.0, float(values.low))
    return median - black >= GROUND * (float(values.high) - black)


def asked_in_windows(planes: Sequence[PlaneStatistics], known: StackStatistics, votes: VoteMap) -> Verdict:
    """What R-PSNN says of the decision of the planes' samples."""
    numbers = {plane.number: plane for plane in planes}
    windows = []
    for i in range(len(planes[0].samples)):
        samples = [numbers[k].samples[i] for k in known.planes]
        seen = [known.seen(k, sample) for k, (sample, _) in enumerate(samples)]
        valid = [there for _, there in samples]
        windows.append((_filled(seen, valid), valid))
    chosen = [_decided(*window, known) for window in windows]
    counts = np.bincount(np.concatenate([index.ravel() for index in chosen]), minlength=len(known.planes))
    share = counts / counts.sum()
    candidates = [int(k) for k in np.argsort(-share, kind="stable")[:MOST_PLANES] if share[k] >= LEAST_SHARE]
    shown = [_quiet(seen) for seen, _ in windows]
    asked: dict[tuple[int, int], NDArray[np.float32]] = {}

    def vote(first: int, second: int) -> NDArray[np.float32]:
        if (first, second) not in asked:
            asked[first, second] = np.stack([votes(seen[first], seen[second]) for seen in shown])
            asked[second, first] = -asked[first, second]
        return asked[first, second]

    best = candidates[0]
    for k in candidates[1:]:
        if vote(best, k).sum() < 0:
            best = k
    total = worth = plainly = pixels = 0.0
    for k in candidates:
        taken = np.stack(chosen) == k
        if k != best and taken.any():
            part = vote(k, best)
            around = uniform_filter(part, (0, AROUND_PX, AROUND_PX))
            total, worth = total + float(part[taken].sum()), worth + float(np.abs(part[taken]).sum())
            plainly, pixels = plainly + float((around[taken] < -PLAINLY).sum()), pixels + float(taken.sum())
    verdict = Verdict(best, total / worth if worth else 1.0, plainly / pixels if pixels else 0.0)
    if verdict.thin:
        # What is mostly phase has least contrast in focus, so that hardly a pixel may come from the best plane.
        for k in sorted(set(range(len(known.planes))) - set(candidates)):
            if vote(best, k).sum() < 0:
                best = k
    return replace(verdict, best=best)


def _quiet(planes: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Planes of a window, smoothed by what it takes to make their noise `QUIET`.

    Noise is measured by a mask that straight edges and slopes have no part in (J. Immerkær, "Fast noise variance
    estimation", Comput. Vis. Image Underst. 64 (1996)), in the plane where that finds least: details are no noise.
    """
    least = min(float(np.median(np.abs(convolve(plane, IMMERKAER)))) for plane in planes)
    sigma = least / (0.6745 * 6) / (2 * np.sqrt(np.pi) * QUIET)
    return [gaussian_filter(plane, sigma) if sigma >= LEAST_SIGMA_PX else plane for plane in planes]


def _filled(
    seen: Sequence[NDArray[np.float32]], valid: Sequence[NDArray[np.bool_] | None]
) -> list[NDArray[np.float32]]:
    """Where a plane has no data, what the others show in the mean: R-PSNN is not to see an edge there."""
    if all(there is None for there in valid):
        return list(seen)
    weights = [np.ones(seen[0].shape) if there is None else there for there in valid]
    mean = np.average(np.stack(seen), 0, np.asarray(weights, np.float64) + 1e-9).astype(np.float32)
    return [one if there is None else np.where(there, one, mean) for one, there in zip(seen, valid, strict=True)]


def _decided(
    seen: Sequence[NDArray[np.float32]], valid: Sequence[NDArray[np.bool_] | None], known: StackStatistics
) -> NDArray[np.int64]:
    """Index of a window, beside which nothing is known."""
    rows, columns = seen[0].shape
    window = slice(0, rows), slice(0, columns)
    decider = bundled_stack_decider(torch.device("cpu"))
    decided = decide_window(lambda k, _: (seen[k], valid[k]), window, known, decider)
    index: NDArray[np.int64] = decided.index.numpy()
    return index

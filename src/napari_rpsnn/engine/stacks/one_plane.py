"""Whether a specimen is so thin that one plane shows all of it: then every pixel comes from that plane.

Out of focus, what refracts light has rings, and contrast that may be greater than in focus. Evidence of detail takes
them for focus, so that the planes of a thin specimen become a patchwork. R-PSNN knows them, but comparing planes by it
costs ten times as much as all the rest, so it is asked in a few small windows only:

1. Windows of all planes are decided as the picture will be.
2. Of the planes that most of their pixels come from, the one that R-PSNN finds in focus in more places is the best one.
3. Where pixels come from another plane, is it R-PSNN's choice there, too? In all that has depth it is. Where it is not,
   what the planes differ in is no focus, and the best one shows all; unless R-PSNN clearly prefers others in places.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from napari_rpsnn.engine.stacks.decision import decide_window
from napari_rpsnn.engine.stacks.statistics import PlaneStatistics, StackStatistics
from napari_rpsnn.model.stack_decider import bundled_stack_decider

#: Which of two grey pictures in [0, 1] is in focus at each pixel: from 1, the first, to -1, the second.
VoteMap = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]

#: Planes that R-PSNN compares, those that most pixels come from, and the least share of pixels of such a plane.
MOST_PLANES, LEAST_SHARE = 5, 0.02
#: Mean vote for the planes that were chosen, as a share of what votes are worth there (noise makes all of them small).
#: Rendered stacks with depth have 0.36 to 1, thin brightfield has -0.93 to 0.16; but one of texture that misled the
#: network of stacks had 0.01.
SUPPORT = 0.25
#: And the share of pixels around which, in squares of this side, R-PSNN clearly prefers another plane to the best one:
#: that texture had 0.53, thin brightfield has 0.24 at most.
ELSEWHERE, AROUND_PX, CLEARLY = 0.3, 15, 0.3


@dataclass(frozen=True)
class Verdict:
    """What R-PSNN says: the best plane, how much it supports the decision (1 to -1), and where it prefers others."""

    best: int
    support: float
    elsewhere: float


def settled(planes: Sequence[PlaneStatistics], known: StackStatistics, votes: VoteMap) -> StackStatistics:
    """What is known, and whether one plane shows all; of two planes alone R-PSNN decides anyway."""
    if len(known.planes) == 2:
        return known
    verdict = asked_in_windows(planes, known, votes)
    thin = verdict.support < SUPPORT and verdict.elsewhere < ELSEWHERE
    return replace(known, only=verdict.best) if thin else known


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
    candidates = [k for k in np.argsort(-share, kind="stable")[:MOST_PLANES] if share[k] >= LEAST_SHARE]
    asked: dict[tuple[int, int], list[NDArray[np.float32]]] = {}

    def vote(first: int, second: int) -> list[NDArray[np.float32]]:
        if (first, second) not in asked:
            asked[first, second] = [votes(seen[first], seen[second]) for seen, _ in windows]
            asked[second, first] = [-part for part in asked[first, second]]
        return asked[first, second]

    best = int(candidates[0])
    for k in candidates[1:]:
        if sum(part.sum() for part in vote(best, k)) < 0:
            best = int(k)
    total = worth = 0.0
    others = [int(k) for k in candidates if k != best]
    for k in others:
        parts = np.concatenate([part[index == k] for part, index in zip(vote(k, best), chosen, strict=True)])
        total, worth = total + float(parts.sum()), worth + float(np.abs(parts).sum())
    elsewhere = 0.0
    if others:
        around = [[uniform_filter(vote(k, best)[i], AROUND_PX) for k in others] for i in range(len(windows))]
        better = np.concatenate([np.max(parts, 0).ravel() for parts in around])
        elsewhere = float(np.mean(better > CLEARLY))
    return Verdict(best, total / worth if worth else 1.0, elsewhere)


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

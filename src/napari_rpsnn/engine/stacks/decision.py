"""Which plane of a stack each pixel comes from: all planes are weighed at once, window by window.

1. `statistics`: what must be known of the planes as a whole.
2. `evidence`: what each plane shows in a window, at several scales.
3. `StackDecider`: a small network gives every plane a score at every pixel; the plane of the highest one is taken.
   Where the camera cuts off light, `highlights` changes scores.
4. `outlines`: where planes far apart meet, the two are compared once more, at the full resolution.

A window goes through all planes before the next one is begun, so that memory does not grow with the picture. Which
windows there are follows from the size of the picture and the number of planes, whatever holds them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_rpsnn.engine.stacks import highlights, smooth_surface
from napari_rpsnn.engine.stacks.evidence import STEP, binomial, compare, halved, look, to_steps
from napari_rpsnn.engine.stacks.neighbours import elsewhere, filled, passed_on
from napari_rpsnn.engine.stacks.outlines import Outlines, decide_outlines, far_apart
from napari_rpsnn.engine.stacks.preference import leave_out_others
from napari_rpsnn.images.layout import Window
from napari_rpsnn.images.tiling import Tile, split_by_area
from napari_rpsnn.images.validity import Valid
from napari_rpsnn.model.outline_decider import bundled_outline_decider
from napari_rpsnn.model.stack_decider import StackDecider, bundled_highlight_decider

if TYPE_CHECKING:
    from napari_rpsnn.engine.stacks.statistics import StackStatistics

#: Where windows begin: in steps at half the resolution, too.
GRID = 2 * STEP
#: Pixels that are read around a window. More are seen around a pixel, but what lies beyond these changes the plane of
#: four pixels in a thousand at most, and of one in a hundred of dark ground in much noise, by which no picture is
#: further from the truth; of 200 planes it would be a third of the work.
HALO = 4 * STEP
#: Pixels of a window, times planes: some 400 MB.
MOST_PX = 24e6
#: Sides in pixels of squares: no window has to have fewer pixels than the one, or may have more than the other.
LEAST_SIDE, MOST_SIDE = 2 * HALO + 192, 1024

#: What a plane's score, the logarithm of a probability, loses for being brighter or darker than the others by a factor
#: of e: where planes are as good as each other, a background in one brightness is worth more than any of them.
UNLIKE = 20.0

#: Pixels at half the resolution that scores are averaged over; how far below the best one a score counts there at most,
#: and how many times the average is added.
AROUND_PX, FARTHEST, BY_AROUND = 4, 6.0, 2.0

#: What is added to the score of the plane that nearly all comes from. Bristles have 50 to 100 more than their ground,
#: small things that stand out from it 10 to 40, rings of a smear up to 40.
BY_MOST = 25.0

#: What the score of a plane without light loses where planes have their own; and brightness that makes no difference.
BY_LIGHT, DARK = 200.0, 0.02

#: What is taken from the score of a plane where it has no data.
NO_DATA = 1e4

#: Reads a window of a plane, counted in those that contribute: grey, of one brightness, and where there is data (None:
#: everywhere).
Read = Callable[[int, tuple[slice, slice]], tuple[NDArray[np.float32], Valid]]


@dataclass(frozen=True)
class Decided:
    """Of a window `(rows, columns)`.

    Attributes
    ----------
    index : Tensor of int64
        Plane of each pixel, counted in the planes that were handed in.
    confidence : Tensor of float32
        How much more probable that plane is than the next one, from 0 to 1.
    """

    index: Tensor
    confidence: Tensor


@dataclass(frozen=True)
class Scored:
    """Of all planes of a window, whose sides are rounded up to steps.

    Attributes
    ----------
    scores : Tensor of shape `(N, rows / 2, columns / 2)`
    finer : Tensor of shape `(N, FINER, rows / 2, columns / 2)`
        How far the scores of single pixels differ from these.
    masks : list of ndarray of bool, or None
        Where each plane has data.
    preferred : Tensor, or None
        Scores by which the preferred one of two depths is taken.
    """

    scores: Tensor
    finer: Tensor
    masks: list[Valid]
    preferred: Tensor | None = None

    def at_pixels(self, k: int, part: Window) -> Tensor:
        """Scores of the pixels of a plane in a part, at whose borders they are less smooth than in the whole."""
        row, column = (slice(side.start // 2, -(-side.stop // 2)) for side in part)
        made = at_pixels(self.scores[k, None, row, column], self.finer[k, None, :, row, column])[0]
        rows, columns = _sides(part)
        return made[part[0].start % 2 :, part[1].start % 2 :][:rows, :columns]


def windows(rows: int, columns: int, planes: int) -> list[Tile]:
    """What a stack is decided in: windows that begin in multiples of `GRID` and are read with a halo of `HALO`."""
    most = min(max(MOST_PX / planes, LEAST_SIDE**2), MOST_SIDE**2)
    # In units of the grid; the last one may be cut off by the border of the picture.
    of_grid = split_by_area(-(-rows // GRID), -(-columns // GRID), int(most) // GRID**2, HALO // GRID)

    def fine(parts: tuple[slice, slice], ends: tuple[int, int]) -> tuple[slice, slice]:
        row, column = (slice(GRID * p.start, min(GRID * p.stop, end)) for p, end in zip(parts, ends, strict=True))
        return row, column

    found = []
    for place in of_grid:
        read = fine(place.read, (rows, columns))
        found.append(Tile(read, fine(place.write, (rows, columns)), fine(place.inner, _sides(read))))
    return found


def _sides(window: tuple[slice, slice]) -> tuple[int, int]:
    rows, columns = (axis.stop - axis.start for axis in window)
    return rows, columns


@torch.inference_mode()
def decide_window(read: Read, window: tuple[slice, slice], known: StackStatistics, decider: StackDecider) -> Decided:
    """Decide a window; good `HALO` inside of it, and up to the borders of the picture.

    Parameters and what is read are those of `score_window`.
    """
    scored = score_window(read, window, known, decider)
    decided = best_planes(scored, *_sides(window))
    if known.mostly is None:
        decided = _beside_outlines(decided, scored, read, window, known)
    if scored.preferred is None:
        return decided
    other = best_planes(replace(scored, scores=scored.preferred), *_sides(window))
    numbers = torch.tensor(known.planes, device=decided.index.device)
    ahead = numbers[decided.index] - numbers[other.index]
    wins = ahead > 0 if known.prefer == "near" else ahead < 0
    return Decided(other.index.where(wins, decided.index), other.confidence.where(wins, decided.confidence))


def _beside_outlines(
    decided: Decided, scored: Scored, read: Read, window: tuple[slice, slice], known: StackStatistics
) -> Decided:
    """The same, but for pixels beside what lies far before or behind something else."""
    device = decided.index.device

    def show(k: int, part: Window) -> Tensor:
        row, column = (slice(w.start + p.start, w.start + p.stop) for w, p in zip(window, part, strict=True))
        return torch.from_numpy(filled(lambda j: read(j, (row, column)), known.nearest[k])[0]).to(device)

    outlines = Outlines.of(decided.index, known.places, far_apart(len(known.planes)))
    for square, decision in decide_outlines(outlines, show, scored.at_pixels, bundled_outline_decider(device)):
        here, index, confidence = outlines.within(square), decided.index[square], decided.confidence[square]
        chosen = torch.where(decision > 0, here.first, here.last)
        there = here.open
        for k, mask in enumerate(scored.masks):
            if mask is not None:
                there = there & ((chosen != k) | torch.from_numpy(mask[square]).to(device))
        decided.index[square] = chosen.where(there, index)
        decided.confidence[square] = (decision / 2).tanh().abs().where(there, confidence)
    return decided


@torch.inference_mode()
def score_window(
    read: Read, window: tuple[slice, slice], known: StackStatistics, decider: StackDecider, rules: bool = True
) -> Scored:
    """Scores of all planes.

    Parameters
    ----------
    read : callable
        Is called for one plane after the other, and for neighbours of those that have no data in places.
    window : tuple of slice
        Begins in multiples of `STEP`, and ends there or at the border of the picture.
    known : StackStatistics
    decider : StackDecider
    rules : bool, optional
        Whether detail around counts where a surface is smooth, and scores change where light is cut off.
    """
    device = next(decider.parameters()).device
    masks: list[Valid] = []
    others: list[Tensor | None] = []
    clipped: list[Tensor] = []

    def look_at(k: int) -> list[Tensor]:
        grey, valid, source = filled(lambda j: read(j, window), known.nearest[k])
        masks.append(valid)
        plane, shown = _in_steps(grey, device), None if source is None else _in_steps(source, device)
        if known.coarse:
            plane, shown = halved(plane), None if shown is None else to_steps(F.max_pool2d(shown, 2))
        others.append(None if shown is None else elsewhere(shown, k))
        clipped.append(highlights.clipped(plane, known.levels[k].of_unit(known.values)))
        return look(plane, known.rounding[k])

    evidence, facts = compare(map(look_at, range(len(known.planes)))), known.detail.to(device)
    level = evidence[smooth_surface.LEVEL]
    around = torch.cat([seen[:, smooth_surface.FINEST_AROUND] for seen in level.seen]).float()
    light = torch.cat([seen[:, -1:] for seen in evidence[0].seen]).float() if known.own_light else None
    changes = highlights.changes(evidence, clipped, facts, bundled_highlight_decider(device)) if rules else None
    scores, finer = decider(evidence, facts)
    if changes is not None:
        scores, finer = (made + change for made, change in zip((scores, finer), changes, strict=True))
    unlike = scores.new_tensor(known.unlike)
    scores = beside_others(scores) - UNLIKE * unlike[:, None, None]
    if light is not None:
        scores += by_light(light)
    if known.mostly is not None:
        scores[known.mostly] += BY_MOST
    elif rules:  # where one plane shows nearly all, what else has detail are rings
        scores += smooth_surface.by_detail(around, known.places, unlike)
    preferred = None
    if known.prefer is not None:
        preferred = passed_on(leave_out_others(scores.clone(), known.planes, known.prefer), others)
    scores = passed_on(scores, others)
    if known.coarse:  # what is at pixels there, is at half the resolution here
        preferred = None if preferred is None else at_pixels(preferred, finer)
        scores = at_pixels(scores, finer)
        finer = finer.new_zeros(()).expand(*finer.shape[:2], *scores.shape[1:])
    return Scored(scores, finer, masks, preferred)


def at_pixels(scores: Tensor, finer: Tensor) -> Tensor:
    """Scores `(N, rows, columns)` of pixels, of what the decider has made."""
    between = F.interpolate(scores[:, None], scale_factor=2, mode="bilinear")
    return (between + F.pixel_shuffle(finer.contiguous(), 2))[:, 0]


def beside_others(scores: Tensor) -> Tensor:
    """Scores `(N, rows, columns)`, and as far as they leave it open, those of their surroundings.

    Surfaces are smooth where little tells planes apart; a bristle, of which scores are sure, stays.
    """
    beside_best = (scores - scores.amax(0)).clamp_min(-FARTHEST)[:, None]
    around = F.avg_pool2d(beside_best, AROUND_PX)
    around = F.interpolate(binomial(around), scale_factor=AROUND_PX, mode="bilinear")[:, 0]
    return scores + BY_AROUND * (around - around.amax(0))


def by_light(light: Tensor) -> Tensor:
    """What is added to scores `(N, rows, columns)` of planes that have the light of what lies in them alone."""
    light = binomial(light)[:, 0]
    most = light.amax(0)
    return BY_LIGHT * (light - most) / (most + DARK).clamp_min(DARK)


def _in_steps(plane: NDArray[Any], device: torch.device) -> Tensor:
    return to_steps(torch.from_numpy(plane).to(device).float()[None, None])


def best_planes(scored: Scored, rows: int, columns: int) -> Decided:
    """Of what `score_window` found, plane by plane at the full resolution, which is never there for all at once."""
    scores = scored.scores
    best = torch.full((rows, columns), -torch.inf, dtype=scores.dtype, device=scores.device)
    second, index = best.clone(), torch.zeros_like(best, dtype=torch.int64)
    total = torch.zeros_like(best)
    for k, mask in enumerate(scored.masks):
        score = scored.at_pixels(k, (slice(0, rows), slice(0, columns)))
        if mask is not None:
            score = score.where(torch.from_numpy(mask).to(score.device), score - NO_DATA)
        wins = score > best
        second = torch.maximum(second, torch.minimum(best, score))
        share = (best - score).abs_().neg_().exp_()  # of the less probable one beside the other
        total = torch.where(wins, total * share + 1, total + share)
        best = torch.maximum(best, score)
        index.masked_fill_(wins, k)
    return Decided(index, (1 - (second - best).exp()) / total)

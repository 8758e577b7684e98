"""Train the decision of stacks, `weights/stack_decider.safetensors`, on stacks rendered from sharp pictures.

    python scripts/train_stack_decider.py FOLDER OUT [STEPS [START]]

FOLDER holds sharp images, as for `napari-rpsnn-train`; what that holds out is not used. OUT is the file to write, START
one to go on from. First 1700 stacks of 192x192 pixels are rendered and kept (1.5 GB, ten minutes on one core), then
every step takes four of them, with fewer planes and a smaller crop at times, and disturbs them anew; and one that is
rendered anew takes the place of one of them.

The network sees disturbed planes; what counts is what the undisturbed ones show where it takes them. The loss is how
many decibels the stack is worse than the best plane at every pixel: of planes mixed by their probabilities, which tells
neighbouring planes apart, of one plane alone, as it is used, of the worst pixels, and of thin things, which are few;
and the share of thin things that is lost, beside the plane that shows least of them.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import trange

from napari_rpsnn.engine.stacks.decision import at_pixels, beside_others
from napari_rpsnn.engine.stacks.evidence import compare, look
from napari_rpsnn.engine.stacks.neighbours import brightness, differences, elsewhere, filled, nearest, passed_on
from napari_rpsnn.engine.stacks.statistics import energies, relative
from napari_rpsnn.io.atomic import write_bytes
from napari_rpsnn.model.stack_decider import StackDecider
from napari_rpsnn.training.acquisition import disturbed
from napari_rpsnn.training.dataset import read_pictures, split_pictures
from napari_rpsnn.training.random_draws import Draw
from napari_rpsnn.training.stack_synthesis import Stack, StackMaker

STACKS, CROP, SEED = 1700, 192, 7
STEPS, BATCH, RATE, AVERAGE = 6000, 4, 2e-3, 0.998
#: In grey levels squared, below what an 8-bit picture tells.
LEAST_ERROR = 0.1
#: How much counts what all scores have in common.
IDLE = 1e-2
#: Share of pixels that are the worst.
WORST = 0.02
#: Pixels of thin things that are too few to count by themselves.
LEAST_THIN = 30
#: In grey levels squared, by which a pixel of them may differ from what is behind it and not be missed.
FAINT = 100.0
#: Pixels at the border of a crop that do not count every other time: its surroundings are not there, but those of a
#: picture are not there either.
RIM = 8
#: Share of stacks that have more light than the camera measures, and how many times as much.
OVEREXPOSED, LIGHT = 0.25, (1.0, 1.8)
#: Of brightness from 0 to 1: below it, what a plane is brighter than the others is not made up for; and the factor by
#: which planes are made brighter or darker at most.
DARK, MOST_GAIN = 0.02, 2.0
#: Of each plane, which other ones are shown where it has no data.
Sources = tuple[NDArray[np.int64] | None, ...]


def exposed(stack: Stack, draw: Draw) -> tuple[Stack, Stack]:
    """A stack in some light, which may be more than the camera measures, and what it measures without noise."""
    light = draw.python.uniform(*LIGHT) if draw.python.random() < OVEREXPOSED else 1.0
    lit = Stack(light * stack.planes, light * stack.truth, stack.thin)
    return lit, Stack(lit.planes.clamp_max(1), lit.truth.clamp_max(1), stack.thin)


def compared(seen: Tensor, valid: Tensor) -> tuple[Tensor, Sources]:
    """What is compared of disturbed planes: of one brightness, and filled where they have no data; by which others."""
    means = (seen * valid).mean((1, 2)) / valid.float().mean((1, 2))
    # Brightness is all that drifts here, and black is 0; for planes of a camera see `engine/brightness.py`.
    gains = ((means.median() + DARK) / (means + DARK)).clamp(1 / MOST_GAIN, MOST_GAIN)
    seen = seen * gains[:, None, None]
    windows = [
        (plane.numpy(), None if there.all() else there.numpy()) for plane, there in zip(seen, valid, strict=True)
    ]
    near = nearest(differences(np.stack([brightness(*window) for window in windows])))
    shown, _, sources = zip(*(filled(windows.__getitem__, others) for others in near), strict=True)
    return torch.from_numpy(np.stack(shown)), sources


def scores_of(decider: StackDecider, shown: Tensor, sources: Sources) -> Tensor:
    """Scores of pixels `(N, rows, columns)` of what is `compared`."""
    levels = look(shown[:, None])
    scores, finer = decider(compare([levels]), relative(energies(levels)))
    return of_pixels(scores, finer, sources)


def of_pixels(scores: Tensor, finer: Tensor, sources: Sources) -> Tensor:
    """Scores of pixels `(N, rows, columns)` of what a decider has made."""
    others = [
        None if one is None else elsewhere(torch.from_numpy(one).float()[None, None], k)
        for k, one in enumerate(sources)
    ]
    return at_pixels(passed_on(beside_others(scores), others), finer)


def lost_db(scores_of_seen: Callable[[Tensor, Tensor], Tensor], stack: Stack, draw: Draw) -> Tensor:
    """Decibels lost against the best plane at every pixel, by scores of disturbed planes and where they have data."""
    lit, stack = exposed(stack, draw)
    seen, valid = disturbed(lit.planes, draw)
    scores = scores_of_seen(seen, valid)
    # What is added to the scores of all planes changes nothing, and would grow without a limit.
    idle = scores.mean(0).square().mean()
    shares = scores.masked_fill(~valid, -math.inf).softmax(0)
    errors = (255 * (stack.planes - stack.truth)).square()
    mixed = (255 * ((shares * stack.planes).sum(0) - stack.truth)).square()
    copied = (shares * errors).sum(0)
    best = errors.masked_fill(~valid, math.inf).amin(0)
    rim = (slice(RIM, -RIM) if draw.python.random() < 0.5 else slice(None),) * 2
    # A bristle is few pixels: of all there are, the worst count once more, and so do those of thin things.
    thin = stack.thin[rim]
    worst = int(WORST * thin.numel())
    most, most_of_best = (_smooth(x)[rim].flatten().topk(worst).values.mean() for x in (copied, best))
    enough = thin.sum() >= LEAST_THIN
    fine, fine_of_best = (x[rim][thin].mean() if enough else x.new_zeros(()) for x in (copied, best))
    lost = ((copied - best) / (errors.amax(0) - best + FAINT))[rim][thin].mean() if enough else copied.new_zeros(())
    mixed, copied, best = (x[rim].mean() for x in (mixed, copied, best))
    return (
        IDLE * idle
        + 5 * _more(mixed, best, LEAST_ERROR)
        + 5 * _more(copied, best, LEAST_ERROR)
        + 3 * _more(most, most_of_best, LEAST_ERROR / WORST)
        + 4 * _more(fine, fine_of_best, LEAST_ERROR / WORST)
        + 3 * lost
    )


def _more(error: Tensor, least: Tensor, negligible: float) -> Tensor:
    return (error + negligible).log10() - (least + negligible).log10()


def _smooth(picture: Tensor) -> Tensor:
    return F.avg_pool2d(picture[None], 3, 1, 1)[0]


def part_of(stack: Stack, draw: Draw) -> Stack:
    """Some neighbouring planes of a stack, a crop of it, turned and mirrored."""
    n, rows, columns = stack.planes.shape
    count = draw.python.randint(min(3, n), n)
    first = draw.python.randint(0, n - count)
    side = draw.python.choice((96, 112, 128, 144, rows))
    top, left = (draw.python.randint(0, length - side) for length in (rows, columns))
    window = (..., slice(top, top + side), slice(left, left + side))
    turns, mirror = draw.python.randrange(4), [-1] * draw.python.randint(0, 1)
    planes, truth, thin = (
        x[window].rot90(turns, (-2, -1)).flip(mirror)
        for x in (stack.planes[first : first + count], stack.truth, stack.thin)
    )
    return Stack(planes.float(), truth.float(), thin)


def train(
    stacks: list[Stack], steps: int, decider: StackDecider, another: Callable[[int], Stack] | None = None
) -> StackDecider:
    """Train a decider on these stacks; what is left in it is the running average of its weights.

    At every step `another` makes one of that number, which takes the place of one of them.
    """

    def scores_of_seen(seen: Tensor, valid: Tensor) -> Tensor:
        return scores_of(decider, *compared(seen, valid))

    def learn(draw: Draw, step: int) -> float:
        if another is not None:
            stacks[draw.python.randrange(len(stacks))] = kept(another(step))
        total = 0.0
        for _ in range(BATCH):
            loss = lost_db(scores_of_seen, part_of(draw.python.choice(stacks), draw), draw) / BATCH
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        return total

    take_steps(decider, learn, steps, SEED, RATE, AVERAGE)
    return decider


def take_steps(
    network: nn.Module, learn: Callable[[Draw, int], float], steps: int, seed: int, rate: float, keep_most: float
) -> None:
    """Train a network by Adam at a rate that falls to 0, and leave the running average of its weights in it.

    `learn` gets what is drawn at a step and its number, adds to the gradients, and returns the loss.
    """
    network.train().requires_grad_(True)
    average = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    optimizer = torch.optim.Adam(network.parameters(), betas=(0.9, 0.99))
    losses: list[float] = []
    with trange(steps, desc="steps", mininterval=10) as progress:
        for step in progress:
            now = rate * min(1, (step + 1) / 100) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
            optimizer.param_groups[0]["lr"] = now
            optimizer.zero_grad()
            losses.append(learn(Draw(seed, step, torch.device("cpu")), step))
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            keep = min(keep_most, step / (step + 9))
            for name, tensor in network.state_dict().items():
                average[name].lerp_(tensor, 1 - keep)
            progress.set_postfix(loss=f"{np.mean(losses[-150:]):.3f}", refresh=False)
    network.load_state_dict(average)


def kept(stack: Stack) -> Stack:
    """In 16 bits, as many are kept."""
    return Stack(stack.planes.half(), stack.truth.half(), stack.thin)


def main(folder: str, out: str, steps: str = str(STEPS), start: str | None = None) -> None:
    """Render stacks, train, write."""
    maker = StackMaker(split_pictures(read_pictures(folder))[0], crop=CROP, seed=SEED)
    stacks = [kept(maker.stack(number)) for number in trange(STACKS, desc="stacks")]
    torch.manual_seed(SEED)
    decider = StackDecider()
    if start is not None:
        decider.load_state_dict(load_file(start))
    train(stacks, int(steps), decider, lambda step: maker.stack(STACKS + step))
    tensors = {name: tensor.contiguous() for name, tensor in decider.state_dict().items()}
    write_bytes(Path(out), save(tensors, {"format": "napari-rpsnn stack decider"}))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Train how scores change around light that is cut off, `weights/highlight_decider.safetensors`.

    python scripts/train_highlight_decider.py FOLDER OUT [STEPS [START]]

FOLDER holds sharp images, as for `napari-rpsnn-train`; what that holds out is not used. OUT is the file to write, START
one to go on from. Half of 880 stacks have glints on every surface, the others are of all kinds and may have more light
than the camera measures; of each step's four some light is cut off. The bundled network of stacks stays as it is; the
loss is the same, but what is worse than by that network alone counts twice. An hour on one core.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from tqdm import trange
from train_stack_decider import BATCH, compared, kept, lost_db, of_pixels, part_of, scores_of, take_steps

from napari_rpsnn.engine.brightness import SAME
from napari_rpsnn.engine.stacks import highlights
from napari_rpsnn.engine.stacks.evidence import compare, look
from napari_rpsnn.engine.stacks.statistics import energies, relative
from napari_rpsnn.io.atomic import write_bytes
from napari_rpsnn.model.stack_decider import HIGHLIGHT_WIDTHS, StackDecider, bundled_stack_decider
from napari_rpsnn.training.dataset import read_pictures, split_pictures
from napari_rpsnn.training.random_draws import Draw
from napari_rpsnn.training.stack_synthesis import Stack, StackMaker

STACKS, CROP, SEED = 440, 192, 9
STEPS, RATE, AVERAGE = 5000, 2e-3, 0.998
#: Kinds with glints, and without.
GLITTERING = {"surface": 6, "occluders": 4, "bristles": 1}
OTHERS = {"surface": 3, "occluders": 5, "bristles": 2, "light": 11, "brightfield": 4, "section": 3}
#: How many times brighter those are at most.
LIGHT = 2.2
#: More stacks than are drawn in a step.
MOST_DRAWN = 1000
#: Pixels that are as bright as the greatest value, at least.
SUPPORTED = 9


def changed_scores(decider: StackDecider, base: StackDecider, seen: Tensor, valid: Tensor) -> Tensor:
    """Scores of pixels of disturbed planes; they need no gradient where nothing changes."""
    greatest = seen.flatten().topk(SUPPORTED).values[-1]
    cut = highlights.clipped((seen * valid)[:, None] / greatest, SAME)
    shown, sources = compared(seen, valid)
    levels = look(shown[:, None])
    evidence, facts = compare([levels]), relative(energies(levels))
    changes = highlights.changes(evidence, [cut], facts, decider)
    with torch.no_grad():
        scores, finer = base(evidence, facts)
    if changes is not None:
        scores, finer = scores + changes[0], finer + changes[1]
    return of_pixels(scores, finer, sources)


def lit(stack: Stack, light: float) -> Stack:
    """A stack in so many times as much light, of which the camera has measured nothing yet."""
    return Stack(light * stack.planes, light * stack.truth, stack.thin)


def train(stacks: list[Stack], steps: int, decider: StackDecider) -> StackDecider:
    """Train on these stacks; what is left is the running average of the weights."""
    base = bundled_stack_decider(torch.device("cpu"))
    scores_of_seen = partial(changed_scores, decider, base)

    def scores_of_base(seen: Tensor, valid: Tensor) -> Tensor:
        return scores_of(base, *compared(seen, valid))

    def lost(of: Callable[[Tensor, Tensor], Tensor], number: int) -> Tensor:
        draw = Draw(SEED, number, torch.device("cpu"))
        return lost_db(of, part_of(draw.python.choice(stacks), draw), draw)

    def learn(_: Draw, step: int) -> float:
        total, left, number = 0.0, BATCH, MOST_DRAWN * step
        while left:
            loss = lost(scores_of_seen, number)
            if loss.requires_grad:
                with torch.no_grad():
                    before = lost(scores_of_base, number)
                loss = (loss + (loss - before).clamp_min(0)) / BATCH
                loss.backward()  # type: ignore[no-untyped-call]
                total, left = total + loss.item(), left - 1
            number += 1
        return total

    take_steps(decider, learn, steps, SEED, RATE, AVERAGE)
    return decider


def main(folder: str, out: str, steps: str = str(STEPS), start: str | None = None) -> None:
    """Render stacks, train, write."""
    pictures = split_pictures(read_pictures(folder))[0]
    with_glints = StackMaker(pictures, crop=CROP, seed=SEED, kinds=GLITTERING, glittering=1.0)
    others = StackMaker(pictures, crop=CROP, seed=SEED, kinds=OTHERS)
    stacks = []
    for number in trange(STACKS, desc="stacks"):
        light = Draw(SEED, number, torch.device("cpu")).python.uniform(1, LIGHT)
        stacks += [kept(with_glints.stack(number)), kept(lit(others.stack(number), light))]
    torch.manual_seed(SEED)
    decider = StackDecider(HIGHLIGHT_WIDTHS, clipped=True)
    for of in decider.score.parameters():
        nn.init.zeros_(of)  # at first nothing changes
    if start is not None:
        decider.load_state_dict(load_file(start))
    train(stacks, int(steps), decider)
    tensors = {name: tensor.contiguous() for name, tensor in decider.state_dict().items()}
    write_bytes(Path(out), save(tensors, {"format": "napari-rpsnn highlight decider"}))


if __name__ == "__main__":
    main(*sys.argv[1:])

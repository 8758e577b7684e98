"""What pieces of evidence, and of the training, are worth to the decision of stacks: short runs, each with one change.

    python benchmarks/stack_ablation.py FOLDER [--steps 1200] [--only CHANGE ...]

FOLDER holds sharp images. Every run begins with the same new network and the same seed, and takes its steps from the
same 300 stacks. Prints a Markdown table of the decibels lost against the best plane at every pixel, by the plane that
is taken, on 16 held-out stacks of each kind with what disturbs them; and at the pixels of thin things. On one core a
run of 400 steps takes two minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from tables import table
from torch import Tensor
from tqdm import trange

sys.path.append(str(Path(__file__).parents[1] / "scripts"))

import train_stack_decider as script

from napari_rpsnn.engine.stacks.evidence import compare
from napari_rpsnn.model.stack_decider import ENERGIES, SIGNS, Compared, StackDecider
from napari_rpsnn.training.acquisition import disturbed
from napari_rpsnn.training.dataset import read_pictures, split_pictures
from napari_rpsnn.training.random_draws import Draw
from napari_rpsnn.training.stack_synthesis import KINDS, Stack, StackMaker

STACKS, HELD_OUT, SEED = 300, 16, 5
#: The last channel of evidence.
BRIGHTNESS = -1
#: Pixels of thin things that are judged at least.
LEAST_THIN = script.LEAST_THIN


def without(lost: Callable[[int], list[int]]) -> Callable[[Iterable[list[Tensor]]], list[Compared]]:
    """`compare` that leaves out channels of what is seen at a level."""

    def compared(looks: Iterable[list[Tensor]]) -> list[Compared]:
        evidence = compare(looks)
        for level, (found, energies) in enumerate(zip(evidence, ENERGIES, strict=True)):
            for channel in lost(level):
                for seen in (*found.seen, found.beside):
                    seen[:, channel] = 0
                if 0 <= channel < energies:  # signs are a plane's own
                    found.common[:, [channel, energies + channel]] = 0
                if channel == BRIGHTNESS:  # whose mean and spread come last
                    found.common[:, -2:] = 0
        return evidence

    return compared


def nothing_known(energies: Tensor) -> Tensor:
    """No fact of any plane."""
    return torch.zeros_like(energies)


def line(level: int) -> int:
    """Channel of lines; at the first level those of single pixels follow it."""
    return 3 + level


#: What stands in for the script's own.
CHANGES: dict[str, dict[str, Any]] = {
    "all of it": {},
    "no energies of finer bands around": {"compare": without(lambda level: list(range(3, line(level))))},
    "no energies of lines": {"compare": without(lambda level: [line(level)])},
    "no energies at the pixel": {"compare": without(lambda level: [0, *range(line(level) + 1, ENERGIES[level])])},
    "no energies of the level's own band": {"compare": without(lambda _: [2])},
    "no signs": {"compare": without(lambda level: list(range(ENERGIES[level], ENERGIES[level] + SIGNS[level])))},
    "no brightness": {"compare": without(lambda _: [BRIGHTNESS])},
    "no facts of planes as a whole": {"relative": nothing_known},
    "no weight for thin things": {"LEAST_THIN": 10**9},
    "no weight for the worst pixels": {"WORST": 1.0},
}


def stacks_of(folder: Path) -> tuple[list[Stack], dict[str, list[Stack]]]:
    """Stacks to train on, and held-out ones of each kind."""
    train, held_out = split_pictures(read_pictures(folder))
    maker = StackMaker(train, crop=script.CROP, seed=SEED)
    known = [maker.stack(number) for number in trange(STACKS, desc="stacks")]
    judges = {}
    for kind in KINDS:
        maker = StackMaker(held_out, crop=script.CROP, seed=SEED, kinds={kind: 1})
        judges[kind] = [maker.stack(number) for number in range(HELD_OUT)]
    return known, judges


@torch.no_grad()
def lost_db(decider: StackDecider, stack: Stack, number: int) -> tuple[float, float]:
    """Decibels lost by a stack, and by what is thin in it (NaN: nothing is)."""
    seen, valid = disturbed(stack.planes, Draw(SEED, number, torch.device("cpu")))
    scores = script.scores_of(decider, *script.compared(seen, valid))
    errors = (255 * (stack.planes - stack.truth)).square()
    index = scores.masked_fill(~valid, -torch.inf).argmax(0, keepdim=True)
    taken, best = errors.gather(0, index)[0], errors.masked_fill(~valid, torch.inf).amin(0)

    def lost(where: Tensor) -> float:
        made, least = (x[where].mean().item() + script.LEAST_ERROR for x in (taken, best))
        return 10 * float(np.log10(made / least))

    few = stack.thin.sum() < LEAST_THIN
    return lost(torch.ones_like(stack.thin)), np.nan if few else lost(stack.thin)


def main() -> None:
    """Train, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--only", nargs="+", choices=CHANGES, default=list(CHANGES), metavar="CHANGE")
    args = parser.parse_args()
    known, judges = stacks_of(args.folder)
    rows = []
    for name in args.only:
        with mock.patch.multiple(script, **{"STEPS": args.steps, **CHANGES[name]}):
            torch.manual_seed(SEED)
            decider = script.train(known, script.STEPS, StackDecider()).eval()
            lost = {kind: [lost_db(decider, s, k) for k, s in enumerate(stacks)] for kind, stacks in judges.items()}
        whole = [np.mean([x for x, _ in lost[kind]]) for kind in KINDS]
        thin = np.nanmean([x for values in lost.values() for _, x in values])
        rows.append([name, *(f"{value:.2f}" for value in (*whole, np.mean(whole), thin))])
        print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    print(table(["change", *KINDS, "mean", "thin things"], rows))


if __name__ == "__main__":
    main()

"""Train the decision beside outlines, `weights/outline_decider.safetensors`, on stacks rendered from sharp pictures.

    python scripts/train_outline_decider.py FOLDER OUT [STACKS [STEPS]]

FOLDER holds sharp images, as for `napari-rpsnn-train`; what that holds out is not used. OUT is the file to write. 2700
stacks are rendered, most of them with something far before or behind something else, some of them disturbed, and
decided by the bundled network of stacks; of these what the two planes show beside outlines is kept (3 GB); then 7000
steps of six crops. An hour on one core.

The loss is that of a logistic regression, of which plane is nearer to the truth, weighted by how much nearer. By the
error of the planes mixed by their probabilities, as the network of stacks is trained, it learns nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional as F
from tqdm import trange
from train_stack_decider import compared, exposed, part_of, scores_of, take_steps

from napari_rpsnn.engine.stacks.outlines import Outlines, evidence
from napari_rpsnn.io.atomic import write_bytes
from napari_rpsnn.model.outline_decider import OutlineDecider
from napari_rpsnn.model.stack_decider import bundled_stack_decider
from napari_rpsnn.training.acquisition import disturbed
from napari_rpsnn.training.dataset import read_pictures, split_pictures
from napari_rpsnn.training.random_draws import Draw
from napari_rpsnn.training.stack_synthesis import KINDS, Stack, StackMaker

STACKS, CROP, SEED = 2700, 192, 8
#: Half of the stacks have something far before or behind something else.
KINDS_HERE = KINDS | {"bristles": 24, "occluders": 12}
STEPS, BATCH, SIDE, RATE, AVERAGE = 7000, 6, 96, 4e-3, 0.995
#: Share of stacks that are disturbed; the others are rounded to 8 bits.
DISTURBED = 0.6
#: Places that planes are apart, at least, to be far apart: stacks have 5 to 15 of them.
APART = 4
#: In grey levels squared: the most that a pixel counts, and stacks in which less is at stake count less.
MOST, LITTLE = 4000.0, 0.05
#: Share of pixels beside outlines below which a stack has too few.
FEW = 0.002
#: What beside outlines is known of a stack, and by how much the first plane's error is the smaller one, squared.
Example = tuple[Tensor, Tensor]


@torch.inference_mode()
def example(stack: Stack, draw: Draw) -> Example | None:
    """Evidence `(channels, rows, columns)` and stakes `(rows, columns)`, whose absolute values are 1 in the mean."""
    lit, stack = exposed(stack, draw)
    seen, valid = (255 * stack.planes).round() / 255, torch.ones_like(stack.planes, dtype=torch.bool)
    if draw.python.random() < DISTURBED:
        seen, valid = disturbed(lit.planes, draw)
    shown, sources = compared(seen, valid)
    scores = scores_of(bundled_stack_decider(torch.device("cpu")), shown, sources).masked_fill(~valid, -1e4)
    outlines = Outlines.of(scores.argmax(0), range(len(shown)), APART)
    if outlines.open.float().mean() < FEW:
        return None
    error = (255 * (stack.planes - stack.truth)).square().masked_fill(~valid, 1e5)
    planes, score, far_off = ((_of(x, outlines.first), _of(x, outlines.last)) for x in (shown, scores, error))
    stakes = (far_off[1] - far_off[0]).clamp(-MOST, MOST) * outlines.open
    return evidence(outlines, *planes, score[0] - score[1])[0].half(), stakes / (stakes.abs().mean() + LITTLE)


def _of(planes: Tensor, index: Tensor) -> Tensor:
    return planes.gather(0, index[None])[0]


def crop_of(examples: list[Example], draw: Draw) -> Example:
    """A crop with an outline in it, turned and mirrored."""
    known, stakes = draw.python.choice(examples)
    places = stakes.nonzero()
    place = places[draw.python.randrange(len(places))].tolist()
    top, left = (
        min(max(at - draw.python.randrange(SIDE), 0), length - SIDE)
        for at, length in zip(place, stakes.shape, strict=True)
    )
    turns, mirror = draw.python.randrange(4), [-1] * draw.python.randint(0, 1)
    window = (..., slice(top, top + SIDE), slice(left, left + SIDE))
    known, stakes = (x[window].rot90(turns, (-2, -1)).flip(mirror) for x in (known, stakes))
    return known.float(), stakes


def train(examples: list[Example], steps: int) -> OutlineDecider:
    """Train anew; what is left in it is the running average of the weights."""
    torch.manual_seed(SEED)
    decider = OutlineDecider()

    def learn(draw: Draw, step: int) -> float:
        crops = (crop_of(examples, draw) for _ in range(BATCH))
        known, stakes = (torch.stack(x) for x in zip(*crops, strict=True))
        weights = stakes.abs()
        # Where stakes are positive, the first plane is the nearer one.
        loss = (weights * F.softplus(-decider(known) * stakes.sign())).sum() / weights.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    take_steps(decider, learn, steps, SEED, RATE, AVERAGE)
    return decider


def main(folder: str, out: str, stacks: str = str(STACKS), steps: str = str(STEPS)) -> None:
    """Render stacks, decide them, train, write."""
    maker = StackMaker(split_pictures(read_pictures(folder))[0], crop=CROP, seed=SEED, kinds=KINDS_HERE)
    made: list[Example | None] = []
    for number in trange(int(stacks), desc="stacks"):
        draw = Draw(SEED, number, torch.device("cpu"))
        made.append(example(part_of(maker.stack(number), draw), draw))
    decider = train([one for one in made if one is not None], int(steps))
    tensors = {name: tensor.contiguous() for name, tensor in decider.state_dict().items()}
    write_bytes(Path(out), save(tensors, {"format": "napari-rpsnn outline decider"}))


if __name__ == "__main__":
    main(*sys.argv[1:])

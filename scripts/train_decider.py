"""Train the decider, `weights/decider.safetensors`, on sharp pictures and what `rpsnn-lite` makes of them.

    python scripts/train_decider.py FOLDER OUT [MODEL]

FOLDER holds sharp images, as for `napari-rpsnn-train`; what that holds out is not used. OUT is the file to write. MODEL
is the network that votes, `rpsnn-lite` if it is not named. 240 batches of pairs are made, as in training, and their
evidence kept (0.3 GB); then 2000 steps of twelve pairs. Where the decider takes one source, that one's error counts:
the loss is how many decibels a pair loses to the choice of the better source at every pixel, and a tenth of what it
loses in grey levels squared, so that a few bad failures count, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from tqdm import trange

from napari_rpsnn.data import PairMaker
from napari_rpsnn.decider import Decider
from napari_rpsnn.decision import evidence, halved, mean_channel, vote, widely
from napari_rpsnn.filters import gaussian
from napari_rpsnn.pictures import read_pictures, split_pictures
from napari_rpsnn.weights import prepared_model, write_whole

BATCHES, CROP, KINDS, SEED = 240, 192, {"geometric": 3, "fluorescence": 2, "brightfield": 3}, 502
STEPS, PAIRS, RATE = 2000, 12, 5e-3
#: Standard deviation in pixels of the window of an error: a single pixel's is chance.
ERROR_SIGMA_PX = 1.0
#: In grey levels squared, below what an 8-bit picture tells.
LEAST_ERROR = 0.05


@torch.inference_mode()
def examples(folder: str, model: str) -> tuple[Tensor, Tensor]:
    """Evidence of pairs, and square errors of both sources, each `(pairs, channels, rows, columns)`, halved."""
    network = prepared_model(model, torch.device("cpu"))
    pairs = PairMaker(split_pictures(read_pictures(folder))[0], crop=CROP, kinds=KINDS, seed=SEED)
    known, errors = [], []
    for step in trange(BATCHES, desc="pairs"):
        batch = pairs.batch(step)
        # As `fuse` does: the brighter image goes first.
        swapped = (batch.near.mean((1, 2, 3)) < batch.far.mean((1, 2, 3)))[:, None, None, None]
        first, second = torch.where(swapped, batch.far, batch.near), torch.where(swapped, batch.near, batch.far)
        fused = network(*(x.contiguous(memory_format=torch.channels_last) for x in (first, second)))
        for one, unit0, unit1, sharp in zip(fused, first, second, batch.sharp, strict=True):
            if (unit0 - unit1).abs().mean() < 1 / 255:
                continue
            votes = vote(one, unit0, unit1)
            known.append(evidence(votes, widely(votes), mean_channel(unit0), mean_channel(unit1)).half())
            error = torch.stack([(255 * (unit - sharp)).square().mean(0) for unit in (unit0, unit1)])
            errors.append(halved(gaussian(error, ERROR_SIGMA_PX)).half())
    return torch.stack(known), torch.stack(errors)


def train(known: Tensor, errors: Tensor) -> Decider:
    """A decider of these examples."""
    torch.manual_seed(SEED)
    decider = Decider()
    optimizer = torch.optim.Adam(decider.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.1)
    losses: list[float] = []
    with trange(STEPS, desc="steps") as steps:
        for _ in steps:
            chosen = torch.randint(len(known), (PAIRS,))
            turns, mirrored = int(torch.randint(4, ())), [2] * int(torch.randint(2, ()))
            x, error = (t[chosen].float().rot90(turns, (2, 3)).flip(mirrored) for t in (known, errors))
            share = decider(x).sigmoid()
            made = (share * error[:, 0] + (1 - share) * error[:, 1]).mean((1, 2))
            best = error.amin(1).mean((1, 2))
            lost = 10 * torch.log10((made + LEAST_ERROR) / (best + LEAST_ERROR))
            loss = (lost + (made - best) / 100).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(decider.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(lost.mean().item())
            steps.set_postfix(lost_db=f"{np.mean(losses[-200:]):.3f}", refresh=False)
    return decider


def main(folder: str, out: str, model: str = "rpsnn-lite") -> None:
    """Make pairs, train, write."""
    decider = train(*examples(folder, model))
    tensors = {name: tensor.detach().contiguous() for name, tensor in decider.state_dict().items()}
    write_whole(Path(out), save(tensors, {"format": "napari-rpsnn decider"}))


if __name__ == "__main__":
    main(*sys.argv[1:])

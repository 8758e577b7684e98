"""Train the decider, `weights/decider.safetensors`, on sharp pictures and what `rpsnn-lite` makes of them.

    python scripts/train_decider.py FOLDER OUT [MODEL]

FOLDER holds sharp images, as for `napari-rpsnn-train`; what that holds out is not used. OUT is the file to write. MODEL
is the network that votes, `rpsnn-lite` if it is not named. 240 batches of pairs are made, as in training, and their
evidence kept (0.8 GB); then 3600 steps of twelve pairs. The loss is the error of the sources mixed by the decision map,
as `fuse` makes it: how many decibels a pair is worse than the better source at every pixel, and a hundredth of that
difference in grey levels squared, so that a few bad failures count, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from tqdm import trange

from napari_rpsnn.engine.filters import gaussian
from napari_rpsnn.engine.pairs.decision import decide
from napari_rpsnn.engine.pairs.evidence import evidence, mean_channel, vote, widely
from napari_rpsnn.io.atomic import write_bytes
from napari_rpsnn.model.pair_decider import Decider
from napari_rpsnn.model.weights import prepared_model
from napari_rpsnn.training.dataset import read_pictures, split_pictures
from napari_rpsnn.training.pair_synthesis import PairMaker

BATCHES, CROP, KINDS, SEED = 240, 192, {"geometric": 3, "fluorescence": 2, "brightfield": 3}, 502
STEPS, PAIRS, RATE = 3600, 12, 5e-3
#: Standard deviation in pixels of the window in which a source is the better one: at a single pixel it is chance.
ERROR_SIGMA_PX = 1.0
#: In grey levels squared, below what an 8-bit picture tells.
LEAST_ERROR = 0.05


@torch.inference_mode()
def examples(folder: str, model: str) -> tuple[Tensor, Tensor]:
    """Of pairs: evidence; products of errors, first by first, first by second, second by second."""
    network = prepared_model(model, torch.device("cpu"))
    pairs = PairMaker(split_pictures(read_pictures(folder))[0], crop=CROP, kinds=KINDS, seed=SEED, borders=True)
    known, products = [], []
    for step in trange(BATCHES, desc="pairs"):
        batch = pairs.batch(step)
        # As `fuse` does: the brighter image goes first.
        swapped = (batch.near.mean((1, 2, 3)) < batch.far.mean((1, 2, 3)))[:, None, None, None]
        first, second = torch.where(swapped, batch.far, batch.near), torch.where(swapped, batch.near, batch.far)
        fused = network(*(x.contiguous(memory_format=torch.channels_last) for x in (first, second)))
        for one, unit0, unit1, sharp in zip(fused, first, second, batch.sharp, strict=True):
            if (unit0 - unit1).abs().mean() < 1 / 255:
                continue
            votes, grey0, grey1 = vote(one, unit0, unit1), mean_channel(unit0), mean_channel(unit1)
            known.append(evidence(votes, widely(votes), grey0, grey1).half())
            error0, error1 = (255 * (unit - sharp) for unit in (unit0, unit1))
            both = torch.stack((error0 * error0, error0 * error1, error1 * error1))
            products.append(both.mean(1).half())
    return torch.stack(known), torch.stack(products)


def train(known: Tensor, products: Tensor) -> Decider:
    """A decider of these examples."""
    torch.manual_seed(SEED)
    decider = Decider()
    optimizer = torch.optim.Adam(decider.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS, pct_start=0.1)
    losses: list[float] = []
    with trange(STEPS, desc="steps") as steps:
        for _ in steps:
            chosen = torch.randint(len(known), (PAIRS,))
            turns, mirrored = int(torch.randint(4, ())), [-2] * int(torch.randint(2, ()))
            x, y = (t[chosen].float().rot90(turns, (-2, -1)).flip(mirrored) for t in (known, products))
            share = torch.stack([decide(one, *y.shape[2:]) for one in decider(x)])
            made = share**2 * y[:, 0] + 2 * share * (1 - share) * y[:, 1] + (1 - share) ** 2 * y[:, 2]
            # The products are rounded: what they leave of nothing may be less than that.
            error = made.mean((1, 2)).clamp_min(0)
            best = torch.minimum(*(gaussian(y[:, k], ERROR_SIGMA_PX) for k in (0, 2))).mean((1, 2))
            lost = 10 * torch.log10((error + LEAST_ERROR) / (best + LEAST_ERROR))
            loss = (lost + (error - best) / 100).mean()
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
    write_bytes(Path(out), save(tensors, {"format": "napari-rpsnn decider"}))


if __name__ == "__main__":
    main(*sys.argv[1:])

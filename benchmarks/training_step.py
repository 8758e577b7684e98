"""How long a training step waits for its pairs: step time with and without making data, interleaved, medians.

    python benchmarks/training_step.py FOLDER [--model rpsnn-lite] [--device auto] [--crop 112] [--repeat 20]

FOLDER holds sharp images. Prints seconds per step with fresh pairs, seconds with one batch used again, their ratio, and
the pairs per second. A ratio near 1 means that the processor that trains hardly waits.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import torch

from napari_rpsnn.model.catalog import WIDTHS
from napari_rpsnn.model.network import RPSNN
from napari_rpsnn.training.config import TrainConfig
from napari_rpsnn.training.dataset import read_pictures
from napari_rpsnn.training.loop import batch_loss, launch
from napari_rpsnn.training.pair_synthesis import Batch, PairMaker


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--model", default="rpsnn-lite", choices=WIDTHS)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--crop", type=int, default=TrainConfig.crop)
    parser.add_argument("--repeat", type=int, default=20)
    args = parser.parse_args()

    config = TrainConfig(data=args.folder, out="", width=WIDTHS[args.model], device=args.device, crop=args.crop)
    fabric = launch(config)
    network = RPSNN(config.width).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model, optimizer = fabric.setup(network, torch.optim.Adam(network.parameters(), lr=1e-4))
    pairs = PairMaker(read_pictures(args.folder), crop=config.crop, kinds=config.kinds, device=fabric.device)

    def step(batch: Batch) -> None:
        loss = batch_loss(model, fabric, batch)
        optimizer.zero_grad()
        fabric.backward(loss)
        optimizer.step()
        loss.item()  # waits for the device

    fixed = pairs.batch(0)
    fresh_s, fixed_s = [], []
    for i in range(args.repeat + 3):
        started = time.perf_counter()
        step(pairs.batch(i))
        between = time.perf_counter()
        step(fixed)
        if i >= 3:  # the first steps plan and allocate
            fresh_s.append(between - started)
            fixed_s.append(time.perf_counter() - between)
    fresh, alone = median(fresh_s), median(fixed_s)
    print(
        f"{args.model} on {fabric.device}: {fresh:.4f} s a step with fresh pairs, {alone:.4f} s without making them, "
        f"ratio {fresh / alone:.2f}, {len(fixed.sharp) / fresh:.1f} pairs/s"
    )


if __name__ == "__main__":
    main()

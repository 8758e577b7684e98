"""What each part of the training recipe is worth: short runs from one start, each with one change.

    python benchmarks/ablation.py FOLDER [--steps 600] [--only CHANGE ...]

FOLDER holds sharp images. Every run begins with the same new network of width 16 and the same seed and ends after the
same number of steps, with the learning rate decayed to zero. Prints a Markdown table of the PSNR in dB on the same
held-out pairs, 32 of each kind: the mean square error is averaged over the pairs first.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

import torch
from lightning_fabric import Fabric
from torch import Tensor

from napari_rpsnn.engine.results import drain
from napari_rpsnn.model.weights import load_model
from napari_rpsnn.training import loop
from napari_rpsnn.training.config import TrainConfig
from napari_rpsnn.training.dataset import read_pictures, split_pictures
from napari_rpsnn.training.pair_synthesis import Batch
from napari_rpsnn.training.validation import Validation

KINDS = {"geometric": 1, "fluorescence": 1, "brightfield": 1}


def mse(fused: Tensor, sharp: Tensor) -> Tensor:
    """The paper's loss."""
    return ((fused - sharp) ** 2).mean()


def charbonnier(fused: Tensor, sharp: Tensor) -> Tensor:
    """A smooth L1 alone."""
    return torch.sqrt((fused - sharp) ** 2 + 1e-6).mean()


def one_order(model: Callable[..., Tensor], fabric: Fabric, batch: Batch) -> Tensor:
    """The pairs in one order only."""
    with fabric.autocast():
        return loop.image_loss(model(*batch.sources), batch.sharp)


#: What differs from the recipe: options of `TrainConfig`, and functions of `training` with what stands in for them.
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Callable[..., Tensor]]]] = {
    "the recipe": ({}, {}),
    "loss: MSE, the paper's": ({}, {"image_loss": mse}),
    "loss: Charbonnier alone": ({}, {"image_loss": charbonnier}),
    "one order of each pair": ({}, {"batch_loss": one_order}),
    "learning rate 2e-4": ({"learning_rate": 2e-4}, {}),
    "learning rate 4e-3": ({"learning_rate": 4e-3}, {}),
    "crops of 96": ({"crop": 96}, {}),
    "geometric pairs only": ({"geometric": 3, "fluorescence": 0, "brightfield": 0}, {}),
    "no moving average": ({"ema": 0.0}, {}),
}


def main() -> None:
    """Train each and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--only", nargs="+", choices=CHANGES, default=list(CHANGES), metavar="CHANGE")
    args = parser.parse_args()

    _, held_out = split_pictures(read_pictures(args.folder))
    validation = Validation(held_out, KINDS, Fabric(accelerator="cpu", devices=1))
    print("| change | " + " | ".join(KINDS) + " |\n|---|---|---|---|", flush=True)
    for change in args.only:
        options, functions = CHANGES[change]
        with tempfile.TemporaryDirectory() as out, ExitStack() as patches:
            for name, function in functions.items():
                patches.enter_context(mock.patch.object(loop, name, function))
            recipe = KINDS | {"width": 16, "warmup": 20, "ema": 0.98, "crop": 64} | options
            drain(loop.iter_train(TrainConfig(args.folder, out, steps=args.steps, save_every=args.steps, **recipe)))
            scores = validation.scores(load_model(f"{out}/model.safetensors"))
        row = (f"{scores[f'{kind} network']:.2f}" for kind in KINDS)
        print(f"| {change} | " + " | ".join(row) + " |", flush=True)
    averages = (f"{scores[f'{kind} average']:.2f}" for kind in KINDS)
    print("| plain average of both images | " + " | ".join(averages) + " |")


if __name__ == "__main__":
    main()

"""PSNR of both methods on held-out pictures, by kind of defocus, beside two baselines.

    python benchmarks/quality.py FOLDER [MODEL ...] [--batches 16] [--crop 192]

FOLDER holds sharp images, as for `napari-rpsnn-train`. Of the pictures that training holds out, 128 pairs of each kind
are made, and those of two equal images left out. Prints a Markdown table of two figures in dB: the mean of the pairs'
PSNR, where no error counts as 68 dB, and the PSNR of their mean square error, which the worst pairs decide. For
geometric pairs it prints what measures without a truth say, too, of the truth itself as well. MODEL is the bundled
models, if none is named.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.metrics import mean_squared_error

from napari_rpsnn import fuse
from napari_rpsnn.cli.demo import average, sharper_source
from napari_rpsnn.metrics import MEASURES, to_grey
from napari_rpsnn.training.dataset import read_pictures, split_pictures
from napari_rpsnn.training.pair_synthesis import PairMaker

#: Stands for no error at all.
LEAST_ERROR = 1e-2
#: Measures that need no truth.
METRICS = [measure for measure in MEASURES if measure.trusted and measure.needs == "sources"]
TRUTH = "the truth itself"


def psnr(error: Any) -> Any:
    """In dB, of mean square errors of 8-bit pictures."""
    return 10 * np.log10(255**2 / error)


def to_image(patch: torch.Tensor) -> NDArray[np.uint8]:
    """8-bit RGB picture of a patch."""
    image: NDArray[np.uint8] = np.rint(patch.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    return image


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder")
    parser.add_argument("models", nargs="*", default=["rpsnn-lite", "rpsnn"], metavar="MODEL")
    # Pairs differ so much that the mean of a few of them says little.
    parser.add_argument("--batches", type=int, default=16, help="of eight pairs of each kind")
    parser.add_argument("--crop", type=int, default=192, help="side of the pairs in pixels")
    args = parser.parse_args()
    methods: dict[str, Any] = {"plain average": average, "sharper source": sharper_source} | {
        f"`{model}`, {method}": partial(fuse, channel_axis=-1, model=model, method=method)
        for model in args.models
        for method in ("regression", "decision")
    }
    names = [*methods, TRUTH]
    _, held_out = split_pictures(read_pictures(args.folder))
    scores: dict[str, list[str]] = {name: [] for name in names}
    measured: dict[str, list[list[float]]] = {name: [] for name in names}
    for kind in ("geometric", "fluorescence", "brightfield"):
        maker = PairMaker(held_out, crop=args.crop, kinds={kind: 8}, seed=2)
        values: dict[str, list[float]] = {name: [] for name in names}
        for step in range(args.batches):
            batch = maker.batch(step)
            for near, far, sharp in zip(*(map(to_image, x) for x in (batch.near, batch.far, batch.sharp)), strict=True):
                if np.abs(near.astype(int) - far).mean() < 1:
                    continue
                for name in names:
                    fused = sharp if name == TRUTH else methods[name](near, far)
                    values[name].append(mean_squared_error(sharp, fused))
                    if kind == "geometric":
                        *pair, image = (to_grey(x) for x in (near, far, fused))
                        measured[name].append([metric.function(pair, image) for metric in METRICS])
        for name in names:
            errors = np.maximum(values[name], LEAST_ERROR)
            scores[name].append(f"{np.mean(psnr(errors)):.2f} / {psnr(np.mean(errors)):.2f}")
    print(
        "| method | geometric | fluorescence | brightfield |",
        " | ".join(metric.name for metric in METRICS),
        "|\n|" + "---|" * 7,
    )
    for name in names:
        print(f"| {name} |", " | ".join([*scores[name], *(f"{x:.4f}" for x in np.mean(measured[name], 0))]), "|")


if __name__ == "__main__":
    main()

"""What this program, simple baselines and the stackers that are installed make of pairs, a folder of images each.

    python benchmarks/fused_pairs.py NEAR FAR OUT [--rivals enfuse ...]
    napari-rpsnn evaluate --sources NEAR FAR --fused OUT/* -o page.html

NEAR and FAR are folders of 8-bit pictures in one order. A rival that fails on a pair is left out, and that is said.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.io import imread, imsave
from truth.rivals import COMMANDS, average, found, sharper
from truth.scores import Stacker
from without_truth import in_order

from napari_rpsnn import fuse


def stackers(rivals: list[str]) -> dict[str, Stacker]:
    """Functions of two pictures, `(2, rows, columns, colours)`, by the names of their folders."""

    def fused(pair: NDArray[Any], method: Any) -> Any:
        return fuse(*pair, channel_axis=-1, method=method)

    ours: dict[str, Stacker] = {f"ours, {name}": partial(fused, method=name) for name in ("decision", "regression")}
    baselines: dict[str, Stacker] = {"sharper source": partial(sharper, sigma=4), "average": average}
    return {**ours, **baselines, **{name: run for name, run in found().items() if name in rivals}}


def main() -> None:
    """Fuse all pairs by all, and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("near")
    parser.add_argument("far")
    parser.add_argument("out", type=Path)
    parser.add_argument("--rivals", nargs="*", default=list(COMMANDS), choices=[*COMMANDS, "none"])
    args = parser.parse_args()
    pairs = list(zip(in_order(args.near), in_order(args.far), strict=True))
    for name, stacker in stackers(args.rivals).items():
        made = {}
        try:
            for near, far in pairs:
                fused = stacker(np.stack([imread(near), imread(far)]))
                made[near.stem] = fused[0] if isinstance(fused, tuple) else fused
        except RuntimeError as error:
            print(f"{name}: left out: {error}")
            continue
        folder = args.out / name
        folder.mkdir(parents=True)
        for stem, image in made.items():
            imsave(folder / f"{stem}.png", np.rint(image).clip(0, 255).astype(np.uint8), check_contrast=False)
        print(f"{name}: {len(made)} images")


if __name__ == "__main__":
    main()

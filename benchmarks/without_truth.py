"""Both methods on real pairs, by the three trustworthy measures that need no truth.

    python benchmarks/without_truth.py NEAR FAR [NAME=FOLDER ...]

NEAR and FAR are folders of 8-bit pictures, every further FOLDER has what another tool made of them, all in one order
(1 before 10 before a).
Prints a Markdown table of means over the pairs.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from skimage.io import imread

from napari_rpsnn import fuse
from napari_rpsnn.metrics import MEASURES, to_grey

METRICS = [measure for measure in MEASURES if measure.trusted and measure.needs == "sources"]


def in_order(folder: str) -> list[Path]:
    """Files of a folder, with the numbers in their names in the order of numbers."""
    return sorted(Path(folder).iterdir(), key=lambda path: [f"{n:0>9}" for n in re.split(r"(\d+)", path.name)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("near")
    parser.add_argument("far")
    parser.add_argument("others", nargs="*", metavar="NAME=FOLDER")
    args = parser.parse_args()
    methods: dict[str, Callable[..., Any]] = {
        f"`fuse`, {method}": partial(fuse, channel_axis=-1, method=method) for method in ("decision", "regression")
    }
    folders = dict(other.split("=", 1) for other in args.others)
    scores: dict[str, list[list[float]]] = {name: [] for name in (*methods, *folders)}
    for files in zip(*map(in_order, (args.near, args.far, *folders.values())), strict=True):
        *pair, others_made = imread(files[0]), imread(files[1]), map(imread, files[2:])
        fused = {name: method(*pair) for name, method in methods.items()} | dict(zip(folders, others_made, strict=True))
        for name, image in fused.items():
            *sources, result = (to_grey(x) for x in (*pair, image))
            scores[name].append([metric.function(sources, result) for metric in METRICS])
    print("| method |", " | ".join(metric.name for metric in METRICS), "|\n|---|" + "---|" * len(METRICS))
    for name, values in scores.items():
        print(f"| {name} |", " | ".join(f"{value:.4f}" for value in np.mean(values, 0)), "|")


if __name__ == "__main__":
    main()

"""Record how real runs go on, for the test of the time left: python tests/helpers/record_progress.py > FILE.

A line for each run: its name, the planes and the side of its pictures, its options, and when its steps were done, in
seconds of the process's own work, which do not depend on what else the machine does.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_rpsnn.options import StackOptions
from napari_rpsnn.stack import iter_fuse_stack

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from truth.scenes import scene

RUNS = {
    "decision": (20, 1024, {}),
    "decision with heights": (12, 1500, {"return_height": True}),
    "aligned": (8, 512, {"register": "translation", "return_height": True}),
    "regression": (8, 512, {"method": "regression", "tile": 256}),
    "two planes": (2, 1024, {"tile": 256}),
    "dark": (24, 1700, {"return_height": True}),
    "thin": (12, 4608, {"return_height": True}),
}


def make_stack(planes, side):
    """A tilted texture: uint8."""
    rng = np.random.default_rng(0)
    sharp = gaussian_filter(rng.random((side, side), np.float32), 1)
    sharp = np.clip((sharp - 0.35) / 0.3 * 255, 0, 255)
    place = np.linspace(0, planes - 1, side)
    blurred = [sharp, gaussian_filter(sharp, 2), gaussian_filter(sharp, 4)]
    stack = np.empty((planes, side, side), np.uint8)
    for k in range(planes):
        away = np.minimum(np.abs(place - k).round().astype(int), 2)
        stack[k] = np.choose(away, blurred)
    return stack


def main():
    """Print one line for each run."""
    for name, (planes, side, options) in RUNS.items():
        stack = make_stack(planes, side)
        if name == "dark":  # what shines by itself is not asked whether it is thin
            stack = (stack / 255.0) ** 4 * 255
        if name == "thin":  # comes from one plane: nothing is left to decide window by window
            stack = np.tile(scene("smear", "clean", 288, planes, 0).planes, (1, side // 288, side // 288))
        stack = stack.astype(np.uint8)
        at = []
        for report in iter_fuse_stack(stack, StackOptions(**options, device="cpu")):
            at.append([report.done, round(time.process_time(), 3)])
        at.append([report.done, round(time.process_time(), 3)])
        began = at[0][1]
        print(json.dumps([name, planes, side, options, [[done, round(s - began, 3)] for done, s in at]]))


if __name__ == "__main__":
    main()

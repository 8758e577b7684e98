"""Time and memory of `fuse` over the size of a pair, and of `fuse_stack` over its planes.

    python benchmarks/scaling.py [--megapixels 1 4 16] [--planes 3 6 12] [--side 1024] [--model rpsnn-lite] [--repeat 3]

Every size has a process of its own; all take turns, and figures are medians of the rounds. Sizes are squares of
1024x1024 pixels and multiples, 8 bit, grey. The planes of a stack are made when they are read. The tables go to
docs/performance.md.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median

import tables
from worker import Worker


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 4, 16], help="of the pairs")
    parser.add_argument("--planes", type=int, nargs="+", default=[3, 6, 12], help="of the stacks")
    parser.add_argument("--side", type=int, default=1024, help="of the planes of stacks, in pixels")
    parser.add_argument("--model", default="rpsnn-lite")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()

    cells = [(round(1024 * m**0.5), 2) for m in args.megapixels] + [(args.side, n) for n in args.planes]
    workers = [Worker(kind="size", side=s, planes=n, model=args.model, device=args.device) for s, n in cells]
    seconds: list[list[float]] = [[] for _ in cells]
    megabytes = [0.0] * len(cells)
    for number in range(args.repeat):
        for i, (side, planes) in enumerate(cells):
            answer = workers[i].run()
            seconds[i].append(answer["seconds"])
            megabytes[i] = answer["MB"]
            progress = f"round {number + 1}: {side} pixels, {planes} planes: {answer['seconds']:.2f} s"
            print(progress, file=sys.stderr, flush=True)
    for worker in workers:
        worker.finish()

    pairs, stacks = [], []
    for (side, planes), values, peak in zip(cells, seconds, megabytes, strict=True):
        taken, size = median(values), side**2 / 2**20
        if planes == 2:
            arrays = 3 * side**2 / 1e6
            pairs.append([f"{side}x{side}", f"{taken:.2f}", f"{taken / size:.3f}", f"{peak:.0f}", f"{arrays:.0f}"])
        else:
            stacks.append([str(planes), f"{taken:.2f}", f"{taken / (planes - 1) / size:.3f}", f"{peak:.0f}"])
    made_by = workers[0].facts["machine"], " ".join(["python", "benchmarks/scaling.py", *sys.argv[1:]])
    head = ["pair", "seconds", "seconds a megapixel", "MB", "of it the two images and the result"]
    stack_head = [
        f"planes of {args.side}x{args.side}",
        "seconds",
        "seconds a plane after the first and megapixel",
        "MB",
    ]
    text = f"`{args.model}`, {args.device}.\n\n{tables.table(head, pairs)}\n\n{tables.table(stack_head, stacks)}"
    tables.write("scaling", *made_by, text)


if __name__ == "__main__":
    main()

"""Our `fuse_stack` on stacks whose truth is known, beside simple baselines and other focus stackers.

    python benchmarks/stacks.py [--kinds tilt twigs ...] [--disturbances clean noise-30 ...] [--rivals enfuse ...]
                                [--size 288] [--planes 12] [--seeds 0 1 ...] [--pictures FOLDER]

What is done without options takes a quarter of an hour on one core; `--disturbances all --rivals all` twice as long.
Prints Markdown tables: PSNR and SSIM to the truth, share of the index within one plane of the true one and mean error
of the height in planes (both where there is texture), share of the pixels of thin things that are nearer to what is
behind them, seconds. Rivals are run where their commands are found; `--rivals none` leaves them out. With `--pictures`
every scene becomes a picture: all results, and the square where they differ most.

Another stacker is compared from Python:

    from stacks import compare
    compare({"mine": function}, kinds=["twigs"], disturbances=["clean"])
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.io import imsave
from tables import table
from truth.kinds import KINDS
from truth.pictures import sheet
from truth.rivals import COMMANDS, average, found, oracle, sharper
from truth.scenes import DISTURBANCES, Scene, scene
from truth.scores import Score, Stacker, evaluate, score

from napari_rpsnn import fuse_stack

Scores = dict[tuple[str, str], dict[str, list[Score]]]
#: Figure: its title, how it is written, and whether more is better.
FIGURES = {
    "psnr": ("PSNR in dB", "{:.1f}", True),
    "as_returned": (
        "PSNR in dB of the image as it is returned, with the noise and the drift of the planes",
        "{:.1f}",
        True,
    ),
    "ssim": ("SSIM", "{:.3f}", True),
    "within_one": ("Share of the index within one plane", "{:.1%}", True),
    "height_error": ("Mean error of the height in planes", "{:.2f}", False),
    "thin_lost": ("Share of thin things lost", "{:.1%}", False),
    "seconds": ("Seconds", "{:.1f}", False),
}
#: Without the milder ones of two.
SEVERE = [name for name in DISTURBANCES if name not in ("noise-6", "drift-10")]
#: The best of the rest and the quickest; see `truth.rivals.COMMANDS` for all.
RIVALS = ["StackMFF V3", "focusweave", "enfuse"]
#: Nobody can be better than the one, and the other is no stacker: neither is marked as best.
LIMITS = ("oracle", "average")


def ours(planes: NDArray[Any], **options: Any) -> Any:
    """Image, index and height by `fuse_stack`."""
    channel_axis = -1 if planes.ndim == 4 else None
    return fuse_stack(planes, channel_axis=channel_axis, return_index=True, return_height=True, **options)


def baselines() -> dict[str, Stacker]:
    """What needs no installation."""
    return {
        "sharper 2 px": lambda planes: sharper(planes, 2),
        "sharper 4 px": lambda planes: sharper(planes, 4),
        "average": average,
    }


def compare(
    stackers: Mapping[str, Stacker],
    kinds: Sequence[str] = tuple(KINDS),
    disturbances: Sequence[str] = DISTURBANCES,
    size: int = 288,
    planes: int = 12,
    seeds: Sequence[int] = (0,),
    pictures: Path | None = None,
) -> Scores:
    """Scores of all stackers and of the oracle, for each kind and disturbance one for each seed.

    A stacker that fails on a scene says so on stderr and has no score there.
    """
    scores: Scores = {}
    for kind in kinds:
        for seed in seeds:
            for disturbance in disturbances:
                one = scene(kind, disturbance, size, planes, seed)
                made = _run(stackers, one)
                for name, result in made.items():
                    scores.setdefault((kind, disturbance), {}).setdefault(name, []).append(result)
                if pictures is not None:
                    pictures.mkdir(parents=True, exist_ok=True)
                    images = {name: result.image for name, result in made.items() if result.image is not None}
                    path = pictures / f"{kind}-{disturbance}-{seed}.png"
                    imsave(path, sheet(one, images), check_contrast=False)
    return scores


def _run(stackers: Mapping[str, Stacker], one: Scene) -> dict[str, Score]:
    made = {}
    for name, stacker in stackers.items():
        try:
            made[name] = evaluate(stacker, one)
        except (RuntimeError, ValueError) as error:
            print(f"{one.name}: {name}: {error}", file=sys.stderr, flush=True)
    made["oracle"] = score(one, oracle(one))
    told = ", ".join(f"{name} {result.psnr:.1f}" for name, result in made.items())
    print(f"{one.name}: {told}", file=sys.stderr, flush=True)
    return made


def report(scores: Scores, figure: str) -> str:
    """A table of one figure: a line for each kind and disturbance, and means of both."""
    _, form, more = FIGURES[figure]
    names = list(dict.fromkeys(name for results in scores.values() for name in results))
    lines = []

    def add(title: Sequence[str], chosen: Sequence[tuple[str, str]]) -> None:
        values = {}
        for name in names:
            known = [x for key in chosen for s in scores[key].get(name, []) if not np.isnan(x := getattr(s, figure))]
            values[name] = float(np.mean(known)) if known else np.nan
        if np.isnan(list(values.values())).all():
            return
        fair = [v for name, v in values.items() if name not in LIMITS and not np.isnan(v)]
        best = form.format((max if more else min)(fair)) if fair else ""
        cells = ["" if np.isnan(v) else form.format(v) for v in values.values()]
        marks = [f"**{c}**" if c == best and n not in LIMITS else c for c, n in zip(cells, names, strict=True)]
        lines.append([*title, *marks])

    kinds, disturbances = (list(dict.fromkeys(x)) for x in zip(*scores, strict=True))
    for key in scores:
        add(key, [key])
    if len(disturbances) > 1:
        for kind in kinds:
            add((kind, "mean"), [key for key in scores if key[0] == kind])
    if len(kinds) > 1:
        for disturbance in disturbances:
            add(("mean", disturbance), [key for key in scores if key[1] == disturbance])
    return table(["kind", "disturbance", *names], lines) if lines else ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND")
    parser.add_argument("--disturbances", nargs="+", choices=["all", *DISTURBANCES], default=SEVERE, metavar="NAME")
    parser.add_argument("--rivals", nargs="+", default=RIVALS, metavar="NAME", help="or all, or none")
    parser.add_argument("--figures", nargs="+", choices=FIGURES, default=list(FIGURES))
    parser.add_argument("--size", type=int, default=288, help="side of the square planes in pixels")
    parser.add_argument("--planes", type=int, default=12)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    args = parser.parse_args()

    installed = found()
    rivals = {name: run for name, run in installed.items() if name in args.rivals or args.rivals == ["all"]}
    disturbances = list(DISTURBANCES) if "all" in args.disturbances else args.disturbances
    stackers = {"ours": ours, **baselines(), **rivals}
    scores = compare(stackers, args.kinds, disturbances, args.size, args.planes, args.seeds, args.pictures)
    for figure in args.figures:
        if text := report(scores, figure):
            print(f"\n{FIGURES[figure][0]}\n\n{text}")
    print(
        "\nWhere planes have noise or drift, a decision is judged: by the planes' values without them at its index. "
        "The image of a stacker that gives no index is judged as it is."
    )
    missing = [name for name in COMMANDS if name not in installed]
    print(f"\nNot installed: {', '.join(missing)}." if missing else "")


if __name__ == "__main__":
    main()

"""What each rule of the decision of stacks is worth: the stacks of `stacks.py`, each time without one of them.

    python benchmarks/stack_rules.py [--seeds 0] [--only RULE ...]

Prints a Markdown table of the PSNR, in the mean over the kinds of stacks, of each disturbance; and of the kind that
loses most, or gains most, without the rule. All rules and one seed take six minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from stacks import Scores, compare, ours
from tables import table
from truth.kinds import KINDS

from napari_rpsnn.engine.borders import NO_BORDER
from napari_rpsnn.engine.brightness import SAME

STACKS = "napari_rpsnn.engine.stacks"
DISTURBANCES = ("clean", "noise-30", "drift-20", "borders", "hot-pixels")
#: What takes the place of what makes a rule.
WITHOUT: dict[str, dict[str, Any]] = {
    "all rules": {},
    "a thin specimen from one plane": {f"{STACKS}.engine.decide_samples": lambda planes, known: (known, None)},
    "a plane that nearly all comes from": {f"{STACKS}.decision.BY_MOST": 0.0},
    "open scores by those around": {f"{STACKS}.decision.beside_others": lambda scores: scores},
    "detail around on smooth surfaces": {f"{STACKS}.smooth_surface.BY_DETAIL": 0.0},
    "two planes beside outlines once more": {f"{STACKS}.decision.decide_outlines": lambda *known: ()},
    "equally good planes by brightness": {f"{STACKS}.decision.UNLIKE": 0.0},
    "brightness made equal": {f"{STACKS}.statistics.levels": lambda means, values: [SAME] * len(means)},
    "borders without data left out": {f"{STACKS}.statistics.Border": mock.Mock(of=lambda picture: NO_BORDER)},
    "no detail of a single pixel": {
        f"{STACKS}.{module}.without_hot_pixels": lambda planes: planes for module in ("evidence", "one_plane")
    },
}


def without(rule: str, planes: NDArray[Any]) -> Any:
    """Image, index and height as they are without a rule."""
    with ExitStack() as changes:
        for place, stand_in in WITHOUT[rule].items():
            changes.enter_context(mock.patch(place, stand_in))
        return ours(planes)


def lines(scores: Scores, rules: Mapping[str, Any]) -> list[list[str]]:
    """Of each rule: means of disturbances, and the kind and disturbance that it matters most for."""
    psnr = {
        rule: {key: float(np.mean([one.psnr for one in results[rule]])) for key, results in scores.items()}
        for rule in rules
    }
    whole = psnr["all rules"]
    made = []
    for rule, values in psnr.items():
        means = [np.mean([value for (_, name), value in values.items() if name == one]) for one in DISTURBANCES]
        (kind, disturbance), change = max(
            ((key, value - whole[key]) for key, value in values.items()), key=lambda item: abs(item[1])
        )
        most = f"{kind}, {disturbance}: {change:+.1f}" if change else ""
        made.append([rule, *(f"{mean:.1f}" for mean in means), most])
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", nargs="+", choices=list(WITHOUT)[1:], default=list(WITHOUT)[1:], metavar="RULE")
    args = parser.parse_args()
    rules = {rule: lambda planes, rule=rule: without(rule, planes) for rule in ("all rules", *args.only)}
    scores = compare(rules, args.kinds, DISTURBANCES, seeds=args.seeds)
    print(table(["without", *DISTURBANCES, "most"], lines(scores, rules)))


if __name__ == "__main__":
    main()

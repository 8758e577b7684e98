"""The time left, by a clock that goes as it went in recorded runs (`helpers/record_progress.py`)."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from napari_rpsnn.engine.pairs.engine import Engine
from napari_rpsnn.engine.stacks.engine import StackEngine
from napari_rpsnn.engine.stages import Stage, of_pictures, steps_of
from napari_rpsnn.options import StackOptions
from napari_rpsnn.plugin.results.remaining import Remaining, duration

RUNS = {
    name: more for name, *more in map(json.loads, Path(__file__).with_name("progress.jsonl").read_text().splitlines())
}


def errors(stages, at, pace=1.0):
    """Of the time left in seconds, from a third of the time on: what was told, and what it was."""
    end = at[-1][1] * pace
    remaining = Remaining(stages, 0.0)
    told = []
    for (done, seconds), (_, until) in pairwise(at[:-1]):
        remaining.after(done, seconds * pace)
        times = np.linspace(seconds, until, 10, endpoint=False) * pace  # a step may take seconds
        told += [(remaining.left_s(now), end - now) for now in times if now > end / 3]
    return told


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("pace", [0.5, 1, 2])
def test_from_a_third_on_the_time_left_is_right_within_30_percent(name, pace):
    planes, side, options, at = RUNS[name]
    engine = Engine.choose(StackOptions(**options, device="cpu"))
    stages = StackEngine.stages(planes, side, side, engine, StackOptions(**options))
    assert steps_of(stages) == at[-1][0]
    told = errors(stages, at, pace)
    assert len(told) > 5
    for left, truly in told:
        assert abs(left - truly) <= max(0.3 * truly, 1), (left, truly)


def test_steps_that_count_alike_would_be_wrong():
    *_, at = RUNS["decision with heights"]
    told = errors([Stage("Step", at[-1][0], 1.0)], at)
    assert max(abs(left - truly) / truly for left, truly in told) > 0.5


def test_it_says_what_is_done():
    stages = of_pictures([Stage("Looking at plane", 3, 1.0), Stage("Comparing", 1, 1.0)], (2, 1))
    remaining = Remaining(stages, 100.0)
    assert remaining.said(100.0) == "Image 1 of 2: looking at plane 1 of 3"
    remaining.after(1, 101.0)
    assert (remaining.said(101.0), remaining.share) == ("Image 1 of 2: looking at plane 2 of 3, 7 s left", 1 / 8)
    remaining.after(3, 103.0)
    remaining.after(3, 999.0)  # a report that is not about a step
    assert remaining.said(103.0) == "Image 1 of 2: comparing, 5 s left"
    assert remaining.said(103.9) == "Image 1 of 2: comparing, 4 s left"
    remaining.after(8, 108.0)
    assert (remaining.said(108.0), remaining.share) == ("Image 2 of 2: comparing, 0 s left", 1)


def test_planes_are_counted_where_each_takes_several_steps():
    stage = Stage("Fusing plane", 12, 1.0, count=3)
    assert [stage.said(done) for done in (0, 3, 4, 11)] == [f"Fusing plane {k} of 3" for k in (1, 1, 2, 3)]


@pytest.mark.parametrize(
    ("seconds", "said"), [(-1, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3780, "1 h 3 min")]
)
def test_durations_are_readable(seconds, said):
    assert duration(seconds) == said

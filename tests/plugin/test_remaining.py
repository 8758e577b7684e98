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
from napari_rpsnn.plugin.results.remaining import FEW_S, Remaining, duration

RUNS = {
    name: more for name, *more in map(json.loads, Path(__file__).with_name("progress.jsonl").read_text().splitlines())
}


def errors(stages, at, pace=1.0):
    """Of the time left in seconds, from a third of the time on, where it is told: what was thought, and what it was.

    And what was said.
    """
    end = at[-1][1] * pace
    remaining = Remaining(stages, 0.0)
    told = []
    for (done, seconds), (_, until) in pairwise(at[:-1]):
        remaining.after(done, seconds * pace)
        times = np.linspace(seconds, until, 10, endpoint=False) * pace  # a step may take seconds
        said = [(remaining.said(now), remaining.left_s(now), end - now) for now in times if now > end / 3]
        told += [one for one in said if one[0].endswith(" left")]
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
    for said, left, truly in told:
        if said.endswith(", a few seconds left"):
            assert truly <= FEW_S / 0.7, (said, truly)
        else:
            assert said.endswith(f", {duration(left)} left")
            assert abs(round(left) - truly) <= 0.3 * truly, (said, truly)


def test_steps_that_count_alike_would_be_wrong():
    *_, at = RUNS["decision with heights"]
    told = errors([Stage("Step", at[-1][0], 1.0)], at)
    assert max(abs(left - truly) / truly for _, left, truly in told) > 0.5


def test_it_says_what_is_done():
    stages = of_pictures([Stage("Looking at plane", 3, 1.0), Stage("Comparing", 1, 1.0)], (2, 1))
    remaining = Remaining(stages, 100.0)
    assert remaining.said(100.0) == "Image 1 of 2: looking at plane 1 of 3"
    remaining.after(1, 101.0)
    assert (remaining.said(101.0), remaining.share) == ("Image 1 of 2: looking at plane 2 of 3, 7 s left", 1 / 8)
    remaining.after(3, 103.0)
    remaining.after(3, 999.0)  # a report that is not about a step
    assert remaining.said(103.0) == "Image 1 of 2: comparing, a few seconds left"
    assert remaining.said(103.9) == "Image 1 of 2: comparing, a few seconds left"
    remaining.after(8, 108.0)
    assert (remaining.said(108.0), remaining.share) == ("Image 2 of 2: comparing, a few seconds left", 1)


def test_what_is_left_out_and_what_was_quick_before_tell_nothing_of_the_others():
    thin = of_pictures([Stage("Comparing", 1, 2.0), Stage("Fusing window", 10, 1.0), Stage("Heights", 8, 1.0)], (2, 1))
    remaining = Remaining(thin, 0.0)
    remaining.after(1, 4.0)
    assert remaining.said(4.0) == "Image 1 of 2: fusing window 1 of 10, 1 min 14 s left"
    remaining.after(11, 4.1)  # one plane shows all
    remaining.after(15, 12.1)
    assert remaining.said(12.1) == "Image 1 of 2: heights 5 of 8, 28 s left"  # the next image is as thin


def test_nothing_is_told_before_something_that_matters_is_measured():
    remaining = Remaining([Stage("Looking", 5, 0.1), Stage("Comparing", 1, 5.0), Stage("Fusing", 10, 1.0)], 0.0)
    remaining.after(5, 0.1)
    assert remaining.said(4.0) == "Comparing"
    remaining.after(6, 5.1)
    assert remaining.said(5.1) == "Fusing 1 of 10, 9 s left"


def test_a_late_step_does_not_make_all_that_follow_as_late():
    remaining = Remaining([Stage("Fusing", 20, 1.0)], 0.0)
    remaining.after(10, 10.0)
    assert remaining.said(10.0) == "Fusing 11 of 20, 10 s left"
    assert remaining.said(16.0) == "Fusing 11 of 20, 12 s left"


def test_silence_for_a_moment_is_no_long_step():
    remaining = Remaining([Stage("Fusing", 4, 5.0), Stage("Height", 20, 0.5), Stage("End", 1, 1.0)], 0.0)
    remaining.after(4, 20.0)
    assert remaining.said(20.0) == "Height 1 of 20, 11 s left"
    assert remaining.said(20.9) == "Height 1 of 20, 10 s left"


def test_planes_are_counted_where_each_takes_several_steps():
    stage = Stage("Fusing plane", 12, 1.0, count=3)
    assert [stage.said(done) for done in (0, 3, 4, 11)] == [f"Fusing plane {k} of 3" for k in (1, 1, 2, 3)]


@pytest.mark.parametrize(
    ("seconds", "said"), [(-1, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3780, "1 h 3 min")]
)
def test_durations_are_readable(seconds, said):
    assert duration(seconds) == said

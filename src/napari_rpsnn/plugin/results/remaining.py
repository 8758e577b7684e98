"""What is going on in a run, how much of it is done, and how long the rest takes. No Qt here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from napari_rpsnn.engine.stages import Stage

#: So much work, as stages count it, stands for the time it is meant to take before anything is measured.
PRIOR_S = 0.1
#: After so many steps of its own a stage is as slow as they say, not as all the others.
OWN_STEPS = 3
#: Reports are passed on now and then: so long none may come although steps are done.
SILENT_S = 1.0
#: A stage that is so much quicker than another was left out, all but its reports: it tells nothing of the others.
LEFT_OUT = 0.2
#: A time left is told when so much of the work is measured, or work of so many seconds.
TOLD, TOLD_S = 0.1, 2.0
#: A time left that is shorter is told without a number, which could not be right within 30 %: the last step, or the
#: rounding alone, makes more of it.
FEW_S = 6


@dataclass
class _Measured:
    """Steps of stages of one name that are done, their cost, and the time they took."""

    steps: int = 0
    cost: float = 0.0
    seconds: float = 0.0


class Remaining:
    """Estimates the time left of work that consists of stages.

    1. Stages tell how long their steps take beside each other.
    2. How long that is on this machine, the steps that are done tell: those of stages of the same name, and as long as
       there are few of them, all whose length is known beforehand.

    Parameters
    ----------
    stages : sequence of Stage
    now_s : float
        When the work begins.
    """

    def __init__(self, stages: Sequence[Stage], now_s: float) -> None:
        self._stages = stages
        self._first = [0, *accumulate(stage.steps for stage in stages)]
        self._costs = [0.0, *accumulate(stage.steps * stage.cost for stage in stages)]
        self._at, self._done, self._now_s = 0, 0, now_s
        self._measured = {stage.what: _Measured() for stage in stages}

    def after(self, done: int, now_s: float) -> None:
        """So many steps are done at this time; a report that is not about another step changes nothing."""
        if done <= self._done:
            return
        spent, costs = self._spent, list[tuple[_Measured, int, float]]()
        while True:
            stage, before = self._stages[self._at], self._steps
            self._done = min(done, self._first[self._at + 1])
            steps = self._steps - before
            costs.append((self._measured[stage.what], steps, steps * stage.cost))
            if self._at + 1 == len(self._stages) or done < self._first[self._at + 1]:
                break
            self._at += 1
        self._done = done
        share = (now_s - self._now_s) / (self._spent - spent) if self._spent > spent else 0.0
        for measured, steps, cost in costs:
            measured.steps, measured.cost = measured.steps + steps, measured.cost + cost
            measured.seconds += cost * share
        self._now_s = now_s

    @property
    def share(self) -> float:
        """How much of the time is over, from 0 to 1."""
        return self._spent / self._costs[-1] if self._costs[-1] else 0.0

    def left_s(self, now_s: float) -> float:
        """Seconds from now to the end."""
        here, over = self._stages[self._at], now_s - self._now_s
        late = max(over - SILENT_S, 0.0)
        pace = self._pace(here, late)
        if here.cost and not self._measured[here.what].steps:  # nor is the first step done yet
            pace = max(pace, late / here.cost)
        rest = here.cost * (here.steps - self._steps) * pace
        # A step that is late says nothing of those after it.
        left = max(rest - min(over, max(here.cost * pace, SILENT_S)), 0.0)
        return left + sum(stage.steps * stage.cost * self._pace(stage, late) for stage in self._later)

    def said(self, now_s: float) -> str:
        """What is going on, and the time left."""
        known = self._known
        cost, seconds = sum(one.cost for one in known), sum(one.seconds for one in known)
        is_told = cost >= TOLD * self._costs[-1] or seconds >= TOLD_S
        return f"{self.doing}, {time_left(self.left_s(now_s))}" if is_told else self.doing

    @property
    def doing(self) -> str:
        """What is going on."""
        stage = self._stages[self._at]
        return stage.said(min(self._steps, stage.steps - 1))

    def _pace(self, stage: Stage, late: float) -> float:
        """Seconds that a cost of one takes in a stage, where the step at work has taken so many for certain."""
        own, here, known = self._measured[stage.what], self._stages[self._at], self._known
        cost, seconds = sum(one.cost for one in known) + PRIOR_S, sum(one.seconds for one in known) + PRIOR_S
        pace = max(seconds / cost, (seconds + late) / (cost + here.cost))
        trust = min(own.steps / OWN_STEPS, 1) if own.cost else 0
        if not trust:
            return pace
        of_own = own.seconds / own.cost
        if stage.what == here.what:  # the step at work is not done yet: that tells, too
            of_own = max(of_own, (own.seconds + late) / (own.cost + here.cost))
        return of_own * trust + pace * (1 - trust)

    @property
    def _known(self) -> list[_Measured]:
        """What tells how long all takes."""
        known = [one for one in self._measured.values() if one.cost]
        slowest = max((one.seconds / one.cost for one in known), default=0.0)
        return [one for one in known if one.seconds / one.cost >= LEFT_OUT * slowest]

    @property
    def _later(self) -> Sequence[Stage]:
        return self._stages[self._at + 1 :]

    @property
    def _steps(self) -> int:
        """Steps done of the stage at work."""
        return min(self._done - self._first[self._at], self._stages[self._at].steps)

    @property
    def _spent(self) -> float:
        return self._costs[self._at] + self._steps * self._stages[self._at].cost


def time_left(seconds: float) -> str:
    """A time left to read, as exact as it can be."""
    return "a few seconds left" if seconds < FEW_S else f"{duration(seconds)} left"


def duration(seconds: float) -> str:
    """A time to read: 8 s, 2 min 5 s, 1 h 3 min."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

"""What is going on in a run, how much of it is done, and how long the rest takes. No Qt here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from napari_rpsnn.engine.stages import Stage

#: So much work, as stages count it, stands for the time it is meant to take before anything is measured.
PRIOR_S = 0.1
#: After so many steps of its own a stage is as slow as they say, not as all the work before.
OWN_STEPS = 3
#: A time left is told when so much is done.
TOLD = 0.02


class Remaining:
    """Estimates the time left of work that consists of stages.

    1. Stages tell how long their steps take beside each other.
    2. How long that is on this machine, the steps that are done tell: those of the same stage, and for later ones all.

    Parameters
    ----------
    stages : sequence of Stage
    now_s : float
        When the work begins.
    """

    def __init__(self, stages: Sequence[Stage], now_s: float) -> None:
        self._stages, self._began_s = stages, now_s
        self._first = [0, *accumulate(stage.steps for stage in stages)]
        self._costs = [0.0, *accumulate(stage.steps * stage.cost for stage in stages)]
        self._at, self._entered_s, self._done, self._now_s = 0, now_s, 0, now_s

    def after(self, done: int, now_s: float) -> None:
        """So many steps are done at this time; a report that is not about another step changes nothing."""
        if done <= self._done:
            return
        self._done, self._now_s = done, now_s
        while self._at + 1 < len(self._stages) and done >= self._first[self._at + 1]:
            self._at, self._entered_s = self._at + 1, now_s

    @property
    def share(self) -> float:
        """How much of the time is over, from 0 to 1."""
        return self._spent / self._costs[-1] if self._costs[-1] else 0.0

    def left_s(self, now_s: float) -> float:
        """Seconds from now to the end."""
        spent, stage, steps = self._spent, self._stages[self._at], self._steps
        pace = (self._now_s - self._began_s + PRIOR_S) / (spent + PRIOR_S)
        # The step at work is not done yet: that tells, too.
        pace = max(pace, (now_s - self._began_s) / (spent + stage.cost)) if stage.cost else pace
        here, later = stage.cost * (stage.steps - steps), self._costs[-1] - self._costs[self._at + 1]
        own = (self._now_s - self._entered_s) / (stage.cost * steps) if steps and stage.cost else pace
        trust = min(steps / OWN_STEPS, 1)
        left = here * (own * trust + pace * (1 - trust)) + later * pace
        return max(left - (now_s - self._now_s), 0.0)

    def said(self, now_s: float) -> str:
        """What is going on, and the time left."""
        return self.doing if self.share < TOLD else f"{self.doing}, {duration(self.left_s(now_s))} left"

    @property
    def doing(self) -> str:
        """What is going on."""
        stage = self._stages[self._at]
        return stage.said(min(self._steps, stage.steps - 1))

    @property
    def _steps(self) -> int:
        """Steps done of the stage at work."""
        return min(self._done - self._first[self._at], self._stages[self._at].steps)

    @property
    def _spent(self) -> float:
        return self._costs[self._at] + self._steps * self._stages[self._at].cost


def duration(seconds: float) -> str:
    """A time to read: 8 s, 2 min 5 s, 1 h 3 min."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

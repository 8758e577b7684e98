"""How far a batch is, and how long the rest takes: the stack at work by its stages, later ones by their size."""

from __future__ import annotations

from collections.abc import Sequence

from napari_rpsnn.engine.stages import Stage
from napari_rpsnn.plugin.results.remaining import Remaining, time_left

#: The time left of a stack is told from its own steps when so much is done, before from the pace of the others.
KNOWN = 0.1


class BatchRemaining:
    """The time left of a batch.

    Parameters
    ----------
    weights : sequence of float
        How much work each stack is, beside the others.
    now_s : float
        When the first one begins.
    """

    def __init__(self, weights: Sequence[float], now_s: float) -> None:
        self._weights, self._began_s = weights, now_s
        self._at, self._stack = 0, Remaining((Stage("", 1, 1.0),), now_s)

    def begin(self, stages: Sequence[Stage], now_s: float) -> None:
        """The stack at work consists of these stages."""
        self._stack = Remaining(stages, now_s)

    def after(self, done: int, now_s: float) -> None:
        """So many steps of the stack at work are done."""
        self._stack.after(done, now_s)

    def next(self, now_s: float) -> None:
        """The stack at work is done."""
        self._at += 1
        self._stack = Remaining((Stage("", 1, 1.0),), now_s)

    @property
    def share(self) -> float:
        """How much is done, from 0 to 1."""
        return self._spent / sum(self._weights) if sum(self._weights) else 0.0

    def said(self, now_s: float) -> str:
        """What is going on, and the time left as soon as that can be told."""
        number = min(self._at + 1, len(self._weights))
        doing, told = f"Stack {number} of {len(self._weights)}", ""
        if what := self._stack.doing:
            doing += f": {what[0].lower()}{what[1:]}"
        spent, is_known = self._spent, self._stack.share >= KNOWN
        if spent and (self._at or is_known):
            pace = (now_s - self._began_s) / spent
            here = self._stack.left_s(now_s) if is_known else self._weights[number - 1] * pace
            told = f", {time_left(here + sum(self._weights[number:]) * pace)}"
        return doing + told

    @property
    def _spent(self) -> float:
        here = self._weights[self._at] * self._stack.share if self._at < len(self._weights) else 0.0
        return sum(self._weights[: self._at]) + here

"""Run a task in napari's worker: reports, one end, and no trouble when the panel goes before it does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from napari.qt.threading import GeneratorWorker, create_worker

from napari_rpsnn.engine.memory import give_back, keep_freed
from napari_rpsnn.engine.results import Progress
from napari_rpsnn.plugin.startup import import_torch

LOG = logging.getLogger("napari_rpsnn")

Steps = Generator[Progress, None, list[Any]]


@dataclass(frozen=True)
class Failure:
    """Why a task failed. It is returned: what superqt makes of exceptions depends on their kind."""

    error: Exception


class Run:
    """A task at work. One of `done`, `failed` and `cancelled` is called at the end, on the main thread.

    Parameters
    ----------
    steps : generator
        Yields `Progress` and returns the layers to be added.
    called : str
        What the log calls the work.
    reported : callable
        Called with each `Progress`.
    done : callable
        Called with the new layers.
    failed : callable
        Called with the exception.
    cancelled : callable
        Called without arguments.
    """

    def __init__(
        self,
        steps: Steps,
        called: str,
        *,
        reported: Callable[[Progress], None],
        done: Callable[[list[Any]], None],
        failed: Callable[[Exception], None],
        cancelled: Callable[[], None],
    ) -> None:
        self._reported, self._done, self._failed, self._cancelled = reported, done, failed, cancelled
        self._outcome: list[Any] | Failure | None = None
        self._steps = _guarded(steps, called)
        self.worker: GeneratorWorker[Any, Any, Any] = create_worker(_drive, self._steps, _start_thread=False)
        self.worker.yielded.connect(self._report)
        self.worker.returned.connect(self._keep)
        self.worker.finished.connect(self._end)

    def start(self) -> None:
        """Begin in a thread of its own."""
        keep_freed()  # a new thread then shares the heap; the engine asks for it too late, in that thread
        self.worker.start()

    def cancel(self) -> None:
        """Stop after the tile in work."""
        self.worker.quit()

    def abandon(self) -> None:
        """Stop, and call nobody any more: the panel is gone."""
        for signal in (self.worker.yielded, self.worker.returned, self.worker.finished):
            signal.disconnect()
        self.worker.finished.connect(give_back)
        self.worker.quit()
        if not self.worker.is_running:  # it may have said that it ends to those who no longer listen
            give_back()

    def _report(self, progress: Progress) -> None:
        if self.worker.abort_requested:
            return
        try:
            self._reported(progress)
        except Exception as error:
            self._stumble(error)
            self.worker.quit()

    def _keep(self, outcome: list[Any] | Failure) -> None:
        self._outcome = outcome

    def _end(self) -> None:
        self._steps.close()  # a cancelled run would keep its images
        outcome, self._outcome = self._outcome, None
        if isinstance(outcome, list):
            try:
                self._done(outcome)
                return
            except Exception as error:
                outcome = self._stumble(error)
        if outcome is None:
            self._cancelled()
        else:
            self._failed(outcome.error)

    def _stumble(self, error: Exception) -> Failure:
        """The work went well, but the window does not take what comes of it."""
        LOG.exception("What came of the fusion could not be shown")
        self._outcome = failure = Failure(error)
        return failure


def _guarded(steps: Steps, called: str) -> Generator[Progress, None, list[Any] | Failure]:
    try:
        import_torch()
        return (yield from steps)
    except Exception as error:
        LOG.exception("%s failed", called)
        return Failure(error)


def _drive(steps: Generator[Progress, None, Any]) -> Generator[Progress, None, Any]:
    return (yield from steps)

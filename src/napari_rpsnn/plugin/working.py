"""What all panels do that work in the background: begin, progress, cancel, one end, and no trouble when they go."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import napari
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer

from napari_rpsnn.engine.memory import give_back
from napari_rpsnn.engine.results import Progress
from napari_rpsnn.engine.stages import Stage
from napari_rpsnn.options import Options
from napari_rpsnn.plugin.results.remaining import Remaining
from napari_rpsnn.plugin.rows.controls import Scrolled, on_text_size
from napari_rpsnn.plugin.rows.docks import PANEL, share_place
from napari_rpsnn.plugin.rows.form import Form
from napari_rpsnn.plugin.rows.part_rows import PartRows
from napari_rpsnn.plugin.worker import LOG, Run

#: A window stays open for hours, and is not to keep the memory of a tile; but the next run, if it comes soon, is 4 %
#: faster where it finds it. Milliseconds.
IDLE_MS = 30_000
#: The time left is told anew.
TICK_MS = 1000
#: Length of the bar: it shows time, not steps, of which some take a hundred times as long as others.
BAR = 1000


class Working(Form):
    """A form with *Fuse* and *Cancel*, and one run at a time.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    kind, layers, more, part, beside
        As of `Form`.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        kind: type[Options],
        layers: list[Any],
        more: list[Any],
        part: PartRows | None,
        beside: Mapping[str, Any] | None = None,
    ) -> None:
        self._viewer = viewer
        self._heard: list[tuple[Any, Callable[..., Any]]] = []
        self._run: Run | None = None
        self._remaining: Remaining | None = None
        self._note = ""
        self._began_s = 0.0
        super().__init__(kind, layers, more, part, beside)
        self.native.setObjectName(PANEL)
        self._clock = QTimer(self.native)
        self._clock.setInterval(TICK_MS)
        self._clock.timeout.connect(self._say_how_far)
        self._least_px = self.native.minimumWidth()
        on_text_size(self.native, lambda _: self._later(0, self._fit_width))
        for fold in (*self._folds, self.advanced):
            fold.toggled.connect(lambda: self._later(0, self._fit_width))
        self._set_busy(False)
        self.fuse_button.changed.connect(self.start)
        self.cancel_button.changed.connect(self.cancel)
        self.native.destroyed.connect(self._abandon)
        self.native_parent_changed.connect(self._enter_or_leave)

    def start(self) -> None:
        """Begin."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Ask the run to stop after the tile in work."""
        if self._run is not None:
            self.cancel_button.enabled = False
            self.say("Stopping after this tile…")
            self._run.cancel()

    def _begin(
        self,
        steps: Generator[Progress, None, list[Any]],
        called: str,
        said: str,
        *,
        done: Callable[[list[Any]], None],
        failed: Callable[[Exception], None],
        cancelled: Callable[[], None],
    ) -> None:
        """Work off `steps`, which the log calls `called`, in a thread."""
        self._remaining, self._began_s = None, time.perf_counter()
        self._set_busy(True)
        self.say(said)
        self._run = Run(steps, called, reported=self._show_report, done=done, failed=failed, cancelled=cancelled)
        self._run.start()

    def _is_at_work(self) -> bool:
        """Whether a run goes on, which is said."""
        if self._run is not None:
            show_info("A fusion is at work in this panel; cancel it, or wait for it to end.")
        return self._run is not None

    def _show_report(self, report: Progress) -> None:
        now = time.perf_counter()
        if self._remaining is None:
            self._remaining = Remaining(report.stages or (Stage("Step", report.total, 1.0),), now)
        self._remaining.after(report.done, now)
        self._note = report.note or self._note
        with self._one_repaint():
            self.progress.value = round(BAR * self._remaining.share)
            self._say_how_far()
        if report.note is not None:
            show_info(report.note)

    def _say_how_far(self) -> None:
        """What is going on, and the time left, which goes on between two reports."""
        said = self._said(time.perf_counter())
        if said and self._run is not None and self.cancel_button.enabled:
            self.say(f"{said}. {self._note}" if self._note else said)

    def _said(self, now_s: float) -> str:
        """What is going on now; nothing before the first report."""
        return "" if self._remaining is None else self._remaining.said(now_s)

    def _refuse(self, why: str) -> None:
        """Say it where it wraps and stays, in place of what was said of an earlier run, and as napari says it."""
        self.progress.value = 0
        self.say(why, error=True)
        show_error(why)

    def _finish(self, said: str, *, done: bool = False, error: bool = False) -> None:
        self._run = None
        # Not in one go with adding a layer, which is a long step already.
        self._later(0, lambda: self._show_end(said, done, error))
        # In a dock or window that was closed nobody soon begins again.
        self._later(IDLE_MS if self.native.window().isVisible() else 0, self._rest)

    def _show_end(self, said: str, done: bool, error: bool) -> None:
        if self._run is None:
            with self._one_repaint():
                self._set_busy(False)
                self.progress.value = BAR if done else 0
                self.say(said, error=error)

    def _rest(self) -> None:
        if self._run is None:
            give_back()

    def _set_busy(self, busy: bool) -> None:
        self.fuse_button.enabled = not busy
        self.cancel_button.enabled = busy
        (self._clock.start if busy else self._clock.stop)()
        self.progress.max, self.progress.value = BAR, 0

    @contextmanager
    def _one_repaint(self) -> Iterator[None]:
        """A progress bar repaints the window at once, canvas and all: once for all changes is enough."""
        self.native.setUpdatesEnabled(False)
        try:
            yield
        finally:
            self.native.setUpdatesEnabled(True)

    # The dock.

    def _listen(self, signal: Any, call: Callable[..., Any]) -> None:
        """Be called by the viewer as long as the panel is there."""
        signal.connect(call)
        self._heard.append((signal, call))

    def _enter_or_leave(self, dock: Any) -> None:
        if dock is None:  # the dock was closed
            self.cancel()
        else:
            self.native.setMinimumHeight(1)  # as if it needed no height, so that no window grows for it
            self._later(0, self._settle)

    def _settle(self) -> None:
        """Find a place beside other docks, now that it stands in the window."""
        share_place(self.native)
        self.native.setMinimumHeight(0)  # as its rows need it

    def _fit_width(self) -> None:
        """As wide as large text needs it."""
        margins = self.native.layout().contentsMargins()
        rows = [area.width_px + margins.left() + margins.right() for area in self.native.findChildren(Scrolled)]
        self.native.setMinimumWidth(max(self._least_px, self.native.minimumSizeHint().width(), *rows))

    def _abandon(self) -> None:
        """Stop the work of a panel that is being closed; nothing of the panel may be touched any more."""
        self._ignore_lookout()
        for signal, call in self._heard:
            signal.disconnect(call)
        if self._run is not None:
            LOG.info("The panel was closed; its fusion stops.")
            self._run.abandon()
        else:
            give_back()

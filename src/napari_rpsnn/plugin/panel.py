"""What both panels do: Fuse and Cancel, progress, and what becomes of a run."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from napari.utils.notifications import show_error, show_info

from napari_rpsnn.engine.memory import give_back
from napari_rpsnn.engine.results import Progress
from napari_rpsnn.options import Options, StackOptions
from napari_rpsnn.plugin.choices import Remaining, duration
from napari_rpsnn.plugin.form import Form
from napari_rpsnn.plugin.results.growing import Growing
from napari_rpsnn.plugin.results.page import ask_for_page, open_in_browser
from napari_rpsnn.plugin.retouch.offer import RetouchOffer
from napari_rpsnn.plugin.rows.part_rows import PartRows
from napari_rpsnn.plugin.settings import remember
from napari_rpsnn.plugin.worker import LOG, Run

if TYPE_CHECKING:
    from napari_rpsnn.plugin.run import NewLayer, Task

#: A window stays open for hours, and is not to keep the memory of a tile; but the next run, if it comes soon, is 4 %
#: faster where it finds it. Milliseconds.
IDLE_MS = 30_000


class Panel(Form):
    """Choose layers and how to fuse them, fuse them in the background, add what comes of it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    kind, layers, more, beside
        As of `Form`.
    """

    #: What to open, where there are fewer images than are needed.
    hint, needed = "", 1

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        kind: type[Options],
        layers: list[Any],
        more: list[Any],
        beside: Mapping[str, Any] | None = None,
    ) -> None:
        self._viewer = viewer
        self._heard: list[tuple[Any, Callable[..., Any]]] = []
        self._run: Run | None = None
        self._task: Task | None = None
        self._last: Task | None = None  # that is done, for a report
        self._retouch = RetouchOffer(viewer, self.say)
        self.retouch_button = self._retouch.button
        self._growing: Growing | None = None
        self._remaining = Remaining()
        self._note = ""
        self._began_s = 0.0
        super().__init__(kind, layers, more, PartRows(viewer, planes=kind is StackOptions), beside)
        self._set_busy(False)
        self.fuse_button.changed.connect(self.start)
        self.cancel_button.changed.connect(self.cancel)
        self.report_button.changed.connect(self.report)
        self.native.destroyed.connect(self._abandon)
        self.native_parent_changed.connect(self._enter_or_leave)
        for change in ("inserted", "removed"):
            self._listen(getattr(viewer.layers.events, change), self._hint)
        self._listen(viewer.layers.events.removed, self._forget)

    @abstractmethod
    def read(self) -> Task:
        """What is to be done, of the layers and choices as they are now; raises ValueError to refuse it."""

    @abstractmethod
    def follow_layers(self) -> None:
        """Choose anew what depends on the layer list."""

    # A run.

    def start(self) -> None:
        """Begin, unless a run is at work: then it goes on."""
        if self._run is not None:
            show_info("A fusion is at work in this panel; cancel it, or wait for it to end.")
            return
        try:
            task = self.read()
        except (ValueError, TypeError) as error:
            self._refuse(str(error))
            return
        remember(self.choices)
        if task.sources.note:
            show_info(task.sources.note)
        self._task = task
        self._remaining, self._note = Remaining(), task.sources.note or ""
        self._growing = Growing(self._viewer, task.sources)
        self._began_s = time.perf_counter()
        self._set_busy(True)
        self.say("Loading the network…")
        self._run = Run(
            task.run(),
            f"The fusion of {' and '.join(task.sources.names)}",
            reported=self._show_report,
            done=self._add,
            failed=self._tell_failure,
            cancelled=self._tell_cancelled,
        )
        self._run.start()

    def cancel(self) -> None:
        """Ask the run to stop after the tile in work."""
        if self._run is not None:
            self.cancel_button.enabled = False
            self.say("Stopping after this tile…")
            self._run.cancel()

    def report(self) -> None:
        """Write what is wrong with the images that were fused last, as a page, and show it in a browser."""
        task = self._last
        if self._run is not None or task is None:
            return
        path = ask_for_page(self.native, task.sources.title)
        if path is None:
            return
        self._set_busy(True)
        self.say("Looking at every image…")
        self._run = Run(
            task.report(path),
            f"The report of {task.sources.title}",
            reported=self._show_progress,
            done=self._show_page,
            failed=lambda error: self._finish(f"No report: {error}", error=True),
            cancelled=lambda: self._finish("Cancelled."),
        )
        self._run.start()

    def _show_page(self, made: list[Path]) -> None:
        self._finish(f"Wrote {made[0]}.", done=True)
        open_in_browser(made[0])

    def _show_progress(self, report: Progress) -> None:
        with self._one_repaint():
            self.progress.max, self.progress.value = report.total, report.done

    def _show_report(self, report: Progress) -> None:
        with self._one_repaint():
            self.progress.max = report.total
            self.progress.value = report.done
            said = self._remaining.after(report.done, report.total, time.perf_counter())
            self._note = report.note or self._note
            self.say(f"{said}. {self._note}" if self._note else said)
        if report.note is not None:
            show_info(report.note)
        if report.preview is not None:
            assert self._growing is not None
            self._growing.show(report.preview)

    def _add(self, made: list[NewLayer]) -> None:
        assert self._growing is not None
        self._last = self._task
        fused, *maps = made
        added = [(fused, self._growing.complete(fused))]
        self._later(0, lambda: self._add_maps(maps, added))

    def _add_maps(self, maps: list[NewLayer], added: list[tuple[NewLayer, Any]]) -> None:
        """Add one map, and the others later: napari needs a tenth of a second for each."""
        assert self._growing is not None
        if maps:
            try:
                added.append((maps[0], self._growing.add(maps[0])))
            except Exception as error:
                LOG.exception("A map could not be shown")
                self._tell_failure(error)
            else:
                self._later(0, lambda: self._add_maps(maps[1:], added))
            return
        self._growing.select()
        if self._task is not None:
            self._retouch.offer(self._task, added)
        names = [layer.name for _, layer in added[1:] if not layer.visible]
        spent = duration(time.perf_counter() - self._began_s)
        hidden = f" Beside it, hidden: {', '.join(names)}." if names else ""
        self._finish(f"Done in {spent}.{hidden} {self._note}".strip(), done=True)

    def _tell_failure(self, error: Exception) -> None:
        assert self._growing is not None
        self._growing.remove()
        known = isinstance(error, ValueError | TypeError | OSError | ImportError)
        said = str(error) if known else f"The fusion failed: {error or type(error).__name__}"
        self._finish(said if known else f"{said}. The details are in the log.", error=True)
        show_error(said)

    def _tell_cancelled(self) -> None:
        assert self._growing is not None
        self._growing.remove()
        self._finish("Cancelled.")
        show_info("Fusion cancelled.")

    def _refuse(self, why: str) -> None:
        """Say it where it wraps and stays, in place of what was said of an earlier run, and as napari says it."""
        self.progress.value = 0
        self.say(why, error=True)
        show_error(why)

    def _finish(self, said: str, *, done: bool = False, error: bool = False) -> None:
        self._run = self._task = self._growing = None
        # Not in one go with adding a layer, which is a long step already.
        self._later(0, lambda: self._show_end(said, done, error))
        self._later(IDLE_MS, self._rest)

    def _show_end(self, said: str, done: bool, error: bool) -> None:
        if self._run is None:
            with self._one_repaint():
                self._set_busy(False)
                self.progress.value = self.progress.max if done else 0
                self.say(said, error=error)

    def _hint(self) -> None:
        """An empty panel says what to open."""
        if self._run is None and self.status.value in ("", self.hint):
            images = [layer for layer in self._viewer.layers if isinstance(layer, napari.layers.Image)]
            self.say("" if len(images) >= self.needed else self.hint)

    def _forget(self, event: Any) -> None:
        """Without its sources there is nothing to report on, and nothing is kept in memory."""
        if self._last is not None and self._last.sources.has(event.value):
            self._last = None
            self.report_button.enabled = False

    def _rest(self) -> None:
        if self._run is None:
            give_back()

    def _set_busy(self, busy: bool) -> None:
        self.fuse_button.enabled = not busy
        self.cancel_button.enabled = busy
        self.report_button.enabled = not busy and self._last is not None
        self.progress.value = 0

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
            self.follow_layers()
            self._hint()

    def _abandon(self) -> None:
        """Stop the work of a panel that is being closed; nothing of the panel may be touched any more."""
        self._ignore_lookout()
        self._retouch.withdraw()
        for signal, call in self._heard:
            signal.disconnect(call)
        if self._run is not None:
            LOG.info("The panel was closed; its fusion stops.")
            self._run.abandon()
        else:
            give_back()

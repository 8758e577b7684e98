"""What both panels do: Fuse and Cancel, progress, and what becomes of a run."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.utils.notifications import show_error, show_info

from napari_rpsnn.engine.memory import give_back
from napari_rpsnn.engine.results import Preview, Progress
from napari_rpsnn.options import Options
from napari_rpsnn.plugin.choices import Remaining, duration
from napari_rpsnn.plugin.form import Form
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
    kind, layers, more
        As of `Form`.
    """

    def __init__(self, viewer: napari.viewer.Viewer, kind: type[Options], layers: list[Any], more: list[Any]) -> None:
        self._viewer = viewer
        self._run: Run | None = None
        self._task: Task | None = None
        self._live: Any = None
        self._live_data: Any = None
        self._remaining = Remaining()
        self._note = ""
        self._began_s = 0.0
        super().__init__(kind, layers, more)
        self._set_busy(False)
        self.fuse_button.changed.connect(self.start)
        self.cancel_button.changed.connect(self.cancel)
        self.native.destroyed.connect(self._abandon)
        self.native_parent_changed.connect(self._enter_or_leave)

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
            self._task = self.read()
        except (ValueError, TypeError) as error:
            show_error(str(error))
            return
        remember(self.choices)
        if self._task.sources.note:
            show_info(self._task.sources.note)
        self._remaining, self._note = Remaining(), ""
        self._began_s = time.perf_counter()
        self._set_busy(True)
        self.status.value = "Loading the network…"
        self._run = Run(
            self._task.run(),
            f"The fusion of {' and '.join(self._task.sources.names)}",
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
            self.status.value = "Stopping after this tile…"
            self._run.cancel()

    def _show_report(self, report: Progress) -> None:
        with self._one_repaint():
            self.progress.max = report.total
            self.progress.value = report.done
            said = self._remaining.after(report.done, report.total, time.perf_counter())
            self._note = report.note or self._note
            self.status.value = f"{said}. {self._note}" if self._note else said
        if report.note is not None:
            show_info(report.note)
        if report.preview is not None:
            self._show_live(report.preview)

    def _show_live(self, preview: Preview) -> None:
        if self._live is None:
            if self._task is None:
                return
            sources = self._task.sources
            self._live_data = np.zeros(sources.shape, sources.images[0].dtype)
            preview.paint(self._live_data)
            self._live = self._viewer.add_image(self._live_data, **sources.attributes)
        else:
            preview.paint(self._live_data)
            self._live.refresh(thumbnail=False, highlight=False, extent=False)

    def _add(self, made: list[NewLayer]) -> None:
        fused, *maps = made
        names = []
        layer = self._live
        if layer is not None and layer in self._viewer.layers:
            layer.data = fused.data
            layer.metadata = fused.attributes["metadata"]
        else:  # there was no live result, or the user has removed it
            layer = self._viewer.add_image(fused.data, **fused.attributes)
        for item in maps:
            map_layer = self._viewer.add_image(item.data, **item.attributes)
            if item.colorbar and hasattr(map_layer, "colorbar"):  # napari 0.6.2 and later
                map_layer.colorbar.visible = True
            names.append(map_layer.name)
        self._viewer.layers.selection.active = layer
        spent = duration(time.perf_counter() - self._began_s)
        hidden = f" Beside it, hidden: {', '.join(names)}." if names else ""
        self._finish(f"Done in {spent}.{hidden} {self._note}".strip(), done=True)

    def _tell_failure(self, error: Exception) -> None:
        self._remove_live()
        self._finish("Failed; the details are in the log.")
        known = isinstance(error, ValueError | TypeError | OSError | ImportError)
        show_error(str(error) if known else f"The fusion failed: {error or type(error).__name__}")

    def _tell_cancelled(self) -> None:
        self._remove_live()
        self._finish("Cancelled.")
        show_info("Fusion cancelled.")

    def _remove_live(self) -> None:
        if self._live is not None and self._live in self._viewer.layers:
            self._viewer.layers.remove(self._live)

    def _finish(self, said: str, done: bool = False) -> None:
        self._run = self._task = self._live = self._live_data = None
        # Not in one go with adding a layer, which is a long step already.
        self._later(0, lambda: self._show_end(said, done))
        self._later(IDLE_MS, self._rest)

    def _show_end(self, said: str, done: bool) -> None:
        if self._run is None:
            with self._one_repaint():
                self._set_busy(False)
                self.progress.value = self.progress.max if done else 0
                self.status.value = said

    def _rest(self) -> None:
        if self._run is None:
            give_back()

    def _set_busy(self, busy: bool) -> None:
        self.fuse_button.enabled = not busy
        self.cancel_button.enabled = busy
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

    def _enter_or_leave(self, dock: Any) -> None:
        if dock is None:  # the dock was closed
            self.cancel()
        else:
            self.follow_layers()

    def _abandon(self) -> None:
        """Stop the work of a panel that is being closed; nothing of the panel may be touched any more."""
        self._ignore_lookout()
        if self._run is not None:
            LOG.info("The panel was closed; its fusion stops.")
            self._run.abandon()
        else:
            give_back()

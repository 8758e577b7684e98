"""What both panels of layers do: what becomes of a run in the viewer, its report, and retouching."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from magicgui.widgets import PushButton
from napari.utils.notifications import show_error, show_info

from napari_rpsnn.engine.results import Progress
from napari_rpsnn.options import Options, StackOptions
from napari_rpsnn.plugin.results.growing import Growing
from napari_rpsnn.plugin.results.page import ask_for_page, open_in_browser
from napari_rpsnn.plugin.results.remaining import duration
from napari_rpsnn.plugin.retouch.offer import RetouchOffer
from napari_rpsnn.plugin.rows.controls import describe
from napari_rpsnn.plugin.rows.following import Following
from napari_rpsnn.plugin.rows.part_rows import PartRows
from napari_rpsnn.plugin.settings import remember
from napari_rpsnn.plugin.worker import LOG
from napari_rpsnn.plugin.working import Working

if TYPE_CHECKING:
    from napari_rpsnn.plugin.run import NewLayer, Task

#: Errors whose text is for the user.
KNOWN = (ValueError, TypeError, OSError, ImportError)


class Panel(Working):
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
        self._task: Task | None = None
        self._last: Task | None = None  # that is done, for a report
        self._retouch = RetouchOffer(viewer, self.say)
        self.retouch_button = self._retouch.button
        self.report_button = PushButton(
            name="report", text="Report…", tooltip="What is wrong with the images that were fused, as a page to save"
        )
        describe(self.report_button, "Quality report of the images that were fused last")
        self._growing: Growing | None = None
        self._following = Following(self.follow_changes)
        super().__init__(viewer, kind, layers, more, PartRows(viewer, planes=kind is StackOptions), beside)
        self.report_button.changed.connect(self.report)
        for change in ("inserted", "removed"):
            self._listen(getattr(viewer.layers.events, change), self._hint)
        self._listen(viewer.layers.events.removed, self._forget)

    @abstractmethod
    def read(self) -> Task:
        """What is to be done, of the layers and choices as they are now; raises ValueError to refuse it."""

    @abstractmethod
    def follow_layers(self) -> None:
        """Choose anew what depends on the layer list."""

    @abstractmethod
    def follow_changes(self) -> None:
        """Offer anew what depends on what the chosen layers say of themselves."""

    # A run.

    def start(self) -> None:
        """Begin, unless a run is at work: then it goes on."""
        if self._is_at_work():
            return
        try:
            task = self.read()
        except Exception as error:  # a mask may be in a file that is gone, or too large
            self._refuse(_why(error))
            return
        remember(self.choices)
        if task.sources.note:
            show_info(task.sources.note)
        self._task, self._note = task, task.sources.note or ""
        self._growing = Growing(self._viewer, task.sources)
        self._begin(
            task.run(),
            f"The fusion of {' and '.join(task.sources.names)}",
            "Loading the network…",
            done=self._add,
            failed=self._tell_failure,
            cancelled=self._tell_cancelled,
        )

    def report(self) -> None:
        """Write what is wrong with the images that were fused last, as a page, and show it in a browser."""
        task = self._last
        if self._run is not None or task is None:
            return
        path = ask_for_page(self.native, task.sources.title)
        if path is None:
            return
        self._note = ""
        self._begin(
            task.report(path),
            f"The report of {task.sources.title}",
            "Looking at every image…",
            done=self._show_page,
            failed=lambda error: self._finish(f"No report: {error}", error=True),
            cancelled=lambda: self._finish("Cancelled."),
        )

    def _show_page(self, made: list[Path]) -> None:
        self._finish(f"Wrote {made[0]}.", done=True)
        open_in_browser(made[0])

    def _show_report(self, report: Progress) -> None:
        super()._show_report(report)
        if report.preview is not None:
            assert self._growing is not None
            self._growing.show(report.preview)

    def _add(self, made: list[NewLayer]) -> None:
        assert self._growing is not None
        assert self._task is not None
        can_report = self._task.sources.are_in(self._viewer.layers) and not self._task.makes_slabs
        self._last = self._task if can_report else None
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
                self._later(0, lambda: self._explain(maps, added))
            return
        self._growing.select()
        if self._task is not None:
            self._retouch.offer(self._task, added)
        names = [layer.name for _, layer in added[1:] if not layer.visible]
        spent = duration(time.perf_counter() - self._began_s)
        hidden = f" Beside it, hidden: {', '.join(names)}." if names else ""
        self._finish(f"Done in {spent}.{hidden} {self._note}".strip(), done=True)

    def _explain(self, maps: list[NewLayer], added: list[tuple[NewLayer, Any]]) -> None:
        assert self._growing is not None
        try:
            self._growing.explain(*added[-1])
        except Exception:  # the map is there without it
            LOG.exception("A colour bar could not be shown")
        self._later(0, lambda: self._add_maps(maps[1:], added))

    def _tell_failure(self, error: Exception) -> None:
        assert self._growing is not None
        self._growing.remove()
        said = _why(error)
        self._finish(said if isinstance(error, KNOWN) else f"{said}. The details are in the log.", error=True)
        show_error(said)

    def _tell_cancelled(self) -> None:
        assert self._growing is not None
        self._growing.remove()
        self._finish("Cancelled.")
        show_info("Fusion cancelled.")

    def _finish(self, said: str, *, done: bool = False, error: bool = False) -> None:
        self._task = self._growing = None
        super()._finish(said, done=done, error=error)

    def _hint(self) -> None:
        """An empty panel says what to open; of layers that are all gone there is nothing else to say."""
        images = [layer for layer in self._viewer.layers if isinstance(layer, napari.layers.Image)]
        if self._run is None and (not images or self.status.value in ("", self.hint)):
            self.progress.value = 0
            self.say("" if len(images) >= self.needed else self.hint)

    def _forget(self, event: Any) -> None:
        """Without its sources there is nothing to report on, and nothing is kept in memory."""
        if self._last is not None and self._last.sources.has(event.value):
            self._last = None
            self.report_button.enabled = False

    def _buttons(self) -> list[Any]:
        return [*super()._buttons(), self.retouch_button, self.report_button]

    def _set_busy(self, busy: bool) -> None:
        super()._set_busy(busy)
        self.report_button.enabled = not busy and self._last is not None

    def _enter_or_leave(self, dock: Any) -> None:
        super()._enter_or_leave(dock)
        if dock is not None:
            self.follow_layers()
            self._hint()

    def _abandon(self) -> None:
        self._following.follow([])
        self._retouch.withdraw()
        super()._abandon()


def _why(error: Exception) -> str:
    """What an error says to the user; of one that nobody has thought of, that it is one."""
    said = str(error) or type(error).__name__  # Python's own MemoryError has no text
    return said if isinstance(error, KNOWN) else f"The fusion failed: {said}"

"""The button that begins retouching the last result of a panel, while that and its sources are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import napari
from magicgui.widgets import PushButton
from napari.qt.threading import create_worker

from napari_rpsnn.plugin.retouch.brush import KEY, Brush
from napari_rpsnn.plugin.retouch.painting import Painting, Sources
from napari_rpsnn.plugin.rows.controls import describe

if TYPE_CHECKING:
    from napari_rpsnn.plugin.run import NewLayer, Task


class RetouchOffer:
    """Offers to retouch what was made.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    say : callable
        Says in the panel what is going on; with ``error=True`` what went wrong.
    """

    def __init__(self, viewer: napari.viewer.Viewer, say: Callable[..., None]) -> None:
        self._viewer, self._say = viewer, say
        self._task: Task | None = None
        self._layers: list[Any] = []
        self._worker: Any = None
        self._painting: Painting | None = None  # begun on these layers
        self._brush: Brush | None = None
        about = "Paint on the result: a region is taken from the plane that you look at"
        self.button = PushButton(name="retouch", text="Retouch", tooltip=about, enabled=False)
        describe(self.button, "Retouch")
        self.button.changed.connect(self.begin)
        viewer.layers.events.removed.connect(self._forget)

    def offer(self, task: Task, made: list[tuple[NewLayer, Any]]) -> None:
        """Offer it for layers that were made: the fused image first, its index and heights among the others."""
        wanted = ("", "plane index", "height")
        self._painting = self._brush = None
        # The result may have been removed while its maps were added.
        there = all(layer in self._viewer.layers for _, layer in made[:1]) and task.sources.are_in(self._viewer.layers)
        self._task = task if there else None
        self._layers = [layer for what in wanted for item, layer in made if item.what == what]
        self._whats = [item.what for what in wanted for item, _ in made if item.what == what]
        # Of one time point, a region of a pair, or several layers, no layer has the arrays that were fused.
        is_whole = not task.sources.part and not task.sources.split
        self.button.enabled = self._task is not None and is_whole and not task.makes_slabs

    def begin(self) -> None:
        """Add the Labels layer; where planes are to be aligned for it, as soon as they are."""
        task = self._task
        if task is None:
            return
        self.button.enabled = False
        if self._painting is not None:  # what was painted before is there
            self._take_up(task, self._painting)
            return
        if task.options.register is None:
            self._add(task, Sources(task))
            return
        self._say("Aligning for the brush…")
        self._worker = create_worker(Sources, task, _start_thread=False)
        self._worker.returned.connect(lambda sources: self._add(task, sources))
        self._worker.errored.connect(self._tell)
        self._worker.start()

    def _tell(self, error: Exception) -> None:
        """It may be tried again: a file that was away may be there."""
        self._worker, self.button.enabled = None, self._task is not None
        self._say(str(error), error=True)

    def withdraw(self) -> None:
        """The panel is gone: nothing must reach it."""
        self._viewer.layers.events.removed.disconnect(self._forget)
        if self._worker is not None:
            self._worker.returned.disconnect()
            self._worker.errored.disconnect()

    def _add(self, task: Task, sources: Sources) -> None:
        self._worker = None
        if task is not self._task:  # the result was removed meanwhile
            return
        arrays = dict(zip(self._whats, [layer.data for layer in self._layers], strict=True))
        self._painting = Painting(sources, arrays[""], arrays.get("plane index"), arrays.get("height"))
        self._take_up(task, self._painting)

    def _take_up(self, task: Task, painting: Painting) -> None:
        self._brush = Brush(self._viewer, task, painting, self._layers)
        several = len(task.sources.arrays) > 1
        looked_at, source = ("image that is shown", "sources") if several else ("plane of the slider", "source")
        self._say(
            f"Painting takes a region from the {looked_at}, erasing gives the decision back. {KEY} shows the {source} "
            "and the result in turn, Ctrl-Z undoes."
        )

    def _forget(self, event: Any) -> None:
        """Without the result or one of its sources there is nothing to retouch, and nothing is kept in memory.

        Without the Labels layer it may be begun anew.
        """
        gone = event.value
        if self._task is None:
            return
        if gone in self._layers or self._task.sources.has(gone):
            self._task, self._painting, self._layers = None, None, []
            self.button.enabled = False
        elif self._brush is not None and gone == self._brush.labels:
            self._brush, self.button.enabled = None, True
            self._say("Retouch begins anew with what was painted.")

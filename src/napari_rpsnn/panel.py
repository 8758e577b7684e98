"""What both panels have in common: choices, Fuse and Cancel, progress, and what becomes of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import napari
import numpy as np
from magicgui.widgets import Container, FileEdit, Label, ProgressBar, PushButton
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_rpsnn.background import LOG, Run
from napari_rpsnn.choices import ALIGNMENTS, FILE, METHODS, PRECISIONS, TILES, Choices, Remaining, duration
from napari_rpsnn.devices import available_devices
from napari_rpsnn.fusion import Preview, Progress
from napari_rpsnn.layers import axis_names, channel_names, find_channel_axis, possible_channel_axes
from napari_rpsnn.models import bundled_models
from napari_rpsnn.rows import MIN_WIDTH_PX, choice, describe, folded, labelled, set_choices, stacked
from napari_rpsnn.settings import remember, remembered
from napari_rpsnn.task import NewLayer, Task

#: After this time the panel finds out what was chosen before and which devices there are.
LOOKOUT_MS = 200


class Panel(Container[Any]):
    """Choose layers and how to fuse them, fuse them in the background, add what comes of it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    rows : list of widget
        What is fused.
    returns : list of widget
        What is wanted beside the fused image.
    more : list of widget
        First rows of the fold.
    """

    def __init__(self, viewer: napari.viewer.Viewer, rows: list[Any], returns: list[Any], more: list[Any]) -> None:
        self._viewer = viewer
        self._run: Run | None = None
        self._task: Task | None = None
        self._live: Any = None
        self._live_data: Any = None
        self._remaining = Remaining()
        self._note = ""
        self._began_s = 0.0
        self._remembered = Choices()
        self._make_widgets()
        shown = [
            *rows,
            self.channels,
            self.guide,
            *returns,
            self.method,
            self.align,
            self.model,
            self.model_file,
            self.device,
        ]
        hidden = [*more, self.tile, self.precision]
        self._rows = {widget.name: labelled(widget) for widget in (*shown, *hidden)}
        self._fields = {w.name: w for w in (*shown, *hidden) if w.name in Choices.__dataclass_fields__}
        upper, lower = (stacked([self._rows[w.name] for w in widgets]) for widgets in (shown, hidden))
        buttons = stacked([self.fuse_button, self.cancel_button], layout="horizontal")
        super().__init__(widgets=[upper, buttons, self.progress, self.status], labels=False)
        self.min_width = MIN_WIDTH_PX
        self._folded = lower  # magicgui's wrapper must live as long as its widget
        self.advanced = folded("Advanced", lower, "Tile size, precision and more")
        self.native.layout().insertWidget(1, self.advanced)
        self._order_tabs(shown, hidden)
        self._show_file_row()
        self._offer_maps()
        self._set_busy(False)
        self.model.changed.connect(self._show_file_row)
        self.method.changed.connect(self._offer_maps)
        self.fuse_button.changed.connect(self.start)
        self.cancel_button.changed.connect(self.cancel)
        self.native.destroyed.connect(self._abandon)
        self.native_parent_changed.connect(self._enter_or_leave)
        # Once the panel is on the screen: a thread at work slows its opening down.
        self._lookout: Any = None
        self._later(LOOKOUT_MS, self._look_around)

    def read(self) -> Task:
        """What is to be done, of the layers and choices as they are now; raises ValueError to refuse it."""
        raise NotImplementedError

    def follow_layers(self) -> None:
        """Choose anew what depends on the layer list."""
        raise NotImplementedError

    def show_row(self, widget: Any, visible: bool) -> None:
        """Show a widget with its label, or hide both."""
        self._rows[widget.name].visible = visible

    def offer_channels(self, layer: Any, planes: int | None) -> None:
        """Offer the axes of `layer` that may be channels, if there are any."""
        axes = [] if layer is None else possible_channel_axes(layer, planes)
        names = axis_names(layer) if axes else []
        found = find_channel_axis(layer) if axes else None
        set_choices(self.channels, [("none", None), *((names[i], i) for i in axes)], found if found in axes else None)
        self.show_row(self.channels, bool(axes))

    def offer_guides(self, layer: Any) -> None:
        """Offer the channels of `layer`, if there are any, each as a guide for all."""
        names = [] if layer is None else channel_names(layer, self.channels.value)
        set_choices(self.guide, [("none", None), *((name, i) for i, name in enumerate(names))], None)
        self.show_row(self.guide, bool(names))

    def _make_widgets(self) -> None:
        self.channels = choice("channels", "Channels", [("none", None)], "Axis of the channels")
        together = "The channel that decides for all; none: each is fused by itself, colours together"
        self.guide = choice("guide", "Guide", [("none", None)], together)
        self.method = choice("method", "Method", METHODS, "decision: the sources' values; regression: the network's")
        self.align = choice("align", "Align", ALIGNMENTS, "Align the pictures first; this interpolates values")
        models = ("auto", *bundled_models(), FILE)
        self.model = choice("model", "Model", models, "auto: rpsnn on a GPU, rpsnn-lite on a CPU; or a file of yours")
        weights = "*.safetensors *.pth"
        self.model_file = FileEdit(name="model_file", label="File", filter=weights, tooltip=f"Weights: {weights}")
        self.device = choice("device", "Device", ("auto",), "Where to compute; auto takes a GPU if there is one")
        self.tile = choice("tile", "Tile", TILES, "Side of a tile in pixels; smaller ones take less memory, more time")
        self.precision = choice("precision", "Precision", PRECISIONS, "Of the arithmetic; auto takes the fastest")
        self.fuse_button = PushButton(name="fuse", text="Fuse", tooltip="Begin; the window stays usable")
        self.cancel_button = PushButton(
            name="cancel", text="Cancel", tooltip="Stop after the tile in work, add nothing"
        )
        self.progress = ProgressBar(name="progress", tooltip="How much is done")
        self.status = Label(name="status", value="", tooltip="What is going on")
        self.status.native.setWordWrap(True)
        self.status.native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.status.min_height = 2 * self.status.native.sizeHint().height()
        for widget, title in (
            (self.model_file, "Weights file"),
            (self.fuse_button, "Fuse"),
            (self.cancel_button, "Cancel"),
            (self.progress, "Progress"),
            (self.status, "Status"),
        ):
            describe(widget, title)

    def _order_tabs(self, rows: list[Any], hidden: list[Any]) -> None:
        widgets = [*(row.native for row in rows), self.advanced.toggleButton(), *(row.native for row in hidden)]
        widgets += [self.fuse_button.native, self.cancel_button.native]
        for before, after in pairwise(widgets):
            QWidget.setTabOrder(before, after)

    # Choices.

    @property
    def choices(self) -> Choices:
        """What is chosen now, apart from layers and axes; what this panel has no row for is as it was remembered."""
        values = {name: widget.value for name, widget in self._fields.items()}
        file = values.pop("model_file")  # what stands there while there is no file to choose means nothing
        if self.model.value == FILE:
            values["model_file"] = str(file)
        return replace(self._remembered, **values)

    def _later(self, ms: int, call: Callable[[], None]) -> None:
        """Call when this event and those that wait are done, if the panel is still there then."""
        timer = QTimer(self.native)
        timer.setSingleShot(True)
        timer.timeout.connect(call)
        timer.timeout.connect(timer.deleteLater)
        timer.start(ms)

    def _show_file_row(self) -> None:
        self.show_row(self.model_file, self.model.value == FILE)

    def _offer_maps(self) -> None:
        """By regression there is no decision, so no maps of it."""
        for name in ("decision_map", "index_map", "height_map", "guide"):
            if (widget := getattr(self, name, None)) is not None:
                widget.enabled = self.method.value == "decision"

    def _look_around(self) -> None:
        """Find out in a thread, while the panel is open already, what was chosen before and which devices there are."""
        worker = create_worker(_look_around, _start_thread=False, _ignore_errors=True)
        worker.yielded.connect(self._recall)
        worker.returned.connect(self._offer_devices)
        self._lookout = worker
        worker.start()

    def _recall(self, choices: Choices) -> None:
        """Show what was chosen before, but leave alone what has been chosen by now."""
        self._remembered = choices
        if choices.device != "auto":  # whether it is there is found out later
            set_choices(self.device, [("auto", "auto"), (choices.device, choices.device)], self.device.value)
        for name, default in asdict(Choices()).items():
            if name in self._fields and self._fields[name].value == default:
                self._fields[name].value = getattr(choices, name)
        if choices.model_file:
            self.model_file.value = Path(choices.model_file)

    def _offer_devices(self, devices: dict[str, str]) -> None:
        self._lookout = None
        wanted = self.device.value
        options = [("auto", "auto"), *((text, device) for device, text in devices.items())]
        set_choices(self.device, options, wanted if wanted in devices else "auto")

    # A run.

    def start(self) -> None:
        """Begin, unless a run is at work: then it goes on."""
        if self._run is not None:
            show_info("A fusion is at work in this panel; cancel it, or wait for it to end.")
            return
        try:
            choices = self.choices
            choices.check()
            self._task = self.read()
        except ValueError as error:
            show_error(str(error))
            return
        remember(choices)
        if self._task.sources.note:
            show_info(self._task.sources.note)
        self._remaining, self._note = Remaining(), ""
        self._began_s = time.perf_counter()
        self._set_busy(True)
        self.status.value = "Loading the network…"
        self._run = Run(
            self._task,
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

    def _show_end(self, said: str, done: bool) -> None:
        if self._run is None:
            with self._one_repaint():
                self._set_busy(False)
                self.progress.value = self.progress.max if done else 0
                self.status.value = said

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
        if self._lookout is not None:
            for signal in (self._lookout.yielded, self._lookout.returned):
                signal.disconnect()
        if self._run is not None:
            LOG.info("The panel was closed; its fusion stops.")
            self._run.abandon()


def _look_around() -> Generator[Choices, None, dict[str, str]]:
    yield remembered()
    return available_devices()

"""The form of a panel: what may be chosen, what was chosen before, and which devices there are."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from magicgui.widgets import ComboBox, Container, FileEdit, Label, ProgressBar, PushButton
from napari.qt.threading import create_worker
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QWidget

from napari_rpsnn.options import Options, about
from napari_rpsnn.plugin.axes import View, axis_names, channel_names, find_channel_axis, possible_channel_axes
from napari_rpsnn.plugin.choices import FILE, Choices, rows
from napari_rpsnn.plugin.rows.controls import (
    MIN_ROWS_PX,
    MIN_SAID_PX,
    MIN_WIDTH_PX,
    Scrolled,
    choice,
    describe,
    folded,
    labelled,
    line,
    offer_anew,
    option_row,
    path_of,
    reference,
    set_choices,
    stacked,
)
from napari_rpsnn.plugin.rows.help import links
from napari_rpsnn.plugin.rows.part_rows import PartRows
from napari_rpsnn.plugin.settings import remembered
from napari_rpsnn.plugin.startup import available_devices, available_precisions

#: After this time the panel finds out what was chosen before and which devices there are.
LOOKOUT_MS = 200


class Form(Container[Any]):
    """All rows of a panel, from the layers to the line that says what is going on.

    Parameters
    ----------
    kind : type
        Of options: those that have a row get one.
    layers : list of widget
        What is fused.
    more : list of widget
        Further rows, after those of what is wanted beside the fused image.
    part : PartRows or None
        What part of it is fused; under a fold of its own.
    beside : dict
        Widgets that share a row with another one, by its name.
    """

    #: Options that have a row elsewhere, and none here.
    left_out: tuple[str, ...] = ()

    def __init__(
        self,
        kind: type[Options],
        layers: list[Any],
        more: list[Any],
        part: PartRows | None,
        beside: Mapping[str, Any] | None = None,
    ) -> None:
        beside = beside or {}
        self._lists = [row for row in layers if isinstance(row, ComboBox)]
        self._remembered = Choices()
        self._precisions: dict[str, list[str]] = {}
        self._found: tuple[Any, int | None] = (None, None)  # which channels, and of which layer
        self._guided: tuple[Any, int | None] = (None, None)  # channels that guides are offered of, and of which layer
        self._make_widgets()
        offered = [option for option in rows(kind) if option.name not in self.left_out]
        self._chosen = {option.name: option_row(option) for option in offered}
        self._decided = [self._chosen[option.name] for option in offered if about(option).decided] + [self.guide]
        ticks, lists, hidden = list[Any](), list[Any](), list[Any]()
        for option in offered:
            place = hidden if about(option).folded else ticks if isinstance(option.default, bool) else lists
            place.append(self._chosen[option.name])
        vars(self).update(self._chosen)  # attributes, as the other rows are
        lists.insert(lists.index(self.model) + 1, self.model_file)
        shown = [*layers, self.channels, self.guide, *ticks, *more, *lists]
        wide = {option.name for option in offered if about(option).words}
        self._rows = {
            widget.name: labelled(widget, beside.get(widget.name), above=widget.name in wide)
            for widget in (*shown, *hidden)
        }
        upper, lower = (stacked([self._rows[w.name] for w in widgets]) for widgets in (shown, hidden))
        buttons = stacked(self._buttons(), layout="horizontal")
        super().__init__(widgets=[buttons, self.progress, self.status], labels=False)
        self.min_width = MIN_WIDTH_PX
        self.part: Any = part
        above = self._above()
        self._folds = [part.fold] if part else []
        self._parts = upper, lower  # magicgui's wrappers must live as long as their widgets
        self.advanced = folded("Advanced", lower, "Precision, tile size and more")
        self.advanced.content().layout().addWidget(self._links())
        # What is chosen scrolls where the screen is small; Fuse and what is going on are always there.
        # A long message scrolls, too: it would push the buttons out of a low dock.
        self.native.layout().addWidget(Scrolled([self.status.native], MIN_SAID_PX, last=True), 1)
        chosen = Scrolled([*above, upper.native, *self._folds, self.advanced], MIN_ROWS_PX)
        self.native.layout().insertWidget(0, chosen, 100)
        in_rows = [w for row in shown for w in (row, beside.get(row.name)) if w is not None]
        parts = [part.fold.toggleButton(), *(widget.native for widget in part.widgets)] if part else []
        self._order_tabs(in_rows, parts, hidden)
        self._show_file_row()
        self._offer_maps()
        self._offer_precisions()
        self.model.changed.connect(self._show_file_row)
        self.method.changed.connect(self._offer_maps)
        self.device.changed.connect(self._offer_precisions)
        self._hidden = [widget for widget in hidden if widget.name in self._chosen]
        self.advanced.toggled.connect(self._title_advanced)
        for widget in self._hidden:
            widget.changed.connect(self._title_advanced)
        self._title_advanced()
        # Once the panel is on the screen: a thread at work slows its opening down.
        self._lookout: Any = None
        self._later(LOOKOUT_MS, self._look_around)

    def reset_choices(self, *_: Any) -> None:
        """Offer the layers that there are; napari calls it when the layer list changes."""
        for row in self._lists:
            offer_anew(row)
        if self.part is not None:
            self.part.reset_choices()

    def show_row(self, widget: Any, visible: bool) -> None:
        """Show a widget with its label, or hide both."""
        self._rows[widget.name].visible = visible

    def say(self, text: str, *, error: bool = False) -> None:
        """Say what is going on, or what went wrong, in place of what was said before."""
        self.status.native.setStyleSheet("border-left: 3px solid #d9363e; padding-left: 6px;" if error else "")
        self.status.value = text

    def offer_channels(self, layer: Any, planes: int | None, view: View) -> None:
        """Offer the axes of `layer` that may be channels, if there are any; what somebody chose among them stays."""
        axes = [] if layer is None else possible_channel_axes(layer, planes)
        names = axis_names(layer, view) if axes else []
        found = find_channel_axis(layer, view) if axes else None
        found = found if found in axes else None
        (before, preset), chosen = self._found, self.channels.value
        self._found = reference(layer), found
        stays = before == reference(layer) and chosen != preset and chosen in (None, *axes)
        set_choices(self.channels, [("none", None), *((names[i], i) for i in axes)], chosen if stays else found)
        self.show_row(self.channels, bool(axes))

    def offer_guides(self, layer: Any) -> None:
        """Offer the channels of `layer`, if there are any, each as a guide for all; the one that was chosen stays."""
        names = [] if layer is None else channel_names(layer, self.channels.value)
        before, self._guided = self._guided, (reference(layer), self.channels.value)
        chosen = self.guide.value if before == self._guided and self.guide.value in range(len(names)) else None
        set_choices(self.guide, [("none", None), *((name, i) for i, name in enumerate(names))], chosen)
        self.show_row(self.guide, bool(names))

    def _make_widgets(self) -> None:
        self.channels = choice("channels", "Channels", [("none", None)], "Axis of the channels")
        together = "The channel that decides for all; none: each is fused by itself, colours together"
        self.guide = choice("guide", "Guide", [("none", None)], together)
        weights = "*.safetensors *.pth"
        self.model_file = FileEdit(name="model_file", label="File", filter=weights, tooltip=f"Weights: {weights}")
        self.fuse_button = PushButton(name="fuse", text="Fuse", tooltip="Begin; the window stays usable")
        self.cancel_button = PushButton(
            name="cancel", text="Cancel", tooltip="Stop after the tile in work, add nothing"
        )
        self.progress = ProgressBar(name="progress", tooltip="How much is done")
        self.status = line("status", "What is going on")
        self.status.native.setAlignment(Qt.AlignmentFlag.AlignTop)
        for widget, title in (
            (self.model_file, "Weights file"),
            (self.fuse_button, "Fuse"),
            (self.cancel_button, "Cancel"),
            (self.progress, "Progress"),
            (self.status, "Status"),
        ):
            describe(widget, title)

    def _above(self) -> list[QWidget]:
        """What stands above all rows."""
        return []

    def _buttons(self) -> list[Any]:
        """In their row, from left to right."""
        return [self.fuse_button, self.cancel_button]

    def _links(self) -> QWidget:
        """Where help is, and a way back to the defaults."""
        self.restore_button = PushButton(
            name="restore", text="Restore defaults", tooltip="Choose in all rows what a new installation chooses"
        )
        describe(self.restore_button, "Restore defaults")
        self.restore_button.changed.connect(self._restore)
        self.links = Label(name="links", value=links(), tooltip="Opens in a browser")
        self.links.native.setOpenExternalLinks(True)
        describe(self.links, "Documentation, and where to report a problem")
        self._help = stacked([self.restore_button, self.links])
        return self._help.native

    def _restore(self) -> None:
        for name, widget in self._chosen.items():
            widget.value = getattr(Choices(), name)

    def _title_advanced(self) -> None:
        """Choices that differ from the defaults are told of when they are out of sight."""
        changed = sum(widget.value != getattr(Choices(), widget.name) for widget in self._hidden)
        fold, told = ("▾", "") if self.advanced.isExpanded() else ("▸", f" ({changed} changed)" if changed else "")
        self.advanced.setText(f"{fold} Advanced{told}")

    def _order_tabs(self, rows: list[Any], parts: list[QWidget], hidden: list[Any]) -> None:
        widgets = [*(row.native for row in rows), *parts, self.advanced.toggleButton()]
        widgets += [row.native for row in (*hidden, *self._buttons())]
        for before, after in pairwise(widgets):
            QWidget.setTabOrder(before, after)

    # Choices.

    @property
    def choices(self) -> Choices:
        """What is chosen now, apart from layers and axes; what this panel has no row for is as it was remembered."""
        values = {name: widget.value for name, widget in self._chosen.items()}
        if self.model.value == FILE:  # else what stands there means nothing
            values["model_file"] = str(path_of(self.model_file))
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
        for widget in self._decided:
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
        if self._lookout is None:
            return
        self._remembered = choices
        for widget, value in ((self.device, choices.device), (self.precision, choices.precision)):
            if value not in widget.choices:  # whether it is there is found out later
                set_choices(widget, [(text, text) for text in (*widget.choices, value)], widget.value)
        for name, widget in self._chosen.items():
            if widget.value == getattr(Choices(), name):
                widget.value = getattr(choices, name)
        if choices.model_file:
            self.model_file.value = Path(choices.model_file)

    def _offer_devices(self, found: tuple[dict[str, str], dict[str, list[str]]]) -> None:
        if self._lookout is None:
            return
        self._lookout = None
        devices, self._precisions = found
        wanted = self.device.value
        options = [("auto", "auto"), *((text, device) for device, text in devices.items())]
        set_choices(self.device, options, wanted if wanted in devices else "auto")
        self._offer_precisions()

    def _offer_precisions(self) -> None:
        """Those that the chosen device has."""
        names = ["auto", *self._precisions.get(self.device.value, ["float32"])]
        wanted = self.precision.value
        set_choices(self.precision, [(name, name) for name in names], wanted if wanted in names else "auto")

    def _ignore_lookout(self) -> None:
        """The panel is gone: what is found out must not reach it.

        Nothing is disconnected: that fails where the thread ends in this moment.
        """
        self._lookout = None


def _look_around() -> Generator[Choices, None, tuple[dict[str, str], dict[str, list[str]]]]:
    yield remembered()
    devices = available_devices()
    return devices, available_precisions(devices)

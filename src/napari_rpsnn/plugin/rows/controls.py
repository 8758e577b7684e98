"""Rows of a panel: labelled choices with a tooltip, a name for screen readers and a width that a dock has."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Callable, Sequence
from dataclasses import Field
from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Container, FileEdit, Label, LineEdit, create_widget
from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QComboBox, QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_rpsnn.options import about
from napari_rpsnn.plugin.choices import listed

#: Docks open at 170 pixels, too narrow for the names of layers and for their own titles.
MIN_WIDTH_PX = 312
#: Labels begin and end at the same place in all rows.
LABEL_WIDTH_PX = 74
#: Both are for text of this height, napari's own; who reads with larger text gets wider ones.
TEXT_PX = 12
#: Rows are scrolled rather than squeezed to less: with this, two panels fit below each other on a small screen.
MIN_ROWS_PX = 110
#: Three lines of what is said.
MIN_SAID_PX = 60


def choice(name: str, label: str, options: Sequence[Any] | Callable[[Any], Any], tooltip: str) -> ComboBox:
    """A list to choose one of."""
    combo = ComboBox(name=name, label=label, choices=options, tooltip=tooltip)
    describe(combo, label)
    return combo


def layer_choice(name: str, label: str, tooltip: str) -> ComboBox:
    """The image layers of the viewer that the panel is in."""
    combo: ComboBox = create_widget(name=name, label=label, annotation="napari.layers.Image")  # type: ignore[assignment]
    combo.tooltip = tooltip
    describe(combo, label)
    return combo


def tick(name: str, text: str, tooltip: str) -> CheckBox:
    """A box to tick, with its text beside it."""
    box = CheckBox(name=name, text=text, tooltip=tooltip)
    describe(box, text)
    return box


def option_row(option: Field[Any]) -> Any:
    """The widget of an option."""
    known = about(option)
    if isinstance(option.default, bool):
        return tick(option.name, known.row, known.text)
    return choice(option.name, known.row, listed(option), known.text)


def describe(widget: Any, title: str) -> None:
    """Name and describe `widget` for screen readers, and let no long entry make it wider than a dock."""
    # Of a path it is the line within that has the keyboard.
    for native in (widget.native, *([widget.line_edit.native] if isinstance(widget, FileEdit) else [])):
        native.setAccessibleName(title)
        native.setAccessibleDescription(widget.tooltip)
    if isinstance(widget.native, QComboBox):
        widget.native.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        widget.native.setMinimumContentsLength(8)


def set_choices(combo: ComboBox, options: Sequence[tuple[str, Any]], value: Any) -> None:
    """Replace what may be chosen, and choose `value`; tell only if that changes the value."""
    before = combo.value
    with combo.changed.blocked():
        combo.native.clear()  # magicgui keeps entries of the same name where they are, whatever the new order
        combo.choices = lambda _: options  # what is given by a function outlives `reset_choices`
        combo.value = value
    if before != value:
        combo.changed.emit(value)


def offer_anew(combo: ComboBox) -> None:
    """Offer what there is now; what is chosen stays as long as it is there, though it may have another name."""
    chosen = combo.value
    with combo.changed.blocked():
        combo.reset_choices()
        if chosen in combo.choices:
            combo.value = chosen
    if combo.value != chosen:
        combo.changed.emit(combo.value)


def reference(layer: Any) -> Any:
    """By which a layer is known again, and not kept in memory."""
    return None if layer is None else weakref.ref(layer)


def path_of(row: FileEdit) -> Path:
    """The path that stands in a row, as people type and paste it, with ~ and in quotes; `Path()` where none stands."""
    said = str(row.line_edit.value).strip().strip("\"'")
    return Path(os.path.expanduser(said))  # noqa: PTH111  Path's own fails where there is no such user


def labelled(widget: Any, beside: Any = None, *, above: bool = False) -> Container[Any]:
    """`widget` with its label before or above it, and what stands beside it.

    A box to tick has its text already, a line that is only read needs none.
    """
    parts = [widget] if beside is None else [widget, beside]
    if isinstance(widget, CheckBox | Label):
        return stacked(parts, layout="horizontal")
    label = Label(value=widget.label, tooltip=widget.tooltip)
    label.native.setBuddy(widget.native)
    if above:
        return stacked([label, *parts])
    on_text_size(label.native, lambda share: label.native.setFixedWidth(round(share * LABEL_WIDTH_PX)))
    return stacked([label, *parts], layout="horizontal")


def line(name: str, tooltip: str) -> Label:
    """A line to read, which wraps."""
    label = Label(name=name, value="", tooltip=tooltip)
    label.native.setWordWrap(True)
    label.native.setTextFormat(Qt.TextFormat.PlainText)  # names of layers and files may look like tags
    label.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label


def on_text_size(native: QWidget, call: Callable[[float], None]) -> None:
    """Call with how many times as high as napari's own the text of a widget is: now, and whenever that changes."""

    def tell() -> None:
        call(max(native.fontInfo().pixelSize() / TEXT_PX, 1.0))

    _TextSize(native, tell)
    tell()


class _TextSize(QObject):  # type: ignore[misc]  # Qt has no types here
    """Watches the font of a widget, to which it belongs."""

    def __init__(self, native: QWidget, changed: Callable[[], None]) -> None:
        super().__init__(native)
        self._changed = changed
        native.installEventFilter(self)

    def eventFilter(self, _: Any, event: Any) -> bool:  # noqa: N802
        """A style sheet, which napari has, sets fonts without a word to widgets that are not polished yet."""
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange, QEvent.Type.Polish):
            self._changed()
        return False


class NumberEdit(LineEdit):
    """A number with all its digits, as it was set, until somebody edits it. NaN where no number stands."""

    _exact, _shown = math.nan, ""

    def set_value(self, value: Any) -> None:
        """Show a number shortly, and keep it as it is."""
        self._exact = float(value)
        self._shown = f"{self._exact:.6g}"
        super().set_value(self._shown)

    def get_value(self) -> float:  # type: ignore[override]
        """The number that was set, or what somebody has made of it."""
        text = super().get_value()
        if text == self._shown:
            return self._exact
        try:
            return float(text.replace(",", "."))
        except ValueError:
            return math.nan


def stacked(widgets: Sequence[Any], layout: str = "vertical") -> Container[Any]:
    """Widgets below or beside each other, without labels and margins."""
    container: Container[Any] = Container(widgets=widgets, layout=layout, labels=False)
    container.margins = (0, 0, 0, 0)
    return container


class Scrolled(QScrollArea):  # type: ignore[misc]  # Qt has no types here
    """Widgets below each other, as high as they are where there is room, else with a scroll bar.

    Qt's own wants 24 lines of text at most, and squeezes rows.

    Parameters
    ----------
    widgets : sequence of QWidget
    least_px : int
        Never less high than this.
    last : bool
        Of a panel the last one takes what room is left: where nobody does, napari adds a space that grows with each
        panel that is opened in a session, and is not above squeezing others.
    """

    def __init__(self, widgets: Sequence[QWidget], least_px: int, *, last: bool = False) -> None:
        super().__init__()
        self._least_px = self._needed_px = least_px
        content = QWidget()
        rows = QVBoxLayout(content)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setAlignment(Qt.AlignmentFlag.AlignTop)
        for widget in widgets:
            rows.addWidget(widget)
            if isinstance(widget, QCollapsible):  # whose content asks for nothing when it is shown for the first time
                widget.toggled.connect(self.fit)
        self.setWidget(content)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        upright = QSizePolicy.Policy.Expanding if last else QSizePolicy.Policy.Maximum
        self.setSizePolicy(QSizePolicy.Policy.Preferred, upright)

    def sizeHint(self) -> QSize:  # noqa: D102, N802
        return QSize(self.widget().sizeHint().width(), self._needed_px)

    @property
    def width_px(self) -> int:
        """As wide as no row is cut off, with a scroll bar beside them: there is none below."""
        beside = self.verticalScrollBar().sizeHint().width() + 2 * self.frameWidth()
        return int(self.widget().minimumSizeHint().width() + beside)

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: N802
        """A row that is shown makes it another height; so does width, where lines wrap."""
        if watched is self.widget() and event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self.fit()
        return bool(super().eventFilter(watched, event))

    def fit(self) -> None:
        """Leave all rows their height."""
        frame = 2 * self.frameWidth()  # of napari's theme, which is not there when the panel is made
        height = self._height_of_rows(self.width() - frame)
        if height > self.viewport().height():  # with a scroll bar beside them
            height = self._height_of_rows(self.widget().width())
        if height != self.widget().minimumHeight():
            self.widget().setMinimumHeight(height)
        if height + frame != self._needed_px:
            self._needed_px = height + frame
            self.setMinimumHeight(self._least_px + frame)
            self.updateGeometry()

    def _height_of_rows(self, width: int) -> int:
        """What wraps knows its height by its width; what was unfolded just now does not."""
        rows = self.widget().layout()
        parts = [rows.itemAt(place).widget() for place in range(rows.count())]
        heights = [max(part.sizeHint().height(), part.heightForWidth(width)) for part in parts]
        return int(sum(heights) + rows.spacing() * (len(parts) - 1))


def folded(title: str, content: Container[Any], tooltip: str) -> QCollapsible:
    """Rows under a heading that unfolds them."""
    # The arrow is text: an icon would keep the colour of one theme.
    fold = QCollapsible(f"▸ {title}", expandedIcon=QIcon(), collapsedIcon=QIcon())
    fold.setDuration(0)
    button = fold.toggleButton()
    button.setToolTip(tooltip)
    button.setAccessibleName(title)
    button.setAccessibleDescription(tooltip)
    content.margins = (0, 4, 0, 0)
    fold.setContent(content.native)
    fold.layout().setContentsMargins(0, 0, 0, 0)
    fold.layout().setSpacing(0)  # what is folded away leaves no gap
    fold.collapse(animate=False)
    return fold

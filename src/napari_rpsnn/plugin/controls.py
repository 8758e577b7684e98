"""Rows of a panel: labelled choices with a tooltip, a name for screen readers and a width that a dock has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Container, Label, create_widget
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QComboBox
from superqt import QCollapsible

#: Docks open at 170 pixels, too narrow for the names of layers.
MIN_WIDTH_PX = 260
#: Labels begin and end at the same place in all rows.
LABEL_WIDTH_PX = 74


def choice(name: str, label: str, options: Sequence[Any], tooltip: str) -> ComboBox:
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


def describe(widget: Any, title: str) -> None:
    """Name and describe `widget` for screen readers, and let no long entry make it wider than a dock."""
    widget.native.setAccessibleName(title)
    widget.native.setAccessibleDescription(widget.tooltip)
    if isinstance(widget.native, QComboBox):
        widget.native.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        widget.native.setMinimumContentsLength(8)


def set_choices(combo: ComboBox, options: Sequence[tuple[str, Any]], value: Any) -> None:
    """Replace what may be chosen, and choose `value`; tell only if that changes the value."""
    before = combo.value
    with combo.changed.blocked():
        combo.choices = lambda _: options  # what is given by a function outlives `reset_choices`
        combo.value = value
    if before != value:
        combo.changed.emit(value)


def labelled(widget: Any) -> Container[Any]:
    """`widget` with its label before it; a box to tick has its text already."""
    parts = [widget]
    if not isinstance(widget, CheckBox):
        label = Label(value=widget.label, tooltip=widget.tooltip)
        label.min_width = label.max_width = LABEL_WIDTH_PX
        label.native.setBuddy(widget.native)
        parts.insert(0, label)
    return stacked(parts, layout="horizontal")


def stacked(widgets: Sequence[Any], layout: str = "vertical") -> Container[Any]:
    """Widgets below or beside each other, without labels and margins."""
    container: Container[Any] = Container(widgets=widgets, layout=layout, labels=False)
    container.margins = (0, 0, 0, 0)
    return container


def folded(title: str, content: Container[Any], tooltip: str) -> QCollapsible:
    """Rows under a heading that unfolds them."""
    # The arrow is text: an icon would keep the colour of one theme.
    fold = QCollapsible(f"▸ {title}", expandedIcon=QIcon(), collapsedIcon=QIcon())
    fold.toggled.connect(lambda open_: fold.setText(f"{'▾' if open_ else '▸'} {title}"))
    fold.setDuration(0)
    button = fold.toggleButton()
    button.setToolTip(tooltip)
    button.setAccessibleName(title)
    button.setAccessibleDescription(tooltip)
    fold.setContent(content.native)
    fold.layout().setContentsMargins(0, 0, 0, 0)
    fold.collapse(animate=False)
    return fold

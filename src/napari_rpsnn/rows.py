"""Rows of a panel: labelled choices with a tooltip, a name for screen readers and a width that a dock has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, Container, create_widget
from magicgui.widgets.bases import ValueWidget
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget
from superqt import QCollapsible

#: Docks open at 170 pixels, too narrow for the names of layers.
MIN_WIDTH_PX = 260


def choice(name: str, label: str, options: Sequence[Any], tooltip: str) -> ComboBox:
    """A list to choose one of."""
    return described(ComboBox(name=name, label=label, choices=options, tooltip=tooltip))


def layer_choice(name: str, label: str, tooltip: str) -> ComboBox:
    """The image layers of the viewer that the panel is in."""
    combo: Any = create_widget(name=name, label=label, annotation="napari.layers.Image")
    combo.tooltip = tooltip
    return described(combo)  # type: ignore[no-any-return]


def tick(name: str, text: str, tooltip: str) -> CheckBox:
    """A box to tick, with its text beside it."""
    return described(CheckBox(name=name, text=text, label="", tooltip=tooltip))


def described(widget: Any) -> Any:
    """`widget`, named and described for screen readers, and not wider than a dock because of a long entry."""
    native = widget.native
    native.setAccessibleName(getattr(widget, "text", "") or widget.label or widget.name)
    native.setAccessibleDescription(widget.tooltip)
    if isinstance(native, QComboBox):
        native.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        native.setMinimumContentsLength(8)
    return widget


def set_choices(combo: ComboBox, options: Sequence[tuple[str, Any]], value: Any) -> None:
    """Replace what may be chosen, and choose `value`; tell only if that changes the value."""
    before = combo.value
    with combo.changed.blocked():
        combo.choices = options
        combo.value = value
    if before != value:
        combo.changed.emit(value)


def folded(title: str, rows: Sequence[ValueWidget[Any]], tooltip: str) -> QCollapsible:
    """Rows under a heading that unfolds them."""
    fold = QCollapsible(title, expandedIcon="▾", collapsedIcon="▸")
    fold.setDuration(0)
    fold.toggleButton().setToolTip(tooltip)
    fold.toggleButton().setAccessibleName(title)
    inner: Container[Any] = Container(widgets=rows)
    inner.margins = (0, 0, 0, 0)
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(inner.native)
    fold.setContent(holder)
    fold.inner = inner  # magicgui's wrapper must live as long as its widget
    fold.collapse(animate=False)
    return fold

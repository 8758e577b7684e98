"""The table of what a folder holds: a row for each stack, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from napari_rpsnn.plugin.batch.rows import FUSED, REFUSED, Row

COLUMNS = ("Stack", "Planes", "Size", "Ch.", "Result")
#: As high as six rows, and no name is wider than a dock can show beside the rest.
HEIGHT_PX, NAME_PX = 190, 96
#: What stands out: no colour of text is readable in the dark theme and in the light one.
MARKS = {REFUSED: "\N{BALLOT X} ", FUSED: "\N{CHECK MARK} "}


class FileTable:
    """Rows to read; a double click on one, or Enter, opens its result.

    Parameters
    ----------
    opened : callable
        Called with the row that was double-clicked, or is chosen when Enter is pressed.
    chosen : callable
        Called with the row that is looked at.

    Attributes
    ----------
    native : QTableWidget
    rows : list of Row
    """

    def __init__(self, opened: Callable[[Row], None], chosen: Callable[[Row], None]) -> None:
        self.native = table = _Table(0, len(COLUMNS))
        self.rows: list[Row] = []
        table.setHorizontalHeaderLabels(COLUMNS)
        table.verticalHeader().hide()
        table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setTabKeyNavigation(False)
        table.setWordWrap(False)
        table.setFixedHeight(HEIGHT_PX)
        table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        # What is longer than its place ends in dots: a tooltip and, of a row that is chosen, the panel say all of it.
        table.horizontalHeader().setSectionResizeMode(len(COLUMNS) - 1, QHeaderView.ResizeMode.Stretch)
        table.horizontalHeader().resizeSection(0, NAME_PX)
        tooltip = "What will be fused, and what was; double-click a row, or press Enter, to open its result"
        table.setToolTip(tooltip)
        table.setAccessibleName("Stacks of the folder")
        table.setAccessibleDescription(tooltip)
        table.entered_row.connect(lambda: self._choose(opened))
        table.cellDoubleClicked.connect(lambda number, _: opened(self.rows[number]))
        table.itemSelectionChanged.connect(lambda: self._choose(chosen))

    def clear_rows(self) -> None:
        """Show nothing."""
        self.rows = []
        self.native.setRowCount(0)

    def show_row(self, number: int, row: Row) -> None:
        """Show a row, a new one or another state of one that is there."""
        if number == len(self.rows):
            self.rows.append(row)
            self.native.insertRow(number)
        self.rows[number] = row
        tooltip = "\n".join([*map(str, row.job.sources[:20]), f"→ {row.job.out}", row.said])
        said = f"{MARKS.get(row.state, '')}{row.said}"
        for column, text in enumerate((row.name, row.planes, row.size, row.channels, said)):
            item = QTableWidgetItem(text)
            item.setToolTip(tooltip)
            self.native.setItem(number, column, item)

    def show_at_work(self, number: int) -> None:
        """Say of a row that it is at work, and let it be seen."""
        item = self.native.item(number, len(COLUMNS) - 1)
        if item.text() != "at work…":
            item.setText("at work…")
            self.native.scrollToItem(self.native.item(number, 0), QAbstractItemView.ScrollHint.EnsureVisible)

    def _choose(self, chosen: Callable[[Row], None]) -> None:
        numbers = {index.row() for index in self.native.selectedIndexes()}
        if len(numbers) == 1:
            chosen(self.rows[numbers.pop()])


class _Table(QTableWidget):  # type: ignore[misc]  # Qt has no types here
    """A table that tells of Enter."""

    entered_row = Signal()

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802
        """Qt's own tells of it with double clicks together."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.entered_row.emit()
        else:
            super().keyPressEvent(event)

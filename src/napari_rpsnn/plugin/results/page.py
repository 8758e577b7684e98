"""Where a page is to be saved, and a browser to show it."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QWidget


def ask_for_page(parent: QWidget, title: str) -> Path | None:
    """The file that the user chooses for a page; None: none. Qt asks before one that is there is replaced."""
    name = "".join(letter if letter.isalnum() or letter in " -_." else "-" for letter in title)
    chosen, _ = QFileDialog.getSaveFileName(parent, "Save the report", f"{name} report.html", "Page (*.html)")
    if not chosen:
        return None
    return Path(chosen) if Path(chosen).suffix else Path(chosen).with_suffix(".html")


def open_in_browser(path: Path) -> None:
    """Show a file in the user's browser."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))

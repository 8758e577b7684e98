"""Where a panel stands beside others: below them, or as a tab where it would make the window higher."""

from __future__ import annotations

from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

#: Name of the widget of a panel, by which others of ours are known.
PANEL = "napari-rpsnn panel"


def share_place(panel: QWidget) -> None:
    """Make the dock of `panel` a tab of another panel, where all would not fit once it has the height that it needs.

    Qt makes the window grow, beyond the screen if need be, until all docks have their least height.
    """
    dock = _dock_of(panel)
    window = None if dock is None else dock.window()
    if dock is None or not isinstance(window, QMainWindow) or window.tabifiedDockWidgets(dock):
        return
    area = window.dockWidgetArea(dock)
    column = [
        one for one in window.findChildren(QDockWidget) if window.dockWidgetArea(one) == area and one.x() == dock.x()
    ]
    others = [one for one in column if one is not dock and one.isVisible() and not one.isFloating()]
    more = panel.minimumSizeHint().height() - panel.minimumHeight()
    needed = sum(one.minimumSizeHint().height() for one in (*others, dock)) + more
    there = sum(one.height() for one in (*others, dock))
    ours = [one for one in others if one.findChild(QWidget, PANEL) is not None]
    if ours and needed > there:
        window.tabifyDockWidget(max(ours, key=lambda other: other.y()), dock)
        dock.raise_()


def _dock_of(panel: QWidget) -> QDockWidget | None:
    above = panel.parent()
    while above is not None and not isinstance(above, QDockWidget):
        above = above.parent()
    return above

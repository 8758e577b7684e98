"""Where a panel stands beside others: below them, or as a tab where it would make the window higher."""

from __future__ import annotations

from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget


def share_place(panel: QWidget) -> None:
    """Make the dock of `panel` a tab of the lowest one, where all would not fit once it has the height that it needs.

    Qt makes the window grow, beyond the screen if need be, until all docks have their least height.
    """
    dock = _dock_of(panel)
    window = None if dock is None else dock.window()
    if dock is None or not isinstance(window, QMainWindow) or window.tabifiedDockWidgets(dock):
        return
    area = window.dockWidgetArea(dock)
    others = [
        other
        for other in window.findChildren(QDockWidget)
        if other is not dock and other.isVisible() and not other.isFloating() and window.dockWidgetArea(other) == area
    ]
    more = panel.minimumSizeHint().height() - panel.minimumHeight()
    needed = sum(one.minimumSizeHint().height() for one in (*others, dock)) + more
    there = sum(one.height() for one in (*others, dock))
    if others and needed > there:
        window.tabifyDockWidget(max(others, key=lambda other: other.y()), dock)
        dock.raise_()


def _dock_of(panel: QWidget) -> QDockWidget | None:
    above = panel.parent()
    while above is not None and not isinstance(above, QDockWidget):
        above = above.parent()
    return above

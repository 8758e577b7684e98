"""Where a panel stands beside others: below them, or as a tab where it would make the window higher."""

from __future__ import annotations

from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget


def share_place(panel: QWidget, more_px: int) -> None:
    """Make the dock of `panel` a tab of the lowest one, where both would not fit once it needs so much more height.

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
    column = [*others, dock]
    needed, there = (
        sum(height) for height in zip(*((d.minimumSizeHint().height(), d.height()) for d in column), strict=True)
    )
    if others and needed + more_px > there:
        window.tabifyDockWidget(max(others, key=lambda other: other.y()), dock)
        dock.raise_()


def _dock_of(panel: QWidget) -> QDockWidget | None:
    above = panel.parent()
    while above is not None and not isinstance(above, QDockWidget):
        above = above.parent()
    return above

"""Which changes of the chosen layers a panel hears of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

#: What a layer says that rows depend on: its data, its name, its axes and where it lies.
CHANGES = ("data", "name", "axis_labels", "units", "scale", "translate", "rotate", "shear", "affine")


class Following:
    """Hears of changes of some layers, and of no others.

    Parameters
    ----------
    changed : callable
        Called without arguments.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._layers: list[Any] = []

    def follow(self, layers: Iterable[Any]) -> None:
        """Hear of these layers, and no longer of those before; None is no layer."""
        before, self._layers = self._layers, [layer for layer in dict.fromkeys(layers) if layer is not None]
        for change in CHANGES:
            for layer in before:
                if layer not in self._layers:
                    getattr(layer.events, change).disconnect(self._hear)
            for layer in self._layers:
                if layer not in before:
                    getattr(layer.events, change).connect(self._hear)

    def _hear(self, _: Any) -> None:
        self._changed()

"""The layers of a run in the viewer: one that grows while planes are fused, and all that there are in the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import napari
import numpy as np

from napari_rpsnn.engine.results import Preview

if TYPE_CHECKING:
    from napari_rpsnn.plugin.layers import Sources
    from napari_rpsnn.plugin.run import NewLayer

#: napari's own 10 make "near + far decision map" wider than a cell of a small grid.
NAME_PT = 8


class Growing:
    """Adds what a run makes, and takes the selection from nobody.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    sources : Sources
        What is fused.
    """

    def __init__(self, viewer: napari.viewer.Viewer, sources: Sources) -> None:
        self._viewer, self._sources = viewer, sources
        self._layer: Any = None
        self._data: Any = None
        self._selected = set(viewer.layers.selection)

    def show(self, preview: Preview) -> None:
        """Show what there is so far; of several layers that are fused together nothing."""
        if self._sources.split:
            return
        if self._layer is None:
            self._data = np.zeros(self._sources.shape, self._sources.images[0].dtype)
            preview.paint(self._data)
            with self._selection_kept():
                self._layer = self._viewer.add_image(self._data, **self._sources.attributes)
        else:
            preview.paint(self._data)
            self._layer.refresh(thumbnail=False, highlight=False, extent=False)

    def complete(self, fused: NewLayer) -> Any:
        """Return the layer of the fused image: the one that grew, unless the user has removed it."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._layer.data = fused.data
            self._layer.metadata = fused.attributes["metadata"]
        else:
            self._layer = self.add(fused)
        return self._layer

    def add(self, item: NewLayer) -> Any:
        """Return a new layer."""
        with self._selection_kept():
            add = self._viewer.add_surface if item.what == "surface" else self._viewer.add_image
            return add(item.data, **item.attributes)

    def explain(self, item: NewLayer, layer: Any) -> None:
        """Say what the colours of a new layer mean: in an event of its own, it takes half as long as adding it."""
        if item.colorbar and hasattr(layer, "colorbar"):  # napari 0.6.2 and later
            layer.colorbar.visible = True
        if item.colorbar and hasattr(layer, "name_overlay"):
            # The bar has no title. In one corner with it a long name would push it out of a narrow canvas.
            layer.name_overlay.font_size = NAME_PT
            layer.name_overlay.position, layer.name_overlay.visible = "bottom_right", True

    def select(self) -> None:
        """Select the fused image, unless somebody has removed it, or selected another layer meanwhile, or draws in one.

        Several that are selected stay so: they may be fused together once more.
        """
        selection = self._viewer.layers.selection
        if (
            self._layer in self._viewer.layers
            and len(selection) < 2
            and set(selection) == self._selected
            and not any(_is_drawn_in(layer) for layer in selection)
        ):
            selection.active = self._layer

    def remove(self) -> None:
        """Take away what has grown."""
        if self._layer is not None and self._layer in self._viewer.layers:
            with self._selection_kept():
                self._viewer.layers.remove(self._layer)

    @contextmanager
    def _selection_kept(self) -> Iterator[None]:
        """Napari selects what is added."""
        selection = self._viewer.layers.selection
        selected, active = set(selection), selection.active
        yield
        there = [layer for layer in selected if layer in self._viewer.layers]
        if there and set(selection) != set(there):
            if active in there:
                selection.active = active
            selection.update(there)
            selection.intersection_update(there)


def _is_drawn_in(layer: Any) -> bool:
    """Whether a layer is one of labels, shapes or points, or in a mode other than to look around."""
    return not hasattr(layer, "colormap") or str(getattr(layer, "mode", "pan_zoom")) not in ("pan_zoom", "transform")

"""The brush: a Labels layer whose label follows what one looks at, and whose strokes show in the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.utils.notifications import show_error

from napari_rpsnn.plugin.axes import data_of
from napari_rpsnn.plugin.layers import METADATA
from napari_rpsnn.plugin.placement import pixel_at, world_units
from napari_rpsnn.plugin.retouch.painting import Painting

if TYPE_CHECKING:
    from napari_rpsnn.plugin.run import Task

#: The key that shows the source in place of the result, and back.
KEY = "R"
BRUSH_PX = 25


class Brush:
    """Adds the Labels layer and keeps to it until it, or the result, is removed.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    task : Task
        What was done.
    painting : Painting
    layers : list of napari.layers.Image
        The fused image and its maps, whose data the painting writes.
    """

    def __init__(self, viewer: napari.viewer.Viewer, task: Task, painting: Painting, layers: list[Any]) -> None:
        self._viewer, self._task, self._painting, self._layers = viewer, task, painting, layers
        records = [layer.metadata.get(METADATA, {}) for layer in layers]
        self._said = [{name: what for name, what in said.items() if name != "retouched"} for said in records]
        self._shown = 0
        place = task.sources.map_attributes
        self.labels = viewer.add_labels(painting.labels, name=f"{task.sources.title} retouch", opacity=0.25, **place)
        self.labels.brush_size = BRUSH_PX
        self.labels.mode = "paint"
        self.labels.bind_key(KEY, lambda _: self.toggle())
        # While a stroke grows, at its end, and with Ctrl-Z.
        names = ("labels_update", "paint", "set_data")
        self._signals = [getattr(self.labels.events, name) for name in names if hasattr(self.labels.events, name)]
        for signal in self._signals:
            signal.connect(self._apply)
        viewer.dims.events.current_step.connect(self._follow)
        viewer.layers.events.removed.connect(self._close)
        self._follow()

    def toggle(self) -> None:
        """Show the stack in place of the result, or one image or plane after the other, and then the result again."""
        views = [self._layers[0], *self._sources()]
        self._shown = (self._shown + 1) % len(views)
        for number, layer in enumerate(views):
            layer.visible = number == self._shown
        self._follow()

    def _sources(self) -> list[Any]:
        layers = [layer for layer in self._viewer.layers if isinstance(layer, napari.layers.Image)]
        arrays = self._task.sources.arrays
        by_data = [next((layer for layer in layers if data_of(layer) is array), None) for array in arrays]
        return [layer for layer in by_data if layer is not None]

    def _follow(self, *_: Any) -> None:
        """The label is the plane of the slider, or of a pair and of single planes the image that is shown."""
        count = len(self._task.sources.arrays)
        if count > 1:
            if self._shown or not 0 < self.labels.selected_label <= count:
                self.labels.selected_label = max(self._shown, 1)
            return
        axis = self._task.options.axis  # type: ignore[union-attr]
        for layer in self._sources():
            dims = self._viewer.dims
            here = pixel_at(layer, dims.point, world_units(dims))[axis % layer.ndim]
            first, last = self._task.options.planes or (0, self._task.sources.planes - 1)  # type: ignore[union-attr]
            self.labels.selected_label = int(np.clip(round(float(here)), first, last)) + 1

    def _apply(self, *_: Any) -> None:
        try:
            changed = self._painting.update()
        except Exception as error:  # a file behind a lazy layer may be gone
            show_error(f"The region could not be taken: {error}")
            return
        if not changed:
            return
        for layer, said in zip(self._layers, self._said, strict=True):
            layer.metadata[METADATA] = said | self._painting.said
            layer.refresh(thumbnail=False, highlight=False, extent=False)

    def _close(self, event: Any) -> None:
        if event.value in (self.labels, self._layers[0]):  # equal, not the same: napari hands proxies to plugins
            self._viewer.dims.events.current_step.disconnect(self._follow)
            self._viewer.layers.events.removed.disconnect(self._close)
            for signal in self._signals:
                signal.disconnect(self._apply)

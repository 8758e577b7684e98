"""The two dock widgets that the manifest names: two image layers in, or a stack; the fused layer out."""

from __future__ import annotations

from typing import Any

import napari
from magicgui.widgets import FloatSpinBox

from napari_rpsnn.options import FuseOptions, StackOptions
from napari_rpsnn.plugin.controls import choice, describe, layer_choice, set_choices
from napari_rpsnn.plugin.layers import (
    axis_names,
    find_plane_axis,
    read_pair,
    read_stack,
    unit_of,
)
from napari_rpsnn.plugin.panel import Panel
from napari_rpsnn.plugin.run import Task


class FuseTwoLayers(Panel):
    """Choose two image layers, fuse them in the background, add the all-in-focus layer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari. The fused layer is added to it.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self.image0 = layer_choice("image0", "First", "One image of the pair, focused on something else")
        self.image1 = layer_choice("image1", "Second", "The other image; it must lie where the first one lies")
        super().__init__(napari_viewer, FuseOptions, [self.image0, self.image1], [])
        self.image0.changed.connect(self._follow_axes)
        self.channels.changed.connect(self._follow_channels)
        napari_viewer.layers.events.inserted.connect(self.follow_layers)
        self._follow_axes()

    def read(self) -> Task:
        """See `Panel`."""
        sources = read_pair(self.image0.value, self.image1.value, self.channels.value, self.guide.value)
        return Task(sources, self.choices.options(FuseOptions, **sources.options))

    def follow_layers(self) -> None:
        """Choose another second layer: both combo boxes start at the first one. Else they follow the list alone."""
        self.reset_choices()  # this may be called before the combo boxes have followed the layer list
        others = [layer for layer in self.image1.choices if layer not in (None, self.image0.value)]
        if self.image1.value is self.image0.value and others:
            self.image1.value = ([layer for layer in others if layer.visible] or others)[-1]

    def _follow_axes(self) -> None:
        self.offer_channels(self.image0.value, None)
        self._follow_channels()

    def _follow_channels(self) -> None:
        self.offer_guides(self.image0.value)


class FuseStack(Panel):
    """Choose an image layer and the axis of its planes, fuse them in the background, add the all-in-focus layer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari. The fused layer is added to it.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self.image = layer_choice("image", "Stack", "An image layer whose planes are focused on different depths")
        self.planes = choice("planes", "Planes", [("none", None)], "Axis of the planes")
        self.plane_spacing = FloatSpinBox(name="plane_spacing", label="Spacing", min=1e-9, max=1e9, step=0.1, value=1.0)
        self.plane_spacing.tooltip = "Distance of two planes, in the unit of the height map"
        describe(self.plane_spacing, "Distance of two planes")
        self.plane_spacing.native.setDecimals(4)
        self._followed: Any = None
        super().__init__(napari_viewer, StackOptions, [self.image, self.planes], [self.plane_spacing])
        self.image.changed.connect(self._follow_image)
        self.planes.changed.connect(self._follow_planes)
        self.channels.changed.connect(self._follow_channels)
        self.return_height.changed.connect(self._offer_spacing)
        napari_viewer.layers.events.inserted.connect(self.follow_layers)
        self._follow_image()

    def read(self) -> Task:
        """See `Panel`."""
        sources = read_stack(self.image.value, self.planes.value, self.channels.value, self.guide.value)
        spacing = self.plane_spacing.value
        return Task(sources, self.choices.options(StackOptions, **sources.options, plane_spacing=spacing))

    def follow_layers(self) -> None:
        """Offer the layers that there are."""
        self.reset_choices()

    def _follow_image(self) -> None:
        """Offer the axes of the chosen layer, again whenever they change."""
        layer = self.image.value
        if layer is not self._followed:
            for kind in ("data", "scale", "units", "axis_labels"):
                if self._followed is not None:
                    getattr(self._followed.events, kind).disconnect(self._follow_image)
                if layer is not None:
                    getattr(layer.events, kind).connect(self._follow_image)
            self._followed = layer
        if layer is None or layer.ndim < 3:
            set_choices(self.planes, [("none", None)], None)
        else:
            options = [(name, axis) for axis, name in enumerate(axis_names(layer))]
            set_choices(self.planes, options, find_plane_axis(layer, self._not_displayed(layer)))
        self._follow_planes()

    def _not_displayed(self, layer: Any) -> list[int]:
        """Axes of the layer along which the viewer has sliders; layers of fewer axes have the last ones."""
        dims = self._viewer.dims
        return [axis - (dims.ndim - layer.ndim) for axis in dims.not_displayed]

    def _follow_planes(self) -> None:
        layer, axis = self.image.value, self.planes.value
        if layer is not None and axis is not None:
            self.plane_spacing.value = float(layer.scale[axis])
            self.plane_spacing.tooltip = f"Distance of two planes in {unit_of(layer, axis)}, the unit of the height map"
        self._offer_spacing()
        self.offer_channels(layer, axis)
        self._follow_channels()

    def _follow_channels(self) -> None:
        self.offer_guides(self.image.value)

    def _offer_spacing(self) -> None:
        self.show_row(self.plane_spacing, self.return_height.value)

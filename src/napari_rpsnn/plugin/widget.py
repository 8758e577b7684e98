"""The two dock widgets that the manifest names: two image layers in, or a stack; the fused layer out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import napari

from napari_rpsnn.options import FuseOptions, StackOptions
from napari_rpsnn.plugin.axes import View, axis_names, describe_stack, find_plane_axis
from napari_rpsnn.plugin.layers import Sources, read_pair, read_stack
from napari_rpsnn.plugin.panel import Panel
from napari_rpsnn.plugin.rows.controls import choice, describe, layer_choice, line, set_choices, tick
from napari_rpsnn.plugin.rows.plane_distance import PlaneDistance
from napari_rpsnn.plugin.rows.together_row import ALONE, TogetherRow
from napari_rpsnn.plugin.run import Task
from napari_rpsnn.plugin.together import read_planes


class FuseTwoLayers(Panel):
    """Choose two image layers, fuse them in the background, add the all-in-focus layer.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari. The fused layer is added to it.
    """

    needed, hint = (
        2,
        (
            "Open two images of one place, focused on different things: File ▸ Open Files, or File ▸ Open Sample ▸ "
            "R-PSNN focus fusion."
        ),
    )

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self.image0 = layer_choice("image0", "First", "One image of the pair, focused on something else")
        self.image1 = layer_choice("image1", "Second", "The other image; it must lie where the first one lies")
        super().__init__(napari_viewer, FuseOptions, [self.image0, self.image1], [])
        self.image0.changed.connect(self._follow_axes)
        self.channels.changed.connect(self._follow_channels)
        for change in ("inserted", "removed"):
            self._listen(getattr(napari_viewer.layers.events, change), self.follow_layers)
        for change in ("axis_labels", "ndim"):
            self._listen(getattr(napari_viewer.dims.events, change), self._follow_axes)
        self._follow_axes()

    def read(self) -> Task:
        """See `Panel`."""
        guide = self.guide.value
        joined = None if guide is None else self.channels.value
        layers = self.image0.value, self.image1.value
        masks, note = self.part.masks(layers, joined)
        sources = read_pair(*layers, self.channels.value, guide, self.part.part(joined), masks)
        return Task(sources.noting(note), self.choices.options(FuseOptions, **sources.options))

    def follow_layers(self) -> None:
        """Choose another second layer: both combo boxes start at the first one. Else they follow the list alone."""
        self.reset_choices()  # this may be called before the combo boxes have followed the layer list
        others = [layer for layer in self.image1.choices if layer not in (None, self.image0.value)]
        if self.image1.value is self.image0.value and others:
            self.image1.value = ([layer for layer in others if layer.visible] or others)[-1]

    def follow_changes(self) -> None:
        """See `Panel`."""
        self._follow_axes()

    def _follow_axes(self, *_: Any) -> None:
        layer = self.image0.value
        self._following.follow([layer])
        self.part.follow(layer)
        self.offer_channels(layer, None, View.of(self._viewer.dims))
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

    hint = "Open a z-stack: File ▸ Open Files as Stack, or File ▸ Open Sample ▸ R-PSNN focus fusion."

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self.image = layer_choice("image", "Stack", "An image layer whose planes are focused on different depths")
        self.planes = choice("planes", "Planes", [("none", None)], "Axis of the planes")
        self.said = line("said", "What will be fused")
        describe(self.said, "What will be fused")
        self.distance = PlaneDistance()
        self.plane_spacing, self.spacing_unit = self.distance.number, self.distance.unit
        self._preset: tuple[Any, int | None] = (None, None)
        self.surface = tick("surface", "Surface", "The heights as a surface in 3-D, with the values of the fused image")
        self._together = TogetherRow(napari_viewer)
        self.together = self._together.combo
        self._placed = False
        layers = [self.image, self.together, self.planes, self.said]
        beside = {"plane_spacing": self.spacing_unit}
        super().__init__(napari_viewer, StackOptions, layers, [self.surface, self.plane_spacing], beside)
        self.image.changed.connect(self._follow_image)
        self.planes.changed.connect(self._follow_planes)
        self.channels.changed.connect(self._follow_channels)
        self.guide.changed.connect(self._say_what)
        self.method.changed.connect(self._say_what)
        for row in (*self.part.widgets, self.slab):
            row.changed.connect(self._say_what)
        self.together.changed.connect(self._say_what)
        self._listen(napari_viewer.layers.events.removed, self._say_soon)
        self._listen(napari_viewer.layers.selection.events.changed, self._follow_selection)
        self.return_height.changed.connect(self._offer_spacing)
        self.surface.changed.connect(self._offer_spacing)
        self._listen(napari_viewer.layers.events.inserted, self.follow_layers)
        for change in ("order", "axis_labels", "ndim"):
            self._listen(getattr(napari_viewer.dims.events, change), self._follow_view)
        self._follow_image()

    def read(self) -> Task:
        """See `Panel`."""
        part, planes, slab = self.part.part(self._joined), self.part.planes, self.slab.value

        def read_all(layers: Sequence[Any]) -> Sources:
            if slab or self.part.span.value.strip():
                raise ValueError(
                    "From-to, Slabs: expected none for layers that are single planes; select fewer, or merge them to a "
                    "stack (right-click them in the layer list)."
                )
            mask, note = self.part.mask_of_planes(layers)
            return read_planes(layers, part.region, mask).noting(note)

        def read_one(layer: Any) -> Sources:
            axis, channels = self.planes.value, self.channels.value
            (mask,), note = self.part.masks([layer], self._joined)
            return read_stack(layer, axis, channels, self._guide, part, planes, slab, mask).noting(note)

        sources = self._together.read(self.image.value, read_one, read_all)
        sources = replace(sources, unit=self.spacing_unit.value)
        origin = self.distance.in_unit(sources.options.get("plane_origin", 0.0))
        options = sources.options | {"plane_spacing": self.distance.value, "plane_origin": origin}
        surface = self.surface.value and self.method.value == "decision"
        if surface:
            options |= {"return_height": True}
        return Task(sources, self.choices.options(StackOptions, **options), surface)

    def follow_layers(self) -> None:
        """Offer the layers that there are; one that opens starts with the selected one, if it has planes."""
        self.reset_choices()
        active = self._viewer.layers.selection.active
        stacks = [layer for layer in self.image.choices if layer is not None and layer.ndim > 2]
        if not self._placed and active in self.image.choices:
            self.image.value = active if active in stacks or not stacks else stacks[-1]
        self._placed = self._placed or bool(self.image.choices)
        self._follow_selection()

    def _follow_selection(self, *_: Any) -> None:
        """Several selected layers that fit are fused together."""
        chosen = self._together.follow(self.image.value)
        if chosen is not self.image.value and chosen in self.image.choices:
            self.image.value = chosen
        self._following.follow([self.image.value, *self._together.selected])
        self.show_row(self.together, bool(self._together.layers))
        self._say_what()

    def follow_changes(self) -> None:
        """See `Panel`. The chosen layer first: the line below is told of both."""
        self._follow_image()
        self._follow_selection()

    def _follow_image(self) -> None:
        """Offer the axes of the chosen layer."""
        self._following.follow([self.image.value, *self._together.selected])
        self._offer_planes()
        self._follow_planes()

    def _offer_planes(self) -> None:
        """Offer the axes of the chosen layer; what somebody chose among them stays."""
        layer, view = self.image.value, View.of(self._viewer.dims)
        found = None if layer is None else find_plane_axis(layer, view)
        chosen, preset = self.planes.value, self._preset
        self._preset = layer, found
        if layer is None or found is None:
            set_choices(self.planes, [("none", None)], None)
            return
        stays = layer is preset[0] and chosen != preset[1] and chosen in range(layer.ndim)
        names = axis_names(layer, view)
        set_choices(self.planes, [(name, axis) for axis, name in enumerate(names)], chosen if stays else found)

    def _follow_view(self) -> None:
        """Labels of the viewer count, and so does rolling its axes."""
        if self.image.value in self._viewer.layers:
            before = self.planes.value
            self._offer_planes()
            if self.planes.value == before:
                self._say_what()

    def _follow_planes(self) -> None:
        layer, axis = self.image.value, self.planes.value
        self.part.follow(layer, axis)
        if layer is not None:
            self.distance.follow(layer, axis)
        self._offer_spacing()
        self.offer_channels(layer, axis, View.of(self._viewer.dims))
        self._follow_channels()

    def _follow_channels(self) -> None:
        self.offer_guides(self.image.value)
        self._say_what()

    @property
    def _guide(self) -> int | None:
        """By regression no channel decides, and of layers that are fused together none within one of them."""
        decides = self.method.value == "decision" and self.together.value == ALONE
        guide: int | None = self.guide.value if decides else None
        return guide

    @property
    def _joined(self) -> int | None:
        """The axis of channels that one decision serves."""
        return self.channels.value if self._guide is not None and self.channels.value != self.planes.value else None

    def _say_soon(self) -> None:
        """When the list of layers has followed."""
        self._later(0, self._say_what)

    def _say_what(self) -> None:
        """Say before the work what it will be."""
        layer, axis = self.image.value, self.planes.value
        is_stack = layer is not None and axis is not None
        said = ""
        if is_stack:
            view, taken = View.of(self._viewer.dims), self.part.taken(self.slab.value)
            said = describe_stack(layer, view, axis, self._joined, taken)
        self.said.value = self._together.said(said, self.part.region.value is not None)
        self.show_row(self.said, bool(self.said.value))

    def _offer_spacing(self) -> None:
        self.show_row(self.plane_spacing, self.return_height.value or self.surface.value)

"""Rows of a part to try first: some planes, a region, this time point; and what to leave out."""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import napari
from magicgui.widgets import ComboBox, LineEdit, PushButton
from napari.layers import Shapes
from napari.utils.notifications import show_info

from napari_rpsnn.plugin.axes import Taken, data_of
from napari_rpsnn.plugin.part import (
    Part,
    picture_axes,
    planes_in_margins,
    region_in_view,
    region_of_shape,
    steps_in_view,
)
from napari_rpsnn.plugin.placement import world_units
from napari_rpsnn.plugin.rows.controls import (
    choice,
    describe,
    folded,
    labelled,
    offer_anew,
    on_text_size,
    stacked,
    tick,
)
from napari_rpsnn.plugin.rows.left_out import has_data, left_out_choice, planes_have_data

#: In the list of regions.
IN_VIEW = "visible part"
SPAN = re.compile(r"(\d+)\s*[-\u2013]\s*(\d+)")


class PartRows:
    """Rows under a fold of their own, whose heading says what is chosen in them.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    planes : bool
        Whether there are planes to choose from.

    Attributes
    ----------
    span : LineEdit
        The first plane and the last one, both included, as 5-20; empty: all.
    margins : PushButton
        Takes those within the margins of their slider.
    region : ComboBox
        None, `IN_VIEW`, or a layer of shapes.
    here : CheckBox
        Of the other axes only what the sliders show.
    left_out : list of ComboBox
        Pixels without data: of the stack, or of each image of a pair.
    fold : QCollapsible
    """

    def __init__(self, viewer: napari.viewer.Viewer, planes: bool) -> None:
        self._viewer = viewer
        self._followed: Callable[[], Any] = lambda: None
        self._axis: int | None = None
        self._count = 0
        self._has_steps = False  # of other axes, of which one may be taken
        self.span = LineEdit(name="planes_span", label="From-to", tooltip="First and last plane, counted from 0: 5-20")
        self.span.native.setPlaceholderText("all")
        describe(self.span, "First and last plane")
        self.margins = PushButton(
            name="take_margins",
            text="Slider",
            tooltip="Take the planes within the margins of the slider (right-click it)",
        )
        describe(self.margins, "Planes within the margins of the slider")
        on_text_size(self.margins.native, lambda share: self.margins.native.setMaximumWidth(round(share * 64)))
        tooltip = "Rows and columns: all, those on the screen, or those that a rectangle covers"
        self.region = choice("part_region", "Region", self._regions, tooltip)
        self.here = tick(
            "only_here", "This time point only", "Of time, position and the like only what the sliders show"
        )
        of = ("",) if planes else ("\nof first", "\nof second")
        self.left_out = [left_out_choice(viewer, f"left_out{k}", f"Leave out{whose}") for k, whose in enumerate(of)]
        self._planes = [labelled(self.span, self.margins)] if planes else []
        self._rows = stacked([*self._planes, labelled(self.region), self.here, *map(labelled, self.left_out)])
        about = "Try it on some planes, a region, one time point; leave out what is no data"
        self.fold = folded("Part", self._rows, about)
        self.fold.toggled.connect(self._title)
        for widget in (self.span, self.region, self.here, *self.left_out):
            widget.changed.connect(self._title)
        self.margins.changed.connect(self._take_margins)
        viewer.layers.events.removed.connect(self.reset_choices)
        viewer.layers.events.inserted.connect(self.reset_choices)
        self._title()

    @property
    def _layer(self) -> Any:
        return self._followed()

    @property
    def widgets(self) -> list[Any]:
        """All that can be changed, from top to bottom."""
        return [*([self.span, self.margins] if self._planes else []), self.region, self.here, *self.left_out]

    def reset_choices(self, *_: Any) -> None:
        """Offer the layers that there are."""
        for row in (self.region, *self.left_out):
            offer_anew(row)

    def follow(self, layer: Any, axis: int | None = None) -> None:
        """Offer the parts of `layer`, whose planes lie along `axis`: all, where it is another one than before."""
        count = 0 if layer is None or axis is None else int(data_of(layer).shape[axis])
        if (layer, axis, count) != (self._layer, self._axis, self._count):
            # A layer that is removed is not to be kept in memory.
            self._followed = weakref.ref(layer) if layer is not None else lambda: None
            self._axis, self._count = axis, count
            self.span.value = ""
        self._has_steps = self.here.visible = layer is not None and layer.ndim > 2 + (axis is not None)
        self._title()

    @property
    def planes(self) -> tuple[int, int] | None:
        """The first and the last plane, both included; None: all."""
        text = self.span.value.strip()
        if self._count == 0 or not text:
            return None
        found = SPAN.fullmatch(text)
        first, last = (int(found[1]), int(found[2])) if found else (0, 0)
        if not first < last < self._count:
            end = self._count - 1
            raise ValueError(
                f"From-to: expected the first and the last plane, two of 0 to {end}, as 0-{end}, got '{text}'."
            )
        return first, last

    @property
    def _one_step(self) -> bool:
        """A box that was ticked for another layer means nothing where there is no such axis."""
        return bool(self.here.value) and self._has_steps

    def taken(self, slab: int | None) -> Taken:
        """What is chosen, to be said before it is read; planes that cannot be are told of when it begins."""
        try:
            planes = self.planes
        except ValueError:
            planes = None
        return Taken(planes, slab, self.region.value is not None, self._one_step)

    def part(self, channel_axis: int | None) -> Part:
        """The region and the time point; `channel_axis` is that of channels that one decision serves."""
        layer, dims = self._layer, self._viewer.dims
        if layer is None:
            return Part()
        picture = picture_axes(layer.ndim, {self._axis, channel_axis})
        region = None
        if self.region.value == IN_VIEW:
            region = region_in_view(layer, picture, [axis - dims.ndim + layer.ndim for axis in dims.displayed])
        elif self.region.value is not None:
            region = region_of_shape(self.region.value, layer, picture, world_units(dims))
        others = set(range(layer.ndim)) - {self._axis, channel_axis, *picture}
        return Part(region, steps_in_view(layer, others, dims) if self._one_step else {})

    def masks(self, layers: Sequence[Any], channel_axis: int | None) -> tuple[list[Any], str]:
        """Where each of the layers has data, as `has_data` says it, None: everywhere; and what is to be known of it."""
        masks, notes = list[Any](), list[str]()
        for row, layer in zip(self.left_out, layers, strict=True):
            mask, note = None, None
            if row.value is not None and layer is not None:
                picture = picture_axes(layer.ndim, {self._axis, channel_axis})
                mask, note = has_data(row.value, layer, picture, world_units(self._viewer.dims))
            masks.append(mask)
            notes += [note] if note else []
        return masks, " ".join(notes)

    def mask_of_planes(self, layers: Sequence[Any]) -> tuple[Any, str]:
        """`masks` of layers that are single planes of one stack: one mask for all of them."""
        (row,) = self.left_out
        if row.value is None:
            return None, ""
        mask, note = planes_have_data(row.value, layers, world_units(self._viewer.dims))
        return mask, note or ""

    def _regions(self, _: ComboBox) -> list[tuple[str, Any]]:
        shapes = [(f"shapes: {layer.name}", layer) for layer in self._viewer.layers if isinstance(layer, Shapes)]
        return [("all", None), (IN_VIEW, IN_VIEW), *shapes]

    def _take_margins(self) -> None:
        if self._layer is None or self._axis is None:
            return
        found = planes_in_margins(self._layer, self._axis, self._viewer.dims)
        if found is None:
            show_info("The slider of the planes has no margins: right-click it to set them.")
        else:
            self.span.value = f"{found[0]}-{found[1]}"

    def _title(self) -> None:
        """What is chosen is told of when it is out of sight."""
        told = []
        if self._count and self.span.value.strip():
            told.append(f"planes {self.span.value.strip()}")
        if self.region.value is not None:
            told.append("a region")
        if self._one_step:
            told.append("this time point")
        if any(row.value is not None for row in self.left_out):
            told.append("some left out")
        fold, said = ("▾", "") if self.fold.isExpanded() else ("▸", f" ({', '.join(told)})" if told else "")
        self.fold.setText(f"{fold} Part{said}")

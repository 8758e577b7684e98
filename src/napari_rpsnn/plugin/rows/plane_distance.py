"""The distance of two planes: preset to what the layer says, in its unit, or in another one that the user reads."""

from __future__ import annotations

from typing import Any

import pint

from napari_rpsnn.plugin.axes import is_length
from napari_rpsnn.plugin.placement import place_of, step_along, unit_text
from napari_rpsnn.plugin.rows.controls import NumberEdit, choice, describe, on_text_size, reference, set_choices

#: Units that heights of specimens are read in.
UNITS = ("nm", "µm", "mm")
ABOUT = "Distance of two planes, in the unit of the height map"


class PlaneDistance:
    """A number and its unit.

    Attributes
    ----------
    number : NumberEdit
        Exactly what the layer says until it is edited.
    unit : ComboBox
        Its value is the unit of the heights. Of a layer with a length, another one converts the number.
    """

    def __init__(self) -> None:
        self.number = NumberEdit(name="plane_spacing", label="Plane\ndistance", tooltip=ABOUT)
        self.number.set_value(1.0)
        self.unit = choice("spacing_unit", "Unit", ["pixel"], "Unit of the plane distance and of the heights")
        on_text_size(self.unit.native, lambda share: self.unit.native.setMaximumWidth(round(share * 76)))
        describe(self.number, "Plane distance")
        self._own = self._unit = "pixel"
        self._is_length = False
        self._of: Any = None
        self.unit.changed.connect(self._convert)

    def follow(self, layer: Any, axis: int | None) -> None:
        """Preset the distance along an axis of `layer`; a single plane does not say how far the next one is."""
        unit, distance = ("pixel", 1.0) if axis is None else (layer.units[axis], abs(step_along(place_of(layer), axis)))
        of = reference(layer), axis, unit, distance
        if of == self._of:  # what somebody has made of it stays
            return
        self._of = of
        self._unit, self._is_length = unit_text(unit), is_length(unit)
        own = self._own = self._unit
        others = [other for other in UNITS if other != own]
        set_choices(self.unit, [(text, text) for text in (own, *others)], own)
        self.number.set_value(distance)
        said = ABOUT if axis is None else f"Distance of two planes; '{layer.name}' has {distance:g} {own}"
        self.number.tooltip = said

    @property
    def value(self) -> float:
        """The distance, in `unit`; raises ValueError for what is none."""
        value: float = self.number.get_value()
        if not 0 < value < float("inf"):
            shown = self.number.native.text()
            raise ValueError(f"Plane distance: expected a positive number, got '{shown}'.")
        return value

    def in_unit(self, length: float) -> float:
        """A length in the layer's own unit, in `unit`; what is no length stays as it is."""
        if not self._is_length or self.unit.value == self._own:
            return length
        registry: Any = pint.get_application_registry()
        return float((length * registry(self._own)).to(self.unit.value).magnitude)

    def _convert(self, unit: str) -> None:
        """A layer without a length has none to convert: its number is what the user says it is."""
        before, self._unit = self._unit, unit
        if self._is_length and before != unit:
            registry: Any = pint.get_application_registry()
            self.number.set_value(self.number.get_value() * float(registry(before).to(unit).magnitude))

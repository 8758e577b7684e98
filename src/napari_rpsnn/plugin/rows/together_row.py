"""The row that says what the layers that are selected in napari's list have to do with each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import napari

from napari_rpsnn.plugin.layers import Sources
from napari_rpsnn.plugin.rows.controls import choice, reference, set_choices
from napari_rpsnn.plugin.together import in_order, join_channels, misfit

ALONE, EACH, PLANES = "alone", "each", "planes"


class TogetherRow:
    """Offers to fuse the selected layers together, where they fit.

    Attributes
    ----------
    combo : ComboBox
        `ALONE`, `EACH`, `PLANES`, or the number of the layer whose decision all follow.
    layers : list of Image
        Those that are selected and fit, of a stack of planes in its order; else empty.
    misfit : str
        Why several that are selected do not fit; else empty.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self.layers: list[Any] = []
        self.misfit = ""
        self._preset: Any = ALONE
        self._chosen: tuple[set[Any], Any] = (set(), ALONE)  # of these layers, by somebody
        about = "What is fused of the layers that are selected in the layer list"
        self.combo = choice("together", "Selected", [("this layer alone", ALONE)], about)

    @property
    def selected(self) -> list[Any]:
        """Image layers that are selected."""
        selection = self._viewer.layers.selection
        return [one for one in self._viewer.layers if one in selection and isinstance(one, napari.layers.Image)]

    def follow(self, chosen: Any) -> Any:
        """Offer what there is; return the layer to show in the panel: `chosen`, or of those selected the first one.

        What somebody has chosen stays, though results that are added are selected for a moment, and layers have other
        names or another order.
        """
        if self.layers:
            value = self.combo.value
            leader = reference(self.layers[value]) if isinstance(value, int) else value
            self._chosen = set(map(reference, self.layers)) if value != self._preset else set(), leader
        images = self.selected
        self.misfit = misfit(images) if len(images) > 1 else ""
        self.layers = images if len(images) > 1 and not self.misfit else []
        options: list[tuple[str, Any]] = [("this layer alone", ALONE)]
        preset: Any = ALONE
        if self.layers and self.layers[0].ndim == 2:
            self.layers = in_order(self.layers)
            options.append((f"{len(images)} planes by name", PLANES))
            preset = PLANES
        elif self.layers:
            options.append((f"{len(images)}, each by itself", EACH))
            if not self.layers[0].rgb:
                options += [(f"all follow: {layer.name}", number) for number, layer in enumerate(self.layers)]
                preset = self.layers.index(chosen) if chosen in self.layers else 0
        self._preset = preset
        known, chosen_value = self._chosen
        values = {reference(self.layers[v]) if isinstance(v, int) else v: v for _, v in options}
        stays = known == set(map(reference, self.layers)) and chosen_value in values
        set_choices(self.combo, options, values[chosen_value] if stays else preset)
        return chosen if not self.layers or chosen in self.layers else self.layers[0]

    def read(
        self, layer: Any, read_one: Callable[[Any], Sources], read_planes: Callable[[Sequence[Any]], Sources]
    ) -> Sources:
        """What is to be fused: `layer`, or the selected ones together; what has no planes alone must go together."""
        mode = self.combo.value
        if self.misfit and layer in self.selected and layer.ndim == 2:
            raise ValueError(self.misfit)
        if mode == ALONE or not self.layers:
            return read_one(layer)
        if mode == PLANES:
            return read_planes(self.layers)
        return join_channels([read_one(one) for one in self.layers], None if mode == EACH else mode)

    def said(self, alone: str, region: bool) -> str:
        """The line of one layer, for all of them; of single planes, whether a region of them is taken."""
        mode = self.combo.value
        if mode == ALONE or not self.layers:
            return alone
        if mode == PLANES:
            rows, columns = self.layers[0].data.shape[:2]
            size = f"{'a region of ' if region else ''}{rows}\N{MULTIPLICATION SIGN}{columns}"
            return f"{len(self.layers)} planes of {size} → 1 image: {self.layers[0].name} … {self.layers[-1].name}"
        how = "each by itself" if mode == EACH else f"all follow {self.layers[mode].name}"
        return f"{len(self.layers)} layers, {how}; of each {alone}"

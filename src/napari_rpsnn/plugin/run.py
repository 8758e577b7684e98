"""One run of a panel: layers and choices in, reports on the way, layers to be added out. No Qt here.

Everything is read from the layers and the panel before the run begins; the generator touches neither.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_rpsnn.engine.results import Preview, Progress, Result
from napari_rpsnn.fusion import iter_fuse
from napari_rpsnn.io.provenance import record, sha256, versions
from napari_rpsnn.model.catalog import model_path
from napari_rpsnn.plugin.choices import Choices
from napari_rpsnn.plugin.layers import Sources
from napari_rpsnn.stack import iter_fuse_stack

Steps = Generator[Progress, None, Result]

#: Key of a result's metadata.
METADATA = "napari-rpsnn"
#: Seconds between reports, and between previews: a window needs no more, and each costs it time.
REPORT_S, PREVIEW_S = 0.5, 1.0


@dataclass(frozen=True)
class NewLayer:
    """An image layer to be added, as ``viewer.add_image`` takes it, and whether a colour bar belongs to it."""

    data: Any
    attributes: dict[str, Any]
    colorbar: bool = False


@dataclass(frozen=True)
class Task:
    """What is to be done, all of it.

    Attributes
    ----------
    sources : Sources
    choices : Choices
    plane_spacing : float or None
        Of a stack; None for a pair.
    """

    sources: Sources
    choices: Choices
    plane_spacing: float | None = None

    def run(self) -> Generator[Progress, None, list[NewLayer]]:
        """Yield reports now and then; return the layers to be added, the fused image first.

        Raises
        ------
        ValueError, TypeError
            If the layers cannot be fused; the message names the layer.
        """
        start = time.perf_counter()
        from napari_rpsnn.engine.inference import choose_device, choose_model

        device = choose_device(self.choices.device)
        model = str(choose_model(self.choices.weights, device))
        notes: list[str] = []
        try:
            result = yield from _now_and_then(self._steps(model), notes)
        except (ValueError, TypeError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(self.sources.in_users_words(str(error))) from error
        options = self._options(model)
        said = record(
            self.sources.names,
            {name: options[name] for name in options if name not in ("model", "device")},
            Path(model).name,
            str(device),
            time.perf_counter() - start,
        )
        said |= {"model_sha256": sha256(model_path(model)), "versions": versions(), "notes": notes}
        return self._layers(result, said)

    @property
    def _is_stack(self) -> bool:
        return self.plane_spacing is not None

    def _options(self, model: str) -> dict[str, Any]:
        options = {**self.choices.engine_options, **self.sources.options, "model": model}
        if self._is_stack:
            options |= {"order": self.choices.order, "height": self.choices.height_map and self.choices.decides}
            options["plane_spacing"] = self.plane_spacing
        else:
            options["return_map"] = self.choices.decision_map and self.choices.decides
        return options

    def _steps(self, model: str) -> Steps:
        fuse = iter_fuse_stack if self._is_stack else iter_fuse
        return fuse(*self.sources.images, **self._options(model))

    def _layers(self, result: Result, said: dict[str, Any]) -> list[NewLayer]:
        maps = {"name": "", "blending": "translucent_no_depth", "visible": False}

        def make(data: Any, what: str, low: float, high: float, colormap: str, **more: Any) -> NewLayer:
            attributes = self.sources.map_attributes | maps
            attributes |= {"name": f"{self.sources.title} {what}", "colormap": colormap, "rgb": False}
            attributes |= {"contrast_limits": (low, high), "metadata": {METADATA: said | more}}
            return NewLayer(data, attributes, colorbar=True)

        layers = [NewLayer(result.image, self.sources.attributes | {"metadata": {METADATA: said}})]
        last = self.sources.planes - 1
        if result.map is not None:
            layers.append(make(result.map, "decision map", 0, 1, "viridis"))
        if self.choices.index_map and result.index is not None:
            layers.append(make(result.index, "plane index", 0, last, "viridis"))
        if result.height is not None:
            unit = self.sources.unit
            top = last * (self.plane_spacing or 1)
            layers.append(make(result.height, f"height [{unit}]", 0, top, "viridis", unit=unit))
        return layers


def _now_and_then(steps: Steps, notes: list[str]) -> Steps:
    """Pass some of the reports on, and all notes; collect the notes."""
    reported = previewed = float("-inf")
    preview: Preview | None = None
    while True:
        try:
            report = next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if report.note is not None:
            notes.append(report.note)
        preview = report.preview or preview
        now = time.perf_counter()
        if report.note is None and now - reported < REPORT_S:
            continue
        reported = now
        if preview is not None and now - previewed < PREVIEW_S:
            yield replace(report, preview=None)
        else:
            previewed = now if preview is not None else previewed
            yield replace(report, preview=preview)
            preview = None

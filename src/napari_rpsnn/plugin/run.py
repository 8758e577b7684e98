"""One run of a panel: layers and options in, reports on the way, layers to be added out. No Qt here.

Everything is read from the layers and the panel before the run begins; the generator touches neither.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_rpsnn.engine.results import Preview, Progress, Result
from napari_rpsnn.fusion import iter_fuse
from napari_rpsnn.io.atomic import write_bytes
from napari_rpsnn.io.provenance import record
from napari_rpsnn.options import FuseOptions, StackOptions
from napari_rpsnn.plugin.layers import Sources
from napari_rpsnn.stack import iter_fuse_stack

Steps = Generator[Progress, None, Result]

#: Key of a result's metadata.
METADATA = "napari-rpsnn"
#: Seconds between reports, and between previews: a window needs no more, and each costs it time.
REPORT_S, PREVIEW_S = 0.5, 1.0


@dataclass(frozen=True)
class NewLayer:
    """An image layer to be added, as ``viewer.add_image`` takes it; whether it has a colour bar; which map it is."""

    data: Any
    attributes: dict[str, Any]
    colorbar: bool = False
    what: str = ""


@dataclass(frozen=True)
class Task:
    """What is to be done, all of it.

    Attributes
    ----------
    sources : Sources
    options : FuseOptions or StackOptions
        By their kind, the sources are a pair or a stack.
    results : list of (Result, dict)
        What came of `run`, and what made it: for a report, as long as somebody keeps the task.
    """

    sources: Sources
    options: FuseOptions | StackOptions
    results: list[tuple[Result, dict[str, Any]]] = field(default_factory=list, repr=False, compare=False)

    def run(self) -> Generator[Progress, None, list[NewLayer]]:
        """Yield reports now and then; return the layers to be added, the fused image first.

        Raises
        ------
        ValueError, TypeError
            If the layers cannot be fused; the message names the layer.
        """
        start = time.perf_counter()
        result = yield from _now_and_then(self._steps())
        said = record(result.made_by, self.sources.names, time.perf_counter() - start)
        self.results.append((result, said))
        return self._layers(result, said)

    def report(self, path: Path) -> Generator[Progress, None, list[Path]]:
        """Write what is wrong with the images of a `run` that is done, as a page; return its path."""
        from napari_rpsnn.reports.quality_page import quality_page
        from napari_rpsnn.reports.sections import pair_sections, stack_sections

        (result, said), images = self.results[-1], self.sources.images
        if isinstance(self.options, StackOptions):
            looks = stack_sections(images[0], self.options, result, self.sources.unit)
        else:
            looks = pair_sections(images[0], images[1], self.options, result)
        decided = result.index if result.index is not None else result.map
        total = 1 if decided is None else decided[..., 0, 0].size
        sections = []
        for section in looks:
            sections.append(section)
            yield Progress(min(len(sections), total), total)
        write_bytes(path, quality_page(f"How good is {self.sources.title}, fused?", sections, said))
        return [path]

    def _steps(self) -> Steps:
        images, called = self.sources.images, [f"Layer '{name}'" for name in self.sources.names]
        if isinstance(self.options, StackOptions):
            return iter_fuse_stack(images[0], self.options, called[0])
        return iter_fuse(images[0], images[1], self.options, (called[0], called[1]))

    def _layers(self, result: Result, said: dict[str, Any]) -> list[NewLayer]:
        maps = {"name": "", "blending": "translucent_no_depth", "visible": False}

        def make(data: Any, what: str, low: float, high: float, colormap: str, **more: Any) -> NewLayer:
            attributes = self.sources.map_attributes | maps
            attributes |= {"name": f"{self.sources.title} {what}", "colormap": colormap, "rgb": False}
            attributes |= {"contrast_limits": (low, high), "metadata": {METADATA: said | more}}
            return NewLayer(data, attributes, colorbar=True, what=what.partition(" [")[0])

        said |= {"part": self.sources.part} if self.sources.part else {}
        layers = [NewLayer(result.image, self.sources.attributes | {"metadata": {METADATA: said}})]
        first, last = getattr(self.options, "planes", None) or (0, self.sources.planes - 1)
        if result.map is not None:
            layers.append(make(result.map, "decision map", 0, 1, "viridis"))
        if isinstance(self.options, StackOptions) and self.options.return_index:
            layers.append(make(result.index, "plane index", first, last, "viridis"))
        if result.confidence is not None:
            layers.append(make(result.confidence, "confidence", 0, 1, "viridis"))
        if isinstance(self.options, StackOptions) and self.options.return_height:
            low, high = (self.options.plane_origin + k * self.options.plane_spacing for k in (first, last))
            unit = self.sources.unit
            layers.append(make(result.height, f"height [{unit}]", low, high, "viridis", unit=unit))
        return layers


def _now_and_then(steps: Steps) -> Steps:
    """Pass some of the reports on, and all notes."""
    reported = previewed = float("-inf")
    preview: Preview | None = None
    while True:
        try:
            report = next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
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

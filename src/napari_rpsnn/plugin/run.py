"""One run of a panel: layers and options in, reports on the way, layers to be added out. No Qt here.

Everything is read from the layers and the panel before the run begins; the generator touches neither.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from napari_rpsnn.engine.results import Progress, Result
from napari_rpsnn.fusion import iter_fuse
from napari_rpsnn.images.validity import is_masked
from napari_rpsnn.io.atomic import write_bytes
from napari_rpsnn.io.provenance import record
from napari_rpsnn.jobs.masks import to_store
from napari_rpsnn.options import FuseOptions, StackOptions
from napari_rpsnn.plugin.layers import METADATA, Sources
from napari_rpsnn.plugin.placement import GREY_LOOK
from napari_rpsnn.plugin.results.reports import Steps, now_and_then
from napari_rpsnn.plugin.results.surface import surface_mesh
from napari_rpsnn.stack import iter_fuse_stack


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
    surface : bool
        Whether heights are wanted as a surface, too; of one picture.
    results : list of (Result, dict)
        What came of `run`, and what made it: for a report, as long as somebody keeps the task.
    """

    sources: Sources
    options: FuseOptions | StackOptions
    surface: bool = False
    results: list[tuple[Result, dict[str, Any]]] = field(default_factory=list, repr=False, compare=False)

    @property
    def makes_slabs(self) -> bool:
        """Whether the result is a stack again, of which no report tells and nothing is retouched."""
        return isinstance(self.options, StackOptions) and self.options.slab is not None

    def run(self) -> Generator[Progress, None, list[NewLayer]]:
        """Yield reports now and then; return the layers to be added, the fused image first.

        Raises
        ------
        ValueError, TypeError
            If the layers cannot be fused; the message names the layer.
        """
        if self.surface and (self.makes_slabs or self._pictures() != 1):
            got = "slabs" if self.makes_slabs else self._pictures()
            raise ValueError(
                f"Surface: expected a stack of one picture, got {got}; take one time point, let the channels "
                "follow one, and choose no slabs."
            )
        start = time.perf_counter()
        result = yield from now_and_then(self._steps())
        if is_masked(result.image):  # layers have no masks
            told = list[str]()
            result = replace(result, image=to_store(result, told.append))
            if told:
                yield Progress(0, 0, note=told[0])
        said = record(result.made_by, self.sources.names, time.perf_counter() - start)
        self.results.append((result, said))
        return self._apart(self._layers(result, said))

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
        if self.surface:
            layers.append(self._surface(result, said))
        return layers

    def _surface(self, result: Result, said: dict[str, Any]) -> NewLayer:
        """The surface in the stack's place, with the values and the look of the fused image."""
        assert isinstance(self.options, StackOptions)
        assert result.height is not None
        sources, axis, channels = self.sources, self.options.axis, self.options.channel_axis
        ndim = len(sources.images[0].shape) - self._is_rgb
        picture = [other for other in range(ndim) if other not in (axis, channels)][-2:]
        image = result.image
        if channels is not None and channels >= 0:  # of several channels the one that decides
            guide: Any = self.options.guide_channel
            image = np.take(image, guide, channels - (channels > axis))
        planes = (result.height - self.options.plane_origin) / self.options.plane_spacing
        planes, image = planes.reshape(planes.shape[-2:]), image.reshape(image.shape[-3 if self._is_rgb else -2 :])
        mesh = surface_mesh(planes, image, sum(other < axis for other in picture))
        attributes = {name: sources.attributes[name] for name in GREY_LOOK if name in sources.attributes}
        attributes |= sources.place | {"name": f"{sources.title} surface", "shading": "none", "visible": False}
        return NewLayer(mesh, attributes | {"metadata": {METADATA: said}}, what="surface")

    @property
    def _is_rgb(self) -> bool:
        return bool(self.sources.attributes["rgb"])

    def _pictures(self) -> int:
        """How many pictures a stack has that are decided one by one."""
        assert isinstance(self.options, StackOptions)
        shape, axis, channels = list(self.sources.shape), self.options.axis, self.options.channel_axis
        if channels is not None and channels >= 0:
            del shape[channels - (channels > axis)]
        return prod(shape[: -3 if self._is_rgb else -2])

    def _apart(self, made: list[NewLayer]) -> list[NewLayer]:
        """Results of several layers as layers of each; maps too, where each was decided by itself."""
        if not self.sources.split:
            return made
        fused, *maps = made
        layers = []
        for number, attributes in enumerate(self.sources.split):
            look = {name: value for name, value in attributes.items() if name != "title"}
            layers.append(NewLayer(fused.data[number], fused.attributes | look))
        for item in maps:
            if self.options.channel_axis == 0:  # one decision for all
                layers.append(item)
                continue
            for number, attributes in enumerate(self.sources.split):
                name = item.attributes["name"].replace(self.sources.title, attributes["title"], 1)
                layers.append(replace(item, data=item.data[number], attributes=item.attributes | {"name": name}))
        return layers

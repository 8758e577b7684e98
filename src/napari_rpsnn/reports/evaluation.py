"""Fused images of one or many programs, measured: scores of every scene, and the places where each does worst."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import laplace, uniform_filter

from napari_rpsnn.metrics import MEASURES, Measure, to_grey
from napari_rpsnn.metrics.edges import kept_edges
from napari_rpsnn.reports.page import shown

#: Side of a place in pixels, how many a method is shown with, and how many sources are shown of a stack.
PLACE_PX, PLACES, SOURCES = 128, 3, 2
#: Places of all methods together, or one of each: with three of each, a page of 13 methods took 22 MB.
ALL_PLACES = 12
#: A fused image correlates with the mean of its sources by 0.9 and more; below this it is of something else.
LIKE = 0.7


@dataclass(frozen=True)
class Scene:
    """What is compared: images of one place, `(rows, columns)` or `(rows, columns, colours)`.

    Attributes
    ----------
    name : str
    sources : sequence of ndarray
        Two images, or the planes of a stack.
    fused : mapping of str to ndarray
        What each method made of them.
    truth : ndarray or None
    """

    name: str
    sources: Sequence[NDArray[Any]]
    fused: Mapping[str, NDArray[Any]]
    truth: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        if len(self.sources) < 2:
            raise ValueError(f"{self.name}: expected at least 2 sources, got {len(self.sources)}")
        first = self.sources[0]
        others = {f"source {k}": image for k, image in enumerate(self.sources)} | dict(self.fused)
        if self.truth is not None:
            others["truth"] = self.truth
        for name, image in others.items():
            if image.shape[:2] != first.shape[:2]:
                raise ValueError(
                    f"{self.name}, {name}: expected the size of the sources, {first.shape[:2]}, got {image.shape[:2]}"
                )
            if image.dtype != first.dtype:
                raise ValueError(f"{self.name}, {name}: expected the sources' dtype, {first.dtype}, got {image.dtype}")
            if not np.isfinite(image).all():
                raise ValueError(f"{self.name}, {name}: expected finite values, got NaN or infinity")

    @property
    def ends(self) -> tuple[float, float]:
        """The values that are black and white: of 8 bits all there are, else the least and greatest of the sources."""
        if self.sources[0].dtype == np.uint8:
            return 0.0, 255.0
        low, high = (end(end(source) for source in self.sources) for end in (min_of, max_of))
        return low, high if high > low else low + 1


def min_of(values: Any) -> float:
    """The least value of an array, or of several numbers."""
    return float(np.min(values if isinstance(values, np.ndarray) else list(values)))


def max_of(values: Any) -> float:
    """The greatest one."""
    return float(np.max(values if isinstance(values, np.ndarray) else list(values)))


@dataclass(frozen=True)
class Place:
    """A part of a scene where a method does badly, and what all show there.

    Attributes
    ----------
    method, scene : str
    badness : float
        To compare places by.
    text : str
        What is bad, in a sentence.
    pictures : dict of str to ndarray of uint8
        Sources, results and truth; that of the method and the one to compare it with are `method` and `beside`.
    beside : str
    where : tuple of int
        The first row and column.
    """

    method: str
    scene: str
    badness: float
    text: str
    pictures: dict[str, NDArray[np.uint8]]
    beside: str
    where: tuple[int, int]


@dataclass
class Evaluation:
    """Scores of all scenes, `scores[scene][method][measure]`, None where a measure has none; the worst places."""

    scores: dict[str, dict[str, dict[str, float | None]]] = field(default_factory=dict)
    places: dict[str, list[Place]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def methods(self) -> list[str]:
        """Those compared, in the order they were given."""
        return list(next(iter(self.scores.values()), {}))

    @property
    def measures(self) -> list[Measure]:
        """Those that have a figure in every scene: of pairs and stacks together, those of stacks."""
        every = [scores for scene in self.scores.values() for scores in scene.values()]
        return [measure for measure in MEASURES if all(scores[measure.name] is not None for scores in every)]

    def mean(self, method: str, measure: str) -> float:
        """Of a measure over all scenes."""
        return float(np.mean([scene[method][measure] for scene in self.scores.values()]))

    def best(self, measure: str) -> str:
        """The method with the best mean."""
        return max(self.methods, key=lambda method: self.mean(method, measure))

    def wins(self, method: str, measure: str) -> int:
        """In how many scenes a method has the best score."""
        return sum(
            scene[method][measure] == max(x[measure] for x in scene.values())  # type: ignore[type-var]
            for scene in self.scores.values()
        )

    def add(self, scene: Scene) -> Iterator[str]:
        """Measure a scene; yields the name of each method when it is done."""
        if scene.name in self.scores:
            raise ValueError(f"{scene.name}: expected scenes of different names, got two of this one")
        low, high = scene.ends
        sources = [to_grey(source, low=low, high=high) for source in scene.sources]
        truth = None if scene.truth is None else to_grey(scene.truth, low=low, high=high)
        fused = {name: to_grey(image, low=low, high=high) for name, image in scene.fused.items()}
        scores: dict[str, dict[str, float | None]] = {}
        mean = np.mean(sources, 0)
        for name, image in fused.items():
            scores[name] = {measure.name: measure.of(sources, image, truth) for measure in MEASURES}
            alike = np.corrcoef(mean.ravel(), image.ravel())[0, 1] if np.ptp(image) and np.ptp(mean) else 0.0
            if alike < LIKE:
                self.notes.append(
                    f"{name}, {scene.name}: correlates with the mean of its sources by {alike:.2f} only. Is it another "
                    "scene, shifted, or inverted?"
                )
            yield name
        self.scores[scene.name] = scores
        for place in worst_places(scene, sources, fused, truth):
            kept = sorted([*self.places.get(place.method, []), place], key=lambda one: -one.badness)
            self.places[place.method] = kept[: max(1, min(PLACES, ALL_PLACES // len(fused)))]


def worst_places(
    scene: Scene, sources: Sequence[NDArray[Any]], fused: Mapping[str, NDArray[Any]], truth: NDArray[Any] | None
) -> Iterator[Place]:
    """Where each method is farthest from the truth, or else keeps least edges beside the best of the others."""
    side = min(PLACE_PX, *sources[0].shape)
    if truth is not None:
        bad = {name: _means((image - truth) ** 2, side) for name, image in fused.items()}
        behind = bad
    else:
        kept = {name: kept_edges(sources, image) for name, image in fused.items()}
        bad = {name: 1 - _means(part, side) / _means(total, side) for name, (part, total) in kept.items()}
        weight = {name: _means(total, side) for name, (_, total) in kept.items()}
        behind = {}
        for name, share in bad.items():
            others = [other for key, other in bad.items() if key != name]
            # What no method keeps, because the sources contradict each other there, is nobody's fault.
            behind[name] = (share - (np.min(others, 0) if others else 0)) * weight[name]
    for name, map_ in behind.items():
        row, column = map(int, np.unravel_index(np.argmax(map_), map_.shape))
        rivals = {key: float(other[row, column]) for key, other in bad.items() if key != name}
        best = min(rivals, key=rivals.__getitem__) if rivals else ""
        if map_[row, column] <= 0:
            continue  # nowhere worse than all others
        mine = float(bad[name][row, column])
        if truth is not None:
            text = f"off by {np.sqrt(mine):.1f} grey levels of 255"
            text += f"; {best}: {np.sqrt(rivals[best]):.1f}" if best else ""
        else:
            text = f"keeps {1 - mine:.0%} of the edges of its sources"
            text += f"; {best}: {1 - rivals[best]:.0%}" if best else ""
        window = slice(row, row + side), slice(column, column + side)
        pictures = _pictures(scene, sources, window)
        beside = "truth" if truth is not None else best or next(iter(pictures))
        yield Place(name, scene.name, float(map_[row, column]), text, pictures, beside, (row, column))


def _means(values: NDArray[Any], side: int) -> NDArray[Any]:
    """In all squares inside, by their first row and column."""
    before, after = side // 2, (side - 1) // 2
    rows, columns = values.shape
    return np.asarray(uniform_filter(values, side)[before : rows - after, before : columns - after])


def _pictures(
    scene: Scene, sources: Sequence[NDArray[Any]], window: tuple[slice, slice]
) -> dict[str, NDArray[np.uint8]]:
    """What is to be seen of a place: the sources that show most there, the results, the truth."""
    low, high = scene.ends
    detail = [float((laplace(source[window]) ** 2).mean()) for source in sources]
    most = sorted(sorted(range(len(sources)), key=lambda k: -detail[k])[:SOURCES])
    images = {f"source {k}": scene.sources[k] for k in most} | dict(scene.fused)
    if scene.truth is not None:
        images["truth"] = scene.truth
    return {name: shown(image[window], low, high) for name, image in images.items()}

"""The engine for one picture of a stack: by decision from all planes at once, by regression in the paper's cascade.

1. Every plane is read and looked at, by itself.
2. By decision, window by window, each pixel is copied from the plane that is decided for; of a thin specimen all from
   one. Of two planes alone R-PSNN tells best which is in focus. By regression see `cascade`.
3. Where heights are asked for, all planes are read once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_rpsnn.engine import borders
from napari_rpsnn.engine.inference import compute_thread
from napari_rpsnn.engine.stacks.cascade import NOTHING, Cascade, Merged, Said, merge
from napari_rpsnn.engine.stacks.decision import GRID, HALO, decide_window, windows
from napari_rpsnn.engine.stacks.depth_from_focus import iter_heights
from napari_rpsnn.engine.stacks.one_plane import decide_samples
from napari_rpsnn.engine.stacks.planes import Planes
from napari_rpsnn.engine.stacks.statistics import PlaneStatistics, StackStatistics
from napari_rpsnn.engine.stages import Stage, of_decision, of_heights, of_looks, steps_of
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import Layout, Window
from napari_rpsnn.images.tiling import Tile
from napari_rpsnn.images.validity import NO_PLANE, Valid, both, without_data
from napari_rpsnn.model.stack_decider import bundled_stack_decider

if TYPE_CHECKING:
    from napari_rpsnn.engine.pairs.engine import Engine
    from napari_rpsnn.options import StackOptions

#: A hot pixel is farther beyond the range of values that a neighbour supports than so many times that range.
HOT = 1.0
#: Colours of a window of a plane, and where they are data (None: everywhere).
ReadColours = Callable[[int, Window], tuple[NDArray[Any], Valid]]


@dataclass(frozen=True)
class Results:
    """Where the results of one picture go: `(rows, columns)`, the image with its channels; None: not wanted."""

    image: NDArray[Any]
    index: NDArray[np.uint16]
    confidence: NDArray[np.float32] | None
    height: NDArray[np.float32] | None


class StackEngine:
    """Fuses the planes of one picture.

    Parameters
    ----------
    planes : Planes
    engine : Engine
        For pairs of them.
    options : StackOptions
    """

    def __init__(self, planes: Planes, engine: Engine, options: StackOptions) -> None:
        self._planes, self._engine, self._options = planes, engine, options
        self._values = IntensityRange(0, 0)

    @staticmethod
    def stages(count: int, rows: int, columns: int, engine: Engine, options: StackOptions) -> tuple[Stage, ...]:
        """What `fuse` does, whose steps are those at most."""
        return tuple(stage for part in _parts(count, rows, columns, engine, options) for stage in part)

    def fuse(self, results: Results) -> Iterator[tuple[int, str | None, NDArray[Any] | None]]:
        """Fuse the planes. Yields the number of steps done, and what there is to say."""
        rows, columns = results.index.shape
        parts = _parts(self._planes.count, rows, columns, self._engine, self._options)
        if self._options.method == "regression":
            cascade = Cascade(self._planes, self._engine, self._options.order)
            work = cascade.look(), cascade.merge_all(results.image, results.index), self._find_heights(results)
        else:
            looked: list[PlaneStatistics] = []
            work = self._look(looked), self._decide(looked, results), self._find_heights(results)
        before = 0
        for part, steps in zip(map(steps_of, parts), work, strict=True):
            # Planes that are left out leave steps out; a shortage of memory adds some.
            for step, (note, running) in enumerate(steps, 1):
                yield before + min(step, part), note, running
            before += part
        if self._options.register is not None and self._planes.layout.alpha:
            # Alpha is that of planes as they lay before: where there is data now, the index tells.
            alpha = self._planes.layout.alpha_of(results.image)
            shown = np.where(alpha == 0, alpha.max(), alpha)
            alpha[...] = np.where(results.index == NO_PLANE, 0, shown)

    def _look(self, looked: list[PlaneStatistics]) -> Iterator[Said]:
        planes = self._planes
        for k, (colours, valid) in enumerate(planes.check()):
            if self._options.register is None:
                looked.append(PlaneStatistics.of(k, colours, planes.layout, valid))
            yield NOTHING
        if planes.doubt:
            self._engine.notes.append(planes.doubt)
            yield planes.doubt, None
        for k in range(len(looked), planes.count):  # now it is known how they lie
            colours, valid = planes.read(k)
            looked.append(PlaneStatistics.of(k, colours, planes.layout, valid, find_border=False))
            yield NOTHING

    def _decide(self, looked: list[PlaneStatistics], results: Results) -> Iterator[Said]:
        planes, layout = self._planes, self._planes.layout
        with compute_thread() as run:
            known, question = run(lambda: decide_samples(looked, StackStatistics.of(looked)))
            if planes.count > 2:
                yield NOTHING
            if question:
                known = run(question.answered, self._engine.vote_map)
        known = replace(known, matched=self._options.match_brightness, prefer=self._options.prefer)
        self._values = known.values
        if bordered := known.bordered(planes.first) or planes.bordered:
            yield borders.say(bordered, self._engine.notes), None
        shape = results.index.shape
        rows, columns = shape
        if len(known.planes) == 2:
            yield from self._merge_two(known, results)
            return
        # Until it is decided, all of it is the plane that is sharpest as a whole.
        running = layout.with_alpha(planes.read(known.sharpest)[0], planes.alpha)
        yield None, running
        with compute_thread() as run:
            for place in windows(rows, columns, len(known.planes)):
                part, index, confidence = run(
                    self._engine.composing,
                    lambda device, part: fuse_window(planes.read, part, known, layout, shape, device),
                    place,
                    HALO,
                    GRID,
                )
                running = running.copy()
                layout.colours(running)[place.write], results.index[place.write] = part, index
                if results.confidence is not None:
                    results.confidence[place.write] = confidence
                yield None, running
        results.image[...] = running

    def _merge_two(self, known: StackStatistics, results: Results) -> Iterator[Said]:
        planes, layout = self._planes, self._planes.layout
        first, second = known.planes
        pair = Merged(*planes.read(first)), Merged(*planes.read(second))
        merged, share = yield from merge(self._engine, known.plan, layout, *pair)
        results.image[...] = layout.with_alpha(merged.image, planes.alpha)
        results.index[...] = np.where(np.isnan(share), NO_PLANE, np.where(share >= 0.5, first, second))
        if results.confidence is not None:
            results.confidence[...] = np.abs(2 * share - 1)

    def _find_heights(self, results: Results) -> Iterator[Said]:
        """Read the planes once more and set the heights, in planes, if they are wanted. Yields after each plane."""
        if results.height is None:
            return
        planes, threads = self._planes, torch.get_num_threads()

        for _ in iter_heights(
            planes.read, planes.count, planes.layout, self._values, results.index, results.height, threads
        ):
            yield NOTHING
        yield NOTHING


def fuse_window(
    read: ReadColours, place: Tile, known: StackStatistics, layout: Layout, shape: tuple[int, int], device: torch.device
) -> tuple[NDArray[Any], NDArray[np.uint16], NDArray[np.float32]]:
    """All-in-focus colours, index and confidence of what a window writes of a picture of this shape."""
    some = np.zeros([part.stop - part.start for part in place.read], bool)  # has data

    def see(number: int, window: Window) -> tuple[NDArray[np.float32], Valid]:
        colours, valid = read(known.planes[number], window)
        if window == place.read:
            some[...] |= True if valid is None else valid
        return known.seen(number, layout.guide_channels(colours)), both(
            valid, known.borders[number].valid(window, shape)
        )

    if known.only is not None:
        ranked, size = known.nearest[known.only], some[place.inner].shape
        chosen, there = _first_there(ranked, lambda k: see(k, place.write)[1], size)
        if not there.all():  # where every plane has a border, it stays
            rest, with_borders = _first_there(ranked, lambda k: read(known.planes[k], place.write)[1], size)
            chosen, there = np.where(there, chosen, rest), with_borders
        some[place.inner] = there
        confidence = np.ones(chosen.shape, np.float32)
    else:
        decided = decide_window(see, place.read, known, bundled_stack_decider(device))
        chosen, confidence = (x[place.inner].cpu().numpy() for x in (decided.index, decided.confidence))
    image: NDArray[Any] | None = None
    for number in np.unique(chosen):
        part = known.shown(number, read(known.planes[number], place.write)[0])
        image = np.array(part) if image is None else np.where((chosen == number)[..., None], part, image)
    assert image is not None
    _leave_out_hot_pixels(image, chosen, read, place, known, layout)
    index = np.array(known.planes, np.uint16)[chosen]
    nowhere = ~some[place.inner]
    if nowhere.any():
        image[nowhere], index[nowhere] = without_data(image.dtype), NO_PLANE
        confidence = np.where(nowhere, np.float32(np.nan), confidence)
    return image, index, confidence


def _first_there(
    ranked: NDArray[np.intp], valid_of: Callable[[int], Valid], shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """At every pixel the first of these planes that has data there, and where one has."""
    chosen, left = np.full(shape, ranked[0]), np.ones(shape, bool)
    for k in ranked:
        valid = valid_of(k)
        there = left if valid is None else left & valid
        chosen[there] = k
        left = left & ~there
        if not left.any():
            break
    return chosen, ~left


def _leave_out_hot_pixels(
    image: NDArray[Any],
    chosen: NDArray[np.int64],
    read: ReadColours,
    place: Tile,
    known: StackStatistics,
    layout: Layout,
) -> None:
    """Take hot pixels from the plane that is most like what lies around them."""

    def seen(colours: NDArray[Any]) -> NDArray[np.float32]:
        unit: NDArray[np.float32] = known.values.to_unit(layout.guide_channels(colours)).mean(-1)
        return unit

    shown = seen(image)
    rows, columns = np.nonzero((shown > 1 + HOT) | (shown < -HOT))
    if len(rows) == 0:
        return
    padded = np.pad(shown, 1, mode="edge")
    around = np.median([padded[rows + i, columns + j] for i in range(3) for j in range(3)], 0)
    candidates, lost = [], np.zeros((len(known.planes), len(rows)), bool)
    for k, number in enumerate(known.planes):
        part, valid = read(number, place.write)
        candidates.append(known.shown(k, part[rows, columns]))
        if valid is not None:
            lost[k] = ~valid[rows, columns]
    colours = np.stack(candidates)
    away = np.where(lost, np.inf, np.abs(seen(colours) - around))
    best = away.argmin(0)
    image[rows, columns], chosen[rows, columns] = colours[best, np.arange(len(rows))], best


def _parts(
    count: int, rows: int, columns: int, engine: Engine, options: StackOptions
) -> tuple[tuple[Stage, ...], tuple[Stage, ...], tuple[Stage, ...]]:
    """To look at the planes, to fuse them, and to find heights."""
    by_network = options.method == "regression"
    looks = of_looks(count, rows, columns, aligned=options.register is not None, ranked=by_network)
    if by_network or count == 2:
        fused = engine.stages(rows, columns, count)
    else:
        fused = of_decision(count, windows(rows, columns, count))
    return looks, fused, of_heights(count, rows, columns) if options.return_height else ()

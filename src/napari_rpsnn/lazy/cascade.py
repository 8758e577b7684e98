"""`cascade` on dask arrays: the planes are surveyed at the call, because their order follows from all of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import dask.array as da
from dask.base import tokenize
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from napari_rpsnn.engine.pairs.plan import Plan
from napari_rpsnn.engine.stacks.cascade import merges
from napari_rpsnn.engine.stacks.ranking import Strip, Survey, strip_rows, survey_strip
from napari_rpsnn.engine.stacks.samples import sample_windows
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.images.validity import like_the_rest, without_data
from napari_rpsnn.lazy.graph import window
from napari_rpsnn.lazy.planes import LazyPlane, alphas_so_far, count_faults, refuse_faults, see

if TYPE_CHECKING:
    from napari_rpsnn.lazy.tasks import Fuser, Recipe


def survey(stack: Sequence[LazyPlane], first: int, fuser: Fuser) -> Delayed:
    """Order of the planes of a picture, the number of the first of which is for messages, and their range."""
    layout = fuser.layout
    rows, columns, _ = stack[0].picture.shape
    token = tokenize(stack, first, layout, fuser.recipe.key)
    name, tasks = f"rpsnn-survey-{token}", dict[Any, Any]()
    strips, alphas = strip_rows(rows), alphas_so_far(stack, layout)
    for k, plane in enumerate(stack):
        for i, own in enumerate(strips):
            part = slice(own.start, min(own.stop + 1, rows)), slice(0, columns)
            before = [window(one, (), part) for one in alphas[max(k - 1, 0) : k]]
            tasks[name, k, i] = (partial(_strip, rows=own.stop - own.start, layout=layout), plane.window(part), before)
        samples = [plane.window(part) for part in sample_windows(rows, columns)]
        tasks[name, k] = (partial(_samples, layout=layout), samples)
    known = [[(name, k, i) for i in range(len(strips))] for k in range(len(stack))]
    tasks[name] = (partial(_ordered, first=first), fuser.recipe.key, known, [(name, k) for k in range(len(stack))])
    needs = [source for plane in stack for source in plane.sources]
    return Delayed(name, HighLevelGraph.from_collections(name, tasks, dependencies=[*needs, *alphas, fuser.recipe]))


def _strip(
    plane: Sequence[NDArray[Any]], before: Sequence[NDArray[Any]], rows: int, layout: Layout
) -> tuple[Strip, tuple[int, int]]:
    """What is known of a strip, and how many of its values are not as they ought to be."""
    part, valid = see(plane, layout)
    own = None if valid is None else valid[:rows]
    faults = count_faults(part[:rows], own, [alpha[:rows] for alpha in before], layout)
    return survey_strip(layout.colours(part), valid, rows, layout), faults


def _samples(parts: Sequence[Sequence[NDArray[Any]]], layout: Layout) -> list[NDArray[Any]]:
    seen = (see(part, layout) for part in parts)
    return [layout.guide_channels(like_the_rest(layout.colours(part), valid)).copy() for part, valid in seen]


def _ordered(
    recipe: Recipe,
    planes: Sequence[Sequence[tuple[Strip, tuple[int, int]]]],
    samples: Sequence[Sequence[NDArray[Any]]],
    first: int,
) -> tuple[list[int], IntensityRange]:
    found = Survey()
    for k, known in enumerate(planes):
        strips, faults = zip(*known, strict=True)
        refuse_faults(faults, first + k)
        found.add(k, strips, samples[k])
    found.choose()
    recipe.run(lambda engine: list(found.rank(engine.mean_vote)))
    return found.order, found.values


def merged(
    stack: Sequence[LazyPlane], surveyed: tuple[Sequence[int], IntensityRange], order: str, fuser: Fuser
) -> tuple[da.Array, da.Array]:
    """All-in-focus picture of a stack whose planes are in order, and where no plane has data."""
    planes, values = surveyed
    pile: list[tuple[da.Array, da.Array | None]] = []
    for k in merges(planes, order):
        if k is not None:
            pile.append((stack[k].colours(fuser.layout), stack[k].valid(fuser.layout)))
            continue
        (image1, valid1), (image0, valid0) = pile.pop(), pile.pop()
        image, _ = fuser.fuse(image0, image1, lambda _: Plan(values, lacking=True), valid=(valid0, valid1))
        pile.append((image, None if valid0 is None or valid1 is None else valid0 | valid1))
    image, valid = pile.pop()
    if valid is None:
        return image, da.zeros(image.shape[:2], dtype=bool)
    return da.where(valid[..., None], image, image.dtype.type(without_data(image.dtype))), ~valid

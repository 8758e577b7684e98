"""`fuse` and `fuse_stack` on dask arrays: lazy, larger than memory, on threads or on the workers of a cluster.

The one scale of a picture needs a first look at all of it. Of a pair, that look has a graph of its own: with the chunks
of the sources in common, they would all stay in memory until they are fused. Of a stack, it is taken at once: which
plane is fused with which follows from what the planes hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from napari_rpsnn.engine.pairs.statistics import PairStatistics, Plan
from napari_rpsnn.engine.results import Result
from napari_rpsnn.engine.stacks.cascade import STAY, merges
from napari_rpsnn.engine.stacks.ranking import Strip, Survey, sample_windows, strip_rows, survey_strip
from napari_rpsnn.images.checks import check_pair, count_infinite, refuse_alpha, refuse_infinite
from napari_rpsnn.images.focus_stack import FocusStack
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.lazy.graph import Where, array_of, by_picture, clone_graph, window
from napari_rpsnn.lazy.heights import Heights
from napari_rpsnn.lazy.tasks import Fuser, Recipe
from napari_rpsnn.options import FuseOptions, StackOptions


def lazy_fuse(image0: Any, image1: Any, options: FuseOptions) -> Result:
    """`fuse` of two images of which one is a dask array, at least; the result's arrays are dask arrays too."""
    _refuse_registration(options.register)
    names = ("image0", "image1")
    a, b = (_as_dask(image, name) for name, image in zip(names, (image0, image1), strict=True))
    check_pair(a, b, names)
    layout = Layout.of(a.shape, options.channel_axis, options.guide_channel)
    fuser = Fuser.choose(layout, options)
    sources = layout.pictures(a), layout.pictures(b)
    plans = _plans(*sources, layout, names)
    colours0, colours1 = (layout.colours(source) for source in sources)
    result, decisions = fuser.fuse(colours0, colours1, lambda where: (plans.name, *where), [plans])
    result = layout.with_alpha(result, layout.alpha_of(sources[0]))
    return Result(
        layout.images(result),
        fuser.engine.made_by(options),
        map=None if decisions is None else layout.maps(decisions),
    )


def lazy_fuse_stack(images: Any, options: StackOptions) -> Result:
    """`fuse_stack` of a dask array, or of planes of which one is, at least; the result's arrays are dask arrays too."""
    _refuse_registration(options.register)
    stack = FocusStack.of(images, options.axis, options.channel_axis, options.guide_channel)
    whole = da.stack([da.asarray(plane) for plane in images]) if isinstance(images, Sequence) else images
    stack = replace(stack, images=_as_dask(whole, "images"))
    layout = stack.layout
    fuser = Fuser.choose(layout, options)

    *pictures, _, _, _ = layout.pictures(np.broadcast_to(np.zeros((), stack.dtype), stack.shape)).shape
    stacks = [[by_picture(stack.picture(where, k)) for k in range(stack.count)] for where in np.ndindex(*pictures)]
    surveys = dask.compute(*(_survey(planes, fuser) for planes in stacks))
    colours = [[layout.colours(plane) for plane in planes] for planes in stacks]
    merged = [
        _merged(planes, best, values, options.order, fuser)
        for planes, (best, values) in zip(colours, surveys, strict=True)
    ]
    images, indices = zip(*merged, strict=True)
    alphas = (layout.alpha_of(planes[0]) for planes in stacks)
    result = _nested(tuple(pictures), map(layout.with_alpha, images, alphas))
    index = _nested(tuple(pictures), iter(indices))
    heights: Any = None
    if options.return_height:
        found = Heights(colours, layout)
        parts = (found.heights(n, indices[n], values) for n, (_, values) in enumerate(surveys))
        heights = layout.maps(_nested(tuple(pictures), parts)) * float(options.plane_spacing)
    return Result(
        layout.images(result),
        fuser.engine.made_by(options),
        index=layout.maps(index) if options.method == "decision" else None,
        height=heights,
    )


def _refuse_registration(register: str | None) -> None:
    if register is not None:
        raise ValueError(
            f"register: expected None for dask arrays, got {register!r}: to align planes they must be seen as a whole; "
            "align them first, or hand in NumPy arrays"
        )


def _as_dask(image: Any, name: str) -> da.Array:
    array = da.asarray(image)
    if np.isnan(array.shape).any():
        raise ValueError(
            f"{name}: expected chunks of known size, got the shape {array.shape}; see compute_chunk_sizes()"
        )
    return array


def _plans(images0: da.Array, images1: da.Array, layout: Layout, names: tuple[str, str]) -> da.Array:
    """The `Plan` of each pair of pictures, as the blocks of an array; checks the values on the way."""
    first, second = (by_picture(clone_graph(image, "napari-rpsnn")) for image in (images0, images1))
    second = second.rechunk(first.chunks)
    token = tokenize(first, second, layout, names)
    blocks = {
        key: (partial(_statistics, layout=layout), *((image.name, *key, 0) for image in (first, second)))
        for key in np.ndindex(*first.numblocks[:-1])
    }
    looked = array_of("rpsnn-statistics", token, blocks, [first, second], first.chunks[:-1], object)
    plans = {
        where: (
            partial(Plan.of, names=names),
            [(looked.name, *where, *place) for place in np.ndindex(*looked.numblocks[-2:])],
        )
        for where in np.ndindex(*first.shape[:-3])
    }
    return array_of("rpsnn-plan", token, plans, [looked], first.chunks[:-3], object)


def _statistics(block0: NDArray[Any], block1: NDArray[Any], layout: Layout) -> PairStatistics:
    leading = (0,) * (block0.ndim - 3)
    return PairStatistics.of(block0[leading], block1[leading], layout)


def _survey(stack: Sequence[da.Array], fuser: Fuser) -> Delayed:
    """Order of the planes of a picture, and their range."""
    layout = fuser.layout
    rows, columns, _ = stack[0].shape
    token = tokenize(stack, layout, fuser.recipe.key)
    name, tasks = f"rpsnn-survey-{token}", dict[Any, Any]()
    strips = strip_rows(rows)
    for k, plane in enumerate(stack):
        for i, own in enumerate(strips):
            part = slice(own.start, min(own.stop + 1, rows)), slice(0, columns)
            both = [window(source, (), part) for source in (plane, stack[0])]
            tasks[name, k, i] = (partial(_strip, rows=own.stop - own.start, layout=layout), *both)
        samples = [window(plane, (), part) for part in sample_windows(rows, columns)]
        tasks[name, k] = (partial(_samples, layout=layout), samples)
    known = [[(name, k, i) for i in range(len(strips))] for k in range(len(stack))]
    tasks[name] = (_ordered, fuser.recipe.key, known, [(name, k) for k in range(len(stack))])
    return Delayed(name, HighLevelGraph.from_collections(name, tasks, dependencies=[*stack, fuser.recipe]))


def _strip(part: NDArray[Any], part_of_first: NDArray[Any], rows: int, layout: Layout) -> tuple[Strip, int, int]:
    """What is known of a strip, and how many of its values are not as they ought to be."""
    infinite, differing = count_infinite(part[:rows]), 0
    if layout.alpha:
        differing = int(np.count_nonzero((layout.alpha_of(part) != layout.alpha_of(part_of_first))[:rows]))
    return survey_strip(layout.colours(part), rows, layout), infinite, differing


def _samples(parts: Sequence[NDArray[Any]], layout: Layout) -> list[NDArray[Any]]:
    return [layout.guide_channels(layout.colours(part)).copy() for part in parts]


def _ordered(
    recipe: Recipe, planes: Sequence[Sequence[tuple[Strip, int, int]]], samples: Sequence[Sequence[NDArray[Any]]]
) -> tuple[list[int], IntensityRange]:
    survey = Survey()
    for k, known in enumerate(planes):
        strips, infinite, differing = zip(*known, strict=True)
        refuse_infinite(sum(infinite), f"images, plane {k}")
        refuse_alpha(sum(differing), ("images: plane 0", f"plane {k}"))
        survey.add(k, strips, samples[k])
    survey.choose()
    recipe.run(lambda engine: list(survey.rank(engine.mean_vote)))
    return survey.order, survey.values


def _merged(
    stack: Sequence[da.Array], planes: Sequence[int], values: IntensityRange, order: str, fuser: Fuser
) -> tuple[da.Array, da.Array]:
    """All-in-focus picture and index of a stack whose planes are in order."""
    pile: list[tuple[da.Array, Any]] = []
    for k in merges(planes, order):
        if k is not None:
            pile.append((stack[k], np.uint16(k)))
            continue
        image1, index1 = pile.pop()
        image0, index0 = pile.pop()
        image, share = fuser.fuse(image0, image1, lambda _: Plan(values), stay=STAY)
        pile.append((image, 0 if share is None else da.where(share >= 0.5, index0, index1)))
    image, index = pile.pop()
    if not isinstance(index, da.Array):
        index = da.full(image.shape[:2], index, np.uint16, chunks=image.chunks[:2])
    return image, index


def _nested(shape: Where, parts: Iterator[da.Array]) -> da.Array:
    """Arrays, put together on leading axes of this shape."""
    return da.stack([_nested(shape[1:], parts) for _ in range(shape[0])]) if shape else next(parts)

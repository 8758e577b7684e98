"""`fuse_stack` on dask arrays: lazy, larger than memory, on threads or on the workers of a cluster.

The planes are looked at when it is called: what is decided, and which plane is fused with which, follows from all of
them. The rest is lazy, window by window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from operator import getitem
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from napari_rpsnn.engine.pairs.statistics import Plan
from napari_rpsnn.engine.results import Result
from napari_rpsnn.engine.stacks.cascade import merges
from napari_rpsnn.engine.stacks.decision import windows
from napari_rpsnn.engine.stacks.engine import fuse_window
from napari_rpsnn.engine.stacks.one_plane import settled
from napari_rpsnn.engine.stacks.ranking import Strip, Survey, sample_windows, strip_rows, survey_strip
from napari_rpsnn.engine.stacks.statistics import PlaneStatistics, StackStatistics
from napari_rpsnn.images.checks import count_infinite, refuse_alpha, refuse_infinite
from napari_rpsnn.images.focus_stack import FocusStack
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import WHOLE, Layout, Window
from napari_rpsnn.images.tiling import Tile
from napari_rpsnn.lazy.graph import Where, array_of, as_dask, by_picture, grid, numbered, refuse_registration, window
from napari_rpsnn.lazy.heights import heights
from napari_rpsnn.lazy.stack_windows import StackWindows
from napari_rpsnn.lazy.tasks import Fuser, Recipe
from napari_rpsnn.options import StackOptions

#: Image, index and confidence of a picture.
Decided = tuple[da.Array, da.Array, da.Array]


def lazy_fuse_stack(images: Any, options: StackOptions) -> Result:
    """`fuse_stack` of a dask array, or of planes of which one is, at least; the result's arrays are dask arrays too."""
    refuse_registration(options.register)
    stack = FocusStack.of(images, options.axis, options.channel_axis, options.guide_channel)
    whole = da.stack([da.asarray(plane) for plane in images]) if isinstance(images, Sequence) else images
    stack = replace(stack, images=as_dask(whole, "images")).part(options.planes, options.region)
    fuser = Fuser.choose(stack.layout, options)
    slabs = [_fuse(slab, fuser, options) for slab in stack.slabs(options.slab)]
    return slabs[0] if options.slab is None else Result.of_slabs(slabs, stack, da.stack)


def _fuse(stack: FocusStack, fuser: Fuser, options: StackOptions) -> Result:
    """Fuse a stack, or a slab of it."""
    layout = stack.layout
    *pictures, _, _, _ = stack.pictures
    stacks = [[by_picture(stack.picture(where, k)) for k in range(stack.count)] for where in np.ndindex(*pictures)]
    colours = [[layout.colours(plane) for plane in planes] for planes in stacks]

    def put_together(parts: Sequence[da.Array]) -> da.Array:
        return _nested(tuple(pictures), iter(parts))

    def image_of(parts: Sequence[da.Array]) -> da.Array:
        alphas = (layout.alpha_of(planes[0]) for planes in stacks)
        return layout.images(put_together(list(map(layout.with_alpha, parts, alphas))))

    made = fuser.engine.made_by(options)
    if options.method == "regression":
        surveys = dask.compute(*(_survey(planes, stack.first, fuser) for planes in stacks))
        ranked = zip(colours, surveys, strict=True)
        return Result(image_of([_merged(*both, options.order, fuser) for both in ranked]), made)
    known = dask.compute(*(_looked_at(planes, stack.first, fuser) for planes in stacks))
    places = StackWindows(colours)
    decided = [_decided(places, planes, about, fuser) for planes, about in zip(colours, known, strict=True)]
    fused, index, confidence = (list(arrays) for arrays in zip(*decided, strict=True))
    height: Any = None
    if options.return_height:
        each = zip(colours, index, known, strict=True)
        found = [heights(places, planes, chosen, about.values, layout) for planes, chosen, about in each]
        origin = options.plane_origin + stack.first * options.plane_spacing
        height = layout.maps(put_together(found)) * np.float32(options.plane_spacing) + np.float32(origin)
    return Result(
        image_of(fused),
        made,
        index=layout.maps(put_together(index)) + np.uint16(stack.first),  # counted in the whole stack
        confidence=layout.maps(put_together(confidence)) if options.return_confidence else None,
        height=height,
    )


# By decision.


def _looked_at(planes: Sequence[da.Array], first: int, fuser: Fuser) -> Delayed:
    """Statistics of a picture's planes, the number of the first of which is for messages; a plane is a task."""
    layout = fuser.layout
    name = f"rpsnn-look-{tokenize(planes, first, layout, fuser.recipe.key)}"
    rows, columns, _ = planes[0].shape
    whole = slice(0, rows), slice(0, columns)
    tasks: dict[Any, Any] = {}
    for k, plane in enumerate(planes):
        both = [window(source, (), whole) for source in ((plane, planes[0]) if layout.alpha else (plane,))]
        tasks[name, k] = (partial(_look_at, k=k, layout=layout), both)
    tasks[name] = (partial(_settled, first=first), fuser.recipe.key, [(name, k) for k in range(len(planes))])
    return Delayed(name, HighLevelGraph.from_collections(name, tasks, dependencies=[*planes, fuser.recipe]))


def _look_at(planes: Sequence[NDArray[Any]], k: int, layout: Layout) -> tuple[PlaneStatistics, int, int]:
    """Of a plane, which comes first, and how many of its values are not as they ought to be."""
    plane, differing = planes[0], 0
    if layout.alpha:
        differing = int(np.count_nonzero(layout.alpha_of(plane) != layout.alpha_of(planes[1])))
    return PlaneStatistics.of(k, layout.colours(plane), layout), count_infinite(plane), differing


def _settled(recipe: Recipe, looked: Sequence[tuple[PlaneStatistics, int, int]], first: int) -> StackStatistics:
    for plane, infinite, differing in looked:
        refuse_infinite(infinite, f"images, plane {first + plane.number}")
        refuse_alpha(differing, (f"images: plane {first}", f"plane {first + plane.number}"))
    planes = [plane for plane, _, _ in looked]
    return recipe.run(lambda engine: settled(planes, StackStatistics.of(planes), engine.vote_map))


def _decided(places: StackWindows, planes: Sequence[da.Array], known: StackStatistics, fuser: Fuser) -> Decided:
    if len(known.planes) == 2:
        return _merged_two(planes, known, fuser)
    rows, columns, channels = planes[0].shape
    name = f"rpsnn-decided-{tokenize(planes, fuser.layout, fuser.recipe.key)}"
    work = partial(_decide, known=known, layout=fuser.layout, shape=(rows, columns))

    def steps(place: Tile, key: tuple[Any, ...]) -> dict[Any, Any]:
        made = {(*key, k): window(planes[k], (), place.read) for k in known.planes}
        return {**made, key: (partial(work, place=place), fuser.recipe.key, list(made))}

    tiles = windows(rows, columns, len(known.planes))
    together = places.array(name, tiles, steps, [fuser.recipe], grid(tiles), object)
    parts: list[da.Array] = []
    kinds = ("image", planes[0].dtype, 1), ("index", np.dtype("u2"), 0), ("confidence", np.dtype("f4"), 0)
    for i, (kind, dtype, rest) in enumerate(kinds):
        tasks = {(*key, *(0,) * rest): (getitem, (together.name, *key), i) for key, _ in numbered(tiles)}
        chunks = (*grid(tiles), *((channels,),) * rest)
        parts.append(array_of(f"rpsnn-{kind}", name, tasks, [together], chunks, dtype))
    return parts[0], parts[1], parts[2]


def _decide(
    recipe: Recipe,
    parts: Sequence[NDArray[Any]],
    place: Tile,
    known: StackStatistics,
    layout: Layout,
    shape: tuple[int, int],
) -> tuple[NDArray[Any], NDArray[np.uint16], NDArray[np.float32]]:
    """`fuse_window` of windows that were read of all planes that contribute."""
    planes = dict(zip(known.planes, parts, strict=True))

    def read(k: int, part: Window) -> tuple[NDArray[Any], None]:
        return planes[k] if part == place.read else planes[k][place.inner], None

    return recipe.run(
        lambda engine: engine.composing(lambda device: fuse_window(read, place, known, layout, shape, device))
    )


def _merged_two(planes: Sequence[da.Array], known: StackStatistics, fuser: Fuser) -> Decided:
    """As `StackEngine` does it in memory."""
    (first, second), shape = known.planes, planes[0].shape[:2]
    valid0, valid1 = (border.valid(WHOLE, shape) for border in known.borders)
    image0, image1 = planes[first], planes[second]
    if valid0 is not None:
        image0 = da.where(valid0[..., None], planes[first], planes[second])
    if valid1 is not None:
        image1 = da.where(valid1[..., None], planes[second], planes[first])
    image, share = fuser.fuse(image0, image1, lambda _: Plan(known.values, known.swapped))
    assert share is not None
    if valid0 is not None:
        share = da.where(valid0, share, np.float32(0))
    if valid1 is not None:
        share = da.where(valid1 | (False if valid0 is None else ~valid0), share, np.float32(1))
    index = da.where(share >= 0.5, np.uint16(first), np.uint16(second))
    return image, index, abs(2 * share - 1)


# By regression.


def _survey(stack: Sequence[da.Array], first: int, fuser: Fuser) -> Delayed:
    """Order of the planes of a picture, and their range."""
    layout = fuser.layout
    rows, columns, _ = stack[0].shape
    token = tokenize(stack, first, layout, fuser.recipe.key)
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
    tasks[name] = (partial(_ordered, first=first), fuser.recipe.key, known, [(name, k) for k in range(len(stack))])
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
    recipe: Recipe,
    planes: Sequence[Sequence[tuple[Strip, int, int]]],
    samples: Sequence[Sequence[NDArray[Any]]],
    first: int,
) -> tuple[list[int], IntensityRange]:
    survey = Survey()
    for k, known in enumerate(planes):
        strips, infinite, differing = zip(*known, strict=True)
        refuse_infinite(sum(infinite), f"images, plane {first + k}")
        refuse_alpha(sum(differing), (f"images: plane {first}", f"plane {first + k}"))
        survey.add(k, strips, samples[k])
    survey.choose()
    recipe.run(lambda engine: list(survey.rank(engine.mean_vote)))
    return survey.order, survey.values


def _merged(
    stack: Sequence[da.Array], survey: tuple[Sequence[int], IntensityRange], order: str, fuser: Fuser
) -> da.Array:
    """All-in-focus picture of a stack whose planes are in order."""
    planes, values = survey
    pile: list[da.Array] = []
    for k in merges(planes, order):
        if k is not None:
            pile.append(stack[k])
            continue
        second = pile.pop()
        image, _ = fuser.fuse(pile.pop(), second, lambda _: Plan(values))
        pile.append(image)
    return pile.pop()


def _nested(shape: Where, parts: Iterator[da.Array]) -> da.Array:
    """Arrays, put together on leading axes of this shape."""
    return da.stack([_nested(shape[1:], parts) for _ in range(shape[0])]) if shape else next(parts)

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

from napari_rpsnn.engine.cascade import STAY, merges
from napari_rpsnn.engine.pair_statistics import Facts, Plan
from napari_rpsnn.engine.plane_ranking import Strip, Survey, sample_windows, strip_rows, survey_strip
from napari_rpsnn.engine.results import Result
from napari_rpsnn.images.checks import (
    check_guide,
    check_height,
    check_pair,
    count_infinite,
    refuse_alpha,
    refuse_infinite,
)
from napari_rpsnn.images.focus_stack import Planes
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.lazy.graph import Fuser, Where, apart, by_picture, layer, window
from napari_rpsnn.lazy.heights import Relief
from napari_rpsnn.lazy.workers import Recipe
from napari_rpsnn.model.weights import ModelLike


def lazy_fuse(
    image0: Any,
    image1: Any,
    *,
    channel_axis: int | None,
    guide_channel: int | Sequence[int] | None,
    method: str,
    register: str | None,
    model: ModelLike,
    device: str,
    precision: str,
    tile: int | str,
) -> Result:
    """`fuse` of two images of which one is a dask array, at least; the result's arrays are dask arrays too."""
    _refuse_registration(register)
    names = ("image0", "image1")
    a, b = (_as_dask(image, name) for name, image in zip(names, (image0, image1), strict=True))
    check_pair(a, b, names)
    check_guide(guide_channel, method)
    layout = Layout.of(a.shape, channel_axis, guide_channel)
    fuser = Fuser.choose(layout, model, device, precision, tile, method)
    sources0, sources1 = layout.pictures(a), layout.pictures(b)
    plans = _plans(sources0, sources1, layout, names)
    colours = slice(3 if layout.alpha else None)
    result, decisions = fuser.fuse(
        sources0[..., colours], sources1[..., colours], lambda where: (plans.name, *where), [plans]
    )
    if layout.alpha:
        result = da.concatenate([result, sources0[..., 3:]], -1)
    return Result(layout.images(result), map=None if decisions is None else layout.maps(decisions))


def lazy_fuse_stack(
    images: Any,
    *,
    axis: int,
    channel_axis: int | None,
    guide_channel: int | Sequence[int] | None,
    method: str,
    order: str,
    register: str | None,
    height: bool = False,
    plane_spacing: float = 1.0,
    model: ModelLike,
    device: str,
    precision: str,
    tile: int | str,
) -> Result:
    """`fuse_stack` of a dask array, or of planes of which one is, at least; the result's arrays are dask arrays too."""
    _refuse_registration(register)
    check_height(height, plane_spacing, method)
    planes = Planes.of(images, axis, channel_axis, guide_channel)
    whole = da.stack([da.asarray(plane) for plane in images]) if isinstance(images, Sequence) else images
    planes = replace(planes, images=_as_dask(whole, "images"))
    layout = planes.layout
    fuser = Fuser.choose(layout, model, device, precision, tile, method)

    *pictures, _, _, _ = layout.pictures(np.broadcast_to(np.zeros((), planes.dtype), planes.shape)).shape
    stacks = [[by_picture(planes.picture(where, k)) for k in range(planes.count)] for where in np.ndindex(*pictures)]
    surveys = dask.compute(*(_survey(stack, fuser) for stack in stacks))
    made = [_merged(stack, best, values, order, fuser) for stack, (best, values) in zip(stacks, surveys, strict=True)]
    result, index = (_nested(tuple(pictures), iter(parts)) for parts in zip(*made, strict=True))
    heights: Any = None
    if height:
        colours = slice(3 if layout.alpha else None)
        relief = Relief([[plane[..., colours] for plane in stack] for stack in stacks], layout)
        parts = (relief.heights(n, made[n][1], values) for n, (_, values) in enumerate(surveys))
        heights = layout.maps(_nested(tuple(pictures), parts)) * float(plane_spacing)
    return Result(layout.images(result), index=layout.maps(index) if method == "decision" else None, height=heights)


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
    first, second = (by_picture(apart(image, "napari-rpsnn")) for image in (images0, images1))
    second = second.rechunk(first.chunks)
    token = tokenize(first, second, layout, names)
    blocks = {
        key: (partial(_facts, layout=layout), *((image.name, *key, 0) for image in (first, second)))
        for key in np.ndindex(*first.numblocks[:-1])
    }
    looked = layer("rpsnn-facts", token, blocks, [first, second], first.chunks[:-1], object)
    plans = {
        where: (
            partial(Plan.of, names=names),
            [(looked.name, *where, *place) for place in np.ndindex(*looked.numblocks[-2:])],
        )
        for where in np.ndindex(*first.shape[:-3])
    }
    return layer("rpsnn-plan", token, plans, [looked], first.chunks[:-3], object)


def _facts(block0: NDArray[Any], block1: NDArray[Any], layout: Layout) -> Facts:
    leading = (0,) * (block0.ndim - 3)
    return Facts.of(block0[leading], block1[leading], layout)


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
        differing = int(np.count_nonzero(part[:rows, :, 3] != part_of_first[:rows, :, 3]))
        part = part[..., :3]
    return survey_strip(part, rows, layout), infinite, differing


def _samples(parts: Sequence[NDArray[Any]], layout: Layout) -> list[NDArray[Any]]:
    return [layout.seen(part[..., :3] if layout.alpha else part).copy() for part in parts]


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
    recipe.run(lambda engine: list(survey.rank(engine)))
    return survey.order, survey.values


def _merged(
    stack: Sequence[da.Array], planes: Sequence[int], values: IntensityRange, order: str, fuser: Fuser
) -> tuple[da.Array, da.Array]:
    """All-in-focus picture and index of a stack whose planes are in order."""
    pile: list[tuple[da.Array, Any]] = []
    colours = slice(3 if fuser.layout.alpha else None)
    for k in merges(planes, order):
        if k is not None:
            pile.append((stack[k][..., colours], np.uint16(k)))
            continue
        image1, index1 = pile.pop()
        image0, index0 = pile.pop()
        image, share = fuser.fuse(image0, image1, lambda _: Plan(values), stay=STAY)
        pile.append((image, 0 if share is None else da.where(share >= 0.5, index0, index1)))
    image, index = pile.pop()
    if not isinstance(index, da.Array):
        index = da.full(image.shape[:2], index, np.uint16, chunks=image.chunks[:2])
    return da.concatenate([image, stack[0][..., 3:]], -1) if fuser.layout.alpha else image, index


def _nested(shape: Where, parts: Iterator[da.Array]) -> da.Array:
    """Arrays, put together on leading axes of this shape."""
    return da.stack([_nested(shape[1:], parts) for _ in range(shape[0])]) if shape else next(parts)

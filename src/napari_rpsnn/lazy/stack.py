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
import torch
from dask.base import tokenize
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from napari_rpsnn.engine import borders
from napari_rpsnn.engine.results import Result
from napari_rpsnn.engine.shortage import Made
from napari_rpsnn.engine.stacks.decision import GRID, HALO, windows
from napari_rpsnn.engine.stacks.engine import fuse_window
from napari_rpsnn.engine.stacks.one_plane import settled
from napari_rpsnn.engine.stacks.statistics import PlaneStatistics, StackStatistics
from napari_rpsnn.images.array_part import is_dask
from napari_rpsnn.images.focus_stack import FocusStack
from napari_rpsnn.images.layout import Layout, Window
from napari_rpsnn.images.tiling import Tile, within
from napari_rpsnn.images.validity import (
    NO_PLANE,
    Valid,
    said_back,
)
from napari_rpsnn.lazy.cascade import merged, survey
from napari_rpsnn.lazy.graph import Where, array_of, as_dask, as_promised, grid, numbered, refuse_registration, window
from napari_rpsnn.lazy.heights import heights
from napari_rpsnn.lazy.planes import LazyPlane, alphas_so_far, count_faults, refuse_faults, see
from napari_rpsnn.lazy.stack_windows import StackWindows
from napari_rpsnn.lazy.tasks import Fuser, Recipe
from napari_rpsnn.options import StackOptions

#: Image, index and confidence of a picture.
Decided = tuple[da.Array, da.Array, da.Array]


def lazy_fuse_stack(images: Any, options: StackOptions) -> Result:
    """`fuse_stack` of a dask array, or of planes of which one is, at least; the result's arrays are dask arrays too."""
    refuse_registration(options.register)
    if is_dask(images):
        images = as_promised(images, "images")
    else:
        images = [as_promised(plane, f"images[{k}]") for k, plane in enumerate(images)]
    mask = as_promised(options.mask, "mask")
    stack = FocusStack.of(images, options.axis, options.channel_axis, options.guide_channel, mask=mask)
    whole, *masks = (_as_one(source) for source in (stack.images, *stack.masks))
    stack = replace(stack, images=whole, masks=tuple(masks)).part(options.planes, options.region)
    fuser = Fuser.choose(stack.layout, options)
    slabs = [_fuse(slab, fuser, options) for slab in stack.slabs(options.slab)]
    return slabs[0] if options.slab is None else Result.of_slabs(slabs, stack, da.stack)


def _fuse(stack: FocusStack, fuser: Fuser, options: StackOptions) -> Result:
    """Fuse a stack, or a slab of it."""
    layout = stack.layout
    *pictures, _, _, _ = stack.pictures
    stacks = [[LazyPlane.of(stack, where, k) for k in range(stack.count)] for where in np.ndindex(*pictures)]

    def put_together(parts: Sequence[da.Array]) -> da.Array:
        return _nested(tuple(pictures), iter(parts))

    def image_of(parts: Sequence[da.Array], nowhere: Sequence[da.Array]) -> da.Array:
        alphas = (alphas_so_far(planes, layout)[-1] if layout.alpha else None for planes in stacks)
        image = layout.images(put_together(list(map(layout.with_alpha, parts, alphas))))
        image = image.astype(stack.dtype)  # with its order of bytes
        if not (stack.masked or stack.masks):
            return image
        channels = [
            da.broadcast_to(one[..., None], (*one.shape, 4 if layout.alpha else part.shape[-1]))
            for one, part in zip(nowhere, parts, strict=True)
        ]
        lost = layout.images(put_together(channels))
        return said_back(image, lost, options.mask is not None, layout.alpha, stack.masked, da.ma.masked_array)

    made = fuser.engine.made_by(options)
    if options.method == "regression":
        surveys = dask.compute(*(survey(planes, stack.first, fuser) for planes in stacks))
        ranked = zip(stacks, surveys, strict=True)
        pairs = [merged(*both, options.order, fuser) for both in ranked]
        return Result(image_of(*zip(*pairs, strict=True)), made)
    looked = dask.compute(*(_looked_at(planes, stack.first, fuser) for planes in stacks))
    known = [replace(about, matched=options.match_brightness, prefer=options.prefer) for about in looked]
    for about in known:
        if bordered := about.bordered(stack.first):
            borders.say(bordered, fuser.engine.notes)
    places = StackWindows([[source for plane in planes for source in plane.sources] for planes in stacks])
    decided = [_decided(places, planes, about, fuser) for planes, about in zip(stacks, known, strict=True)]
    fused, index, confidence = (list(arrays) for arrays in zip(*decided, strict=True))
    height: Any = None
    if options.return_height:
        each = zip(stacks, index, known, strict=True)
        found = [heights(places, planes, chosen, about.values, layout) for planes, chosen, about in each]
        origin = options.plane_origin + stack.first * options.plane_spacing
        height = layout.maps(put_together(found)) * np.float32(options.plane_spacing) + np.float32(origin)
    numbers = layout.maps(put_together(index))
    return Result(
        image_of(fused, [one == NO_PLANE for one in index]),
        made,
        index=da.where(numbers == NO_PLANE, numbers, numbers + np.uint16(stack.first)),  # counted in the whole stack
        confidence=layout.maps(put_together(confidence)) if options.return_confidence else None,
        height=height,
    )


def _as_one(source: Any) -> da.Array:
    """A dask array, of planes that were handed in one by one too."""
    planes = getattr(source, "planes", None)
    return as_dask(source if planes is None else da.stack([da.asarray(plane) for plane in planes]), "images")


def _looked_at(planes: Sequence[LazyPlane], first: int, fuser: Fuser) -> Delayed:
    """Statistics of a picture's planes, the number of the first of which is for messages; a plane is a task."""
    layout = fuser.layout
    name = f"rpsnn-look-{tokenize(planes, first, layout, fuser.recipe.key)}"
    rows, columns, _ = planes[0].picture.shape
    whole, alphas = (slice(0, rows), slice(0, columns)), alphas_so_far(planes, layout)
    tasks: dict[Any, Any] = {}
    for k, plane in enumerate(planes):
        before = [window(one, (), whole) for one in alphas[max(k - 1, 0) : k]]
        tasks[name, k] = (partial(_look_at, k=k, layout=layout), plane.window(whole), before)
    tasks[name] = (partial(_settled, first=first), fuser.recipe.key, [(name, k) for k in range(len(planes))])
    needs = [source for plane in planes for source in plane.sources]
    return Delayed(name, HighLevelGraph.from_collections(name, tasks, dependencies=[*needs, *alphas, fuser.recipe]))


def _look_at(
    plane: Sequence[NDArray[Any]], before: Sequence[NDArray[Any]], k: int, layout: Layout
) -> tuple[PlaneStatistics, tuple[int, int]]:
    """Of a plane, and how many of its values are not as they ought to be; `before` is the alpha of those before it."""
    picture, valid = see(plane, layout)
    return PlaneStatistics.of(k, layout.colours(picture), layout, valid), count_faults(picture, valid, before, layout)


def _settled(recipe: Recipe, looked: Sequence[tuple[PlaneStatistics, tuple[int, int]]], first: int) -> StackStatistics:
    for plane, faults in looked:
        refuse_faults([faults], first + plane.number)
    planes = [plane for plane, _ in looked]
    return recipe.run(lambda engine: settled(planes, StackStatistics.of(planes), engine.vote_map))


def _decided(places: StackWindows, planes: Sequence[LazyPlane], known: StackStatistics, fuser: Fuser) -> Decided:
    if len(known.planes) == 2:
        return _merged_two(planes, known, fuser)
    rows, columns, channels = planes[0].colours(fuser.layout).shape
    name = f"rpsnn-decided-{tokenize(planes, known.matched, known.prefer, fuser.layout, fuser.recipe.key)}"
    work = partial(_decide, known=known, layout=fuser.layout, shape=(rows, columns))

    def steps(place: Tile, key: tuple[Any, ...]) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for k in known.planes:
            for i, task in enumerate(planes[k].window(place.read)):
                made[*key, k, i] = task
        parts = [[(*key, k, i) for i in range(len(planes[k].sources))] for k in known.planes]
        return {**made, key: (partial(work, place=place), fuser.recipe.key, parts)}

    tiles = windows(rows, columns, len(known.planes))
    together = places.array(name, tiles, steps, [fuser.recipe], grid(tiles), object)
    parts: list[da.Array] = []
    kinds = ("image", planes[0].picture.dtype, 1), ("index", np.dtype("u2"), 0), ("confidence", np.dtype("f4"), 0)
    for i, (kind, dtype, rest) in enumerate(kinds):
        tasks = {(*key, *(0,) * rest): (getitem, (together.name, *key), i) for key, _ in numbered(tiles)}
        chunks = (*grid(tiles), *((channels,),) * rest)
        parts.append(array_of(f"rpsnn-{kind}", name, tasks, [together], chunks, dtype))
    return parts[0], parts[1], parts[2]


def _decide(
    recipe: Recipe,
    parts: Sequence[Sequence[NDArray[Any]]],
    place: Tile,
    known: StackStatistics,
    layout: Layout,
    shape: tuple[int, int],
) -> tuple[NDArray[Any], NDArray[np.uint16], NDArray[np.float32]]:
    """`fuse_window` of windows that were read of all planes that contribute."""
    planes = {k: see(part, layout) for k, part in zip(known.planes, parts, strict=True)}

    def read(k: int, part: Window) -> tuple[NDArray[Any], Valid]:
        picture, valid = planes[k]
        window = within(part, place.read)
        picture, valid = picture[window], None if valid is None else valid[window]
        return layout.colours(picture), None if valid is None or valid.all() else valid

    def work(device: torch.device, part: Tile) -> Made:
        return fuse_window(read, part, known, layout, shape, device)

    image, index, confidence = recipe.run(lambda engine: engine.composing(work, place, HALO, GRID))
    return image, index, confidence


def _merged_two(planes: Sequence[LazyPlane], known: StackStatistics, fuser: Fuser) -> Decided:
    """As `StackEngine` does it in memory."""
    first, second = known.planes
    pair = planes[first], planes[second]
    image0, image1 = (plane.colours(fuser.layout) for plane in pair)
    valid0, valid1 = (plane.valid(fuser.layout) for plane in pair)
    image, share = fuser.fuse(image0, image1, lambda _: known.plan, valid=(valid0, valid1))
    assert share is not None
    index = da.where(share >= 0.5, np.uint16(first), np.uint16(second))
    return image, da.where(da.isnan(share), np.uint16(NO_PLANE), index), abs(2 * share - 1)


def _nested(shape: Where, parts: Iterator[da.Array]) -> da.Array:
    """Arrays, put together on leading axes of this shape."""
    return da.stack([_nested(shape[1:], parts) for _ in range(shape[0])]) if shape else next(parts)

"""`fuse` on dask arrays: lazy, larger than memory, on threads or on the workers of a cluster.

The one scale of a picture needs a first look at all of it. That look has a graph of its own: with the chunks of the
sources in common, they would all stay in memory until they are fused.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial, reduce
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from numpy.typing import NDArray

from napari_rpsnn.engine.borders import Border, of_one_scene, of_side_windows, say, side_windows
from napari_rpsnn.engine.pairs.plan import Plan
from napari_rpsnn.engine.pairs.statistics import PairStatistics, plan_of
from napari_rpsnn.engine.results import Result
from napari_rpsnn.images.array_like import as_array, as_mask
from napari_rpsnn.images.checks import check_pair
from napari_rpsnn.images.layout import Layout, Window
from napari_rpsnn.images.tiling import one_more, part_size
from napari_rpsnn.images.validity import alpha_of_data, both, is_masked, said_back, split_pair, where_data
from napari_rpsnn.lazy.graph import array_of, as_dask, as_promised, by_picture, clone_graph, refuse_registration, window
from napari_rpsnn.lazy.planes import see
from napari_rpsnn.lazy.tasks import Fuser
from napari_rpsnn.options import FuseOptions


def lazy_fuse(image0: Any, image1: Any, options: FuseOptions) -> Result:
    """`fuse` of two images of which one is a dask array, at least; the result's arrays are dask arrays too."""
    refuse_registration(options.register)
    names = ("image0", "image1")
    image0, image1 = (
        as_promised(as_array(image, name), name) for image, name in zip((image0, image1), names, strict=True)
    )
    mask = None if options.mask is None else as_promised(as_mask(options.mask), "mask")
    a, b, masks = split_pair(image0, image1, mask, options.channel_axis)
    a, b = (as_dask(image, name) for image, name in zip((a, b), names, strict=True))
    check_pair(a, b, names)
    layout = Layout.of(a.shape, options.channel_axis, options.guide_channel)
    fuser = Fuser.choose(layout, options)
    sources = layout.pictures(a), layout.pictures(b)
    there = [reduce(both, (mask != 0 for mask in one), None) for one in masks]
    whole = [None if one is None else layout.pictures(as_dask(one, "mask")) for one in there]
    plans = _plans(sources, whole, layout, names, options.match_brightness)
    colours0, colours1 = (layout.colours(source) for source in sources)
    valid = [where_data(source, layout, mask) for source, mask in zip(sources, whole, strict=True)]
    result, decisions = fuser.fuse(
        colours0, colours1, lambda where: (plans.name, *where), [plans], (valid[0], valid[1])
    )
    if layout.alpha:
        alphas = [alpha_of_data(one, layout, there, da.where) for one, there in zip(sources, valid, strict=True)]
        result = layout.with_alpha(result, da.maximum(*alphas))
    image = layout.images(result).astype(da.asarray(image0).dtype)  # with its order of bytes
    if options.mask is not None or is_masked([image0, image1]):
        some = [da.ones(result.shape[:-1], dtype=bool) if one is None else one for one in valid]
        nowhere = layout.images(da.broadcast_to(~(some[0] | some[1])[..., None], result.shape))
        by_numpy = is_masked([image0, image1])
        image = said_back(image, nowhere, options.mask is not None, layout.alpha, by_numpy, da.ma.masked_array)
    return Result(
        image,
        fuser.engine.made_by(options),
        map=None if decisions is None else layout.maps(decisions),
    )


def _plans(
    images: tuple[da.Array, da.Array],
    masks: Sequence[da.Array | None],
    layout: Layout,
    names: tuple[str, str],
    matched: bool,
) -> da.Array:
    """The `Plan` of each pair of pictures, as the blocks of an array; checks the values on the way."""
    own = [
        [by_picture(clone_graph(one, "napari-rpsnn")) for one in (image, mask) if one is not None]
        for image, mask in zip(images, masks, strict=True)
    ]
    needs = [*own[0], *own[1]]
    first = own[0][0]
    rows, columns = first.shape[-3:-1]
    token = tokenize(needs, layout, names, matched)
    edges = [np.cumsum([0, *chunks]).tolist() for chunks in first.chunks[-3:-1]]
    looked, found, plans = {}, {}, {}
    for where in np.ndindex(*first.shape[:-3]):
        for at in np.ndindex(*first.numblocks[-3:-1]):
            row, column = (slice(edge[i], edge[i + 1]) for edge, i in zip(edges, at, strict=True))
            part = row, column
            windows = [[window(one, where, one_more(part)) for one in sources] for sources in own]
            work = partial(_statistics, layout=layout, part=part, shape=(rows, columns))
            looked[*where, *at] = (work, *windows)
        sides = [[window(one[0], where, side) for side in side_windows(rows, columns)] for one in own]
        found[where] = (partial(_borders, layout=layout), *sides)
    statistics = array_of("rpsnn-statistics", token, looked, needs, first.chunks[:-1], object)
    borders = array_of("rpsnn-borders", token, found, needs, first.chunks[:-3], object)
    for where in np.ndindex(*first.shape[:-3]):
        known = [(statistics.name, *where, *at) for at in np.ndindex(*first.numblocks[-3:-1])]
        plans[where] = (
            partial(_plan, names=names, shape=(rows, columns), matched=matched),
            known,
            (borders.name, *where),
        )
    return array_of("rpsnn-plan", token, plans, [statistics, borders], first.chunks[:-3], object)


def _statistics(
    first: Sequence[NDArray[Any]],
    second: Sequence[NDArray[Any]],
    layout: Layout,
    part: Window,
    shape: tuple[int, int],
) -> PairStatistics:
    start = part[0].start, part[1].start
    return PairStatistics.of(see(first, layout), see(second, layout), layout, part_size(part), shape, start)


def _borders(first: Sequence[NDArray[Any]], second: Sequence[NDArray[Any]], layout: Layout) -> tuple[Border, Border]:
    found = [
        of_side_windows(*(layout.guide_channels(layout.colours(side)) for side in sides)) for sides in (first, second)
    ]
    first_border, second_border = of_one_scene(found)
    return first_border, second_border


def _plan(
    statistics: Sequence[PairStatistics],
    borders: tuple[Border, Border],
    names: tuple[str, str],
    shape: tuple[int, int],
    matched: bool,
) -> Plan:
    plan = plan_of(statistics, names, shape, borders, matched)
    if bordered := plan.bordered(names):  # not known before values are read: whoever computes is told
        warnings.warn(say(bordered, []), stacklevel=1)
    return plan

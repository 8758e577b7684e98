"""`fuse` on dask arrays: lazy, larger than memory, on threads or on the workers of a cluster.

The one scale of a picture needs a first look at all of it. That look has a graph of its own: with the chunks of the
sources in common, they would all stay in memory until they are fused.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from numpy.typing import NDArray

from napari_rpsnn.engine.pairs.statistics import PairStatistics, Plan
from napari_rpsnn.engine.results import Result
from napari_rpsnn.images.array_like import as_array
from napari_rpsnn.images.checks import check_pair
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.lazy.graph import array_of, as_dask, by_picture, clone_graph, refuse_registration
from napari_rpsnn.lazy.tasks import Fuser
from napari_rpsnn.options import FuseOptions


def lazy_fuse(image0: Any, image1: Any, options: FuseOptions) -> Result:
    """`fuse` of two images of which one is a dask array, at least; the result's arrays are dask arrays too."""
    refuse_registration(options.register)
    names = ("image0", "image1")
    a, b = (as_dask(as_array(image, name), name) for name, image in zip(names, (image0, image1), strict=True))
    check_pair(a, b, names)
    layout = Layout.of(a.shape, options.channel_axis, options.guide_channel)
    fuser = Fuser.choose(layout, options)
    sources = layout.pictures(a), layout.pictures(b)
    plans = _plans(*sources, layout, names)
    colours0, colours1 = (layout.colours(source) for source in sources)
    result, decisions = fuser.fuse(colours0, colours1, lambda where: (plans.name, *where), [plans])
    result = layout.with_alpha(result, layout.alpha_of(sources[0]))
    return Result(
        layout.images(result).astype(da.asarray(image0).dtype),  # with its order of bytes
        fuser.engine.made_by(options),
        map=None if decisions is None else layout.maps(decisions),
    )


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

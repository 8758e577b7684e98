"""Fuse a focus stack: validate, run the cascade picture by picture, planes read one at a time."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from napari_rpsnn.engine.results import Preview, Progress, Result, drain
from napari_rpsnn.engine.stages import Stage, of_pictures, steps_of
from napari_rpsnn.images.array_like import as_stack
from napari_rpsnn.images.array_part import is_dask
from napari_rpsnn.images.focus_stack import FocusStack
from napari_rpsnn.images.validity import NO_PLANE, said_back
from napari_rpsnn.options import Method, Order, Precision, Prefer, Registration, StackOptions

if TYPE_CHECKING:
    from napari_rpsnn.engine.pairs.engine import Engine
    from napari_rpsnn.model.weights import ModelLike


def fuse_stack(
    images: ArrayLike | Sequence[ArrayLike],
    *,
    axis: int = 0,
    planes: tuple[int, int] | None = None,
    region: tuple[tuple[int, int], tuple[int, int]] | None = None,
    channel_axis: int | None = None,
    mask: ArrayLike | None = None,
    guide_channel: int | Sequence[int] | None = None,
    method: Method = "decision",
    match_brightness: bool = False,
    order: Order = "cascade",
    register: Registration | None = None,
    return_index: bool = False,
    return_confidence: bool = False,
    return_height: bool = False,
    prefer: Prefer | None = None,
    slab: int | None = None,
    plane_spacing: float = 1.0,
    plane_origin: float = 0.0,
    model: ModelLike = "auto",
    device: str = "auto",
    precision: Precision = "auto",
    tile: int | Literal["auto"] = "auto",
) -> Any:
    """Return the all-in-focus image of a focus stack.

    Parameters
    ----------
    images : array_like, or sequence of array_like
        The stack, of any integer or floating-point dtype, or its planes one by one. Anything with `shape`, `dtype` and
        NumPy's basic indexing will do (memory map, zarr): planes are read one at a time and not kept. Of dask arrays,
        or a sequence of planes of which one is, the results are dask arrays.
    axis : int, optional
        Axis of the planes. Of the other axes, leaving out `channel_axis`, the last two are the picture; those before
        (time, position) are fused picture by picture.
    planes : (int, int) or None, optional
        The first plane to take and the last one, counted from 0: of ``(5, 20)`` plane 20 is taken, too.
    region : ((int, int), (int, int)) or None, optional
        Rows and columns to take, as slices have them: ``((100, 300), (50, 250))`` is ``[100:300, 50:250]`` of every
        plane.
    channel_axis : int or None, optional
        Axis of the colours, counted in the whole stack. Three channels are RGB and are fused together; of four the last
        is alpha. Any other number of channels is fused channel by channel.
    mask : array_like of bool or int, optional
        Nonzero where there is data, of the shape of the stack without `channel_axis`, or one that NumPy broadcasts to
        it: `(rows, columns)` counts for all planes. A mask of `numpy.ma`, which is True where there is *no* data, NaN
        and alpha 0 say the same without it.
    guide_channel : int or sequence of int, optional
        Channel of `channel_axis`, or several whose mean, that decides for all channels.
    method : {"decision", "regression"}, optional
        ``"decision"`` copies each pixel from one of the planes, decided from all of them at once; of two planes alone
        outlines are mixed, as in `fuse`. ``"regression"``, the paper's method, returns the network's values.
    order : {"cascade", "tree"}, optional
        By regression: the paper's cascade, two planes and then the result with the next one, or pairs of planes, then
        pairs of results. The tree keeps a few results more in memory.
    match_brightness : bool, optional
        By decision, bring what is returned to one brightness, too, that of most planes: for a flash, a lamp that
        drifts, or bleaching.
    register : {None, "translation", "similarity", "affine"}, optional
        Align the planes to the middle one first, each to its neighbour. Pixels that a plane has no data for come from
        the others. A warning has the numbers of planes that could not be aligned, and why.
    return_index : bool, optional
        Return the index of the plane that each pixel comes from.
    return_confidence : bool, optional
        Return how sure the decision for that plane is.
    return_height : bool, optional
        Return the height of the surface.
    prefer : {None, "near", "far"}, optional
        Where two depths are right, a twig and the wall behind it, the one to take: ``"near"`` is that of the plane with
        the lower number, ``"far"`` that of the higher one. None: the better one. Of two planes alone it has no effect.
    slab : int or None, optional
        In place of one image of all planes an image of every `slab` neighbouring planes, each beginning ``slab // 2``
        planes after the one before: a stack of fewer, deeper planes.
    plane_spacing : float, optional
        Distance of two planes, in the unit that heights are to have.
    plane_origin : float, optional
        Height of plane 0, in that unit.
    model, device, precision, tile : optional
        As in `fuse`.

    Returns
    -------
    fused : ndarray
        Of the dtype of the planes and their shape, or that of the `region`, without `axis`; with `slab` it is the axis
        of the slabs. So is it of all that follows. Where no plane has data it is NaN, or 0 of integers, and then alpha
        is 0, or, without alpha, with `mask` it is a `numpy.ma.MaskedArray`, as it always is of planes that are.
    index : ndarray of uint16
        Only with `return_index`: counted in the whole stack, whatever `planes` are taken; 65535 where no plane has
        data. Without `channel_axis` where one decision serves all channels.
    confidence : ndarray of float32
        Only with `return_confidence`: from 0, another plane is as probable, to 1; NaN where no plane has data. Of the
        shape of `index`.
    height : ndarray of float32
        Only with `return_height`: the plane's number, interpolated between planes, times `plane_spacing`, plus
        `plane_origin`; NaN where no plane has data. Of the shape of `index`.

    Raises
    ------
    TypeError
        If a plane is no array, or of a boolean, complex or non-numeric dtype or one of more than 64 bits, or
        `mask` of a floating-point one.
    ValueError
        If there are fewer than two planes or more than 65 535, they differ in shape, in dtype or, where they have data,
        in alpha, or hold infinity, or an option is not one of the above.
    FileNotFoundError
        If `model` names no bundled model and no file.
    ModuleNotFoundError
        If `register` is given and SimpleITK is not installed.

    Notes
    -----
    By decision, what each plane shows at four scales is weighed by a small network that knows of the planes together,
    and of no order. Of two planes alone, R-PSNN tells which is in focus, as in `fuse`. For deciding, planes get one
    brightness, a value that no neighbour supports (a hot pixel) is no detail, and borders that an earlier alignment
    left without data (one exact value that reaches in from a side, as far as a straight line) are left to other planes,
    which is said; where no plane has more they stay as they are. The values that are returned are the planes' own. By
    regression, planes are taken in an order that follows from their contents. So the order they are handed in has no
    influence.

    Equal planes and planes of one constant value contribute nothing and cost nothing. Where a specimen has no detail,
    its height is that of the nearest detail.

    Of ``slab=8`` the images lie in the middle of their planes, ``3.5, 7.5, 11.5, …``. Where the last slab does not come
    out even, it has the planes that are left, at least half as many, so that all are equally far apart.

    Planes are read once as a whole, then once or twice window by window, a few times more beside outlines of what lies
    far before or behind something else, and once more for heights: those that take long to read (compressed files, zarr
    with large chunks) are better read into memory first where they fit.

    Of a dask array each plane is computed once at the call, as a whole, because what is decided follows from all of
    them; what is left to do is lazy, and computes the planes once more, window by window, and once for heights. For the
    rest see the notes of `fuse`.

    References
    ----------
    .. [1] L. Jiang, H. Fan, J. Li, C. Tu, "Pseudo-Siamese residual atrous pyramid network for multi-focus image
           fusion", IET Image Processing 15 (2021), :doi:`10.1049/ipr2.12326`

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> from skimage.data import camera
    >>> from napari_rpsnn import fuse_stack
    >>> sharp = camera()[128:256, 192:320]
    >>> planes = np.stack([gaussian_filter(sharp, 2)] * 3)
    >>> for k in range(3):  # each plane is sharp in a strip of its own
    ...     planes[k, :, 43 * k : 43 * (k + 1)] = sharp[:, 43 * k : 43 * (k + 1)]
    >>> fused, index = fuse_stack(planes, return_index=True)
    >>> fused.shape, fused.dtype
    ((128, 128), dtype('uint8'))
    >>> [int(np.median(index[:, 43 * k : 43 * (k + 1)])) for k in range(3)]
    [0, 1, 2]
    """
    options = StackOptions.of(locals())
    images = as_stack(images, "images")
    if is_dask(images) or (isinstance(images, list) and any(map(is_dask, images))):
        from napari_rpsnn.lazy.stack import lazy_fuse_stack

        result = lazy_fuse_stack(images, options)
    else:
        result = drain(iter_fuse_stack(images, options))
    wanted = (return_index, result.index), (return_confidence, result.confidence), (return_height, result.height)
    maps = [made for asked_for, made in wanted if asked_for]
    return (result.image, *maps) if maps else result.image


def iter_fuse_stack(images: Any, options: StackOptions, name: str = "images") -> Generator[Progress, None, Result]:
    """`fuse_stack`, as a generator: yields a `Progress` before the first and after every step, returns a `Result`.

    `name` is what the stack is called in messages.
    """
    whole = as_stack(images, name)
    stack = FocusStack.of(whole, options.axis, options.channel_axis, options.guide_channel, name, options.mask)
    slabs = stack.part(options.planes, options.region).slabs(options.slab)
    from napari_rpsnn.engine.pairs.engine import Engine

    engine = Engine.choose(options)
    stages = [_stages(slab, engine, options) for slab in slabs]
    total, before = sum(map(steps_of, stages)), 0
    yield Progress(0, total, stages=tuple(stage for part in stages for stage in part))
    results = []
    for number, slab in enumerate(slabs):
        # Of several slabs the picture so far belongs to one.
        place = () if options.slab is None else ((slice(None),) * stack.axis + (number,))
        steps = _fuse(slab, engine, options)
        while True:
            try:
                report = next(steps)
            except StopIteration as end:
                results.append(end.value)
                break
            preview = report.preview and replace(report.preview, place=place)
            yield replace(report, done=before + report.done, total=total, preview=preview)
        before += steps_of(stages[number])
    yield Progress(total, total)
    made = results[0] if options.slab is None else Result.of_slabs(results, stack, np.stack)
    return replace(made, made_by=engine.made_by(options))


def _stages(stack: FocusStack, engine: Engine, options: StackOptions) -> tuple[Stage, ...]:
    from napari_rpsnn.engine.stacks.engine import StackEngine

    *pictures, rows, columns, _ = stack.pictures
    return of_pictures(StackEngine.stages(stack.count, rows, columns, engine, options), pictures)


def _fuse(stack: FocusStack, engine: Engine, options: StackOptions) -> Generator[Progress, None, Result]:
    """Fuse the planes of a stack, or of a slab of it, picture by picture."""
    from napari_rpsnn.engine.stacks.engine import Results, StackEngine
    from napari_rpsnn.engine.stacks.planes import Planes

    layout = stack.layout
    result = np.empty(stack.shape, stack.dtype)
    target = layout.pictures(result)
    indices, index_of = layout.new_map(stack.shape, np.uint16)
    heights, height_of = layout.new_map(stack.shape, np.float32) if options.return_height else (None, None)
    certain, confidence_of = layout.new_map(stack.shape, np.float32) if options.return_confidence else (None, None)
    *pictures, rows, columns, _ = target.shape
    steps = steps_of(StackEngine.stages(stack.count, rows, columns, engine, options))
    for number, where in enumerate(np.ndindex(*pictures)):
        maps = (None if made is None else made[where] for made in (confidence_of, height_of))
        work = StackEngine(Planes(stack, where, options.register), engine, options)
        for step, note, running in work.fuse(Results(target[where], index_of[where], *maps)):
            preview = None if running is None else Preview(running, where, layout)
            yield Progress(number * steps + step, 0, note, preview)
    nowhere = layout.images(np.broadcast_to((index_of == NO_PLANE)[..., None], target.shape))
    image = said_back(result, nowhere, options.mask is not None, layout.alpha, stack.masked, np.ma.masked_array)
    indices[indices != NO_PLANE] += np.uint16(stack.first)  # counted in the whole stack
    if heights is not None:
        heights *= np.float32(options.plane_spacing)
        heights += np.float32(options.plane_origin + stack.first * options.plane_spacing)
    index = indices if options.method == "decision" else None
    return Result(image, {}, index=index, confidence=certain, height=heights)

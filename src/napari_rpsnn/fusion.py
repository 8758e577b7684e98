"""Fuse two differently focused images: validate, run the engine picture by picture."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_rpsnn.engine import borders
from napari_rpsnn.engine.borders import of_one_scene, of_side_windows, side_windows
from napari_rpsnn.engine.pairs.plan import Plan, PreparedPicture, Seen, settle
from napari_rpsnn.engine.pairs.statistics import PairStatistics, plan_of
from napari_rpsnn.engine.results import Progress, Result, drain
from napari_rpsnn.engine.stages import of_pictures, steps_of
from napari_rpsnn.images.array_like import as_array, as_mask
from napari_rpsnn.images.array_part import is_dask
from napari_rpsnn.images.checks import check_pair, count_infinite, refuse_infinite
from napari_rpsnn.images.image_view import ImageView
from napari_rpsnn.images.layout import Layout, Window
from napari_rpsnn.images.tiling import one_more, part_size, split_image
from napari_rpsnn.images.validity import is_masked, like_the_rest, said_back, split_pair
from napari_rpsnn.options import FuseOptions, Method, Precision, Registration

if TYPE_CHECKING:
    from napari_rpsnn.model.weights import ModelLike

#: Side in pixels of the windows in which images are looked at before they are fused.
LOOK_PX = 1024


def fuse(
    image0: ArrayLike,
    image1: ArrayLike,
    *,
    channel_axis: int | None = None,
    mask: ArrayLike | None = None,
    guide_channel: int | Sequence[int] | None = None,
    method: Method = "decision",
    match_brightness: bool = False,
    register: Registration | None = None,
    return_map: bool = False,
    model: ModelLike = "auto",
    device: str = "auto",
    precision: Precision = "auto",
    tile: int | Literal["auto"] = "auto",
) -> Any:
    """Return the all-in-focus image of two registered images with different focus.

    Parameters
    ----------
    image0, image1 : array_like of shape `(..., rows, columns)`
        Images of one shape and one dtype, any integer or floating-point one of at most 64 bits; tensors of torch on the
        CPU, too. The last two axes, leaving out
        `channel_axis`, are the picture; axes before them (time, position) are fused picture by picture. If one is a
        dask array, so are the results: nothing is computed before they are asked for.
    channel_axis : int or None, optional
        Axis of the colours. Three channels are RGB and are fused together; of four the last is alpha, which must be
        the same in both images, or 0 for no data, and is kept. Any other number of channels is fused channel by
        channel, as all axes are without `channel_axis`.
    mask : array_like of bool or int, optional
        Nonzero where there is data: that of `image0` and that of `image1`, `(2, ..., rows, columns)` without
        `channel_axis`, or what NumPy broadcasts to it: `(rows, columns)` counts for both. A mask of `numpy.ma`, which
        is True where there is *no* data, NaN and alpha 0 say the same without it.
    guide_channel : int or sequence of int, optional
        Channel of `channel_axis`, or several whose mean, that decides for all channels.
    method : {"decision", "regression"}, optional
        ``"decision"`` takes the sources' own values, from the source that the network's image is nearer to.
        ``"regression"``, the paper's method, returns the network's values.
    match_brightness : bool, optional
        By decision, bring what is returned to one brightness, too, that of both in the mean: a flash, or a lamp that
        drifts. Where a pixel is a source's own, it is then a factor of it, or has an offset.
    register : {None, "translation", "similarity", "affine"}, optional
        Align `image1` to `image0` first. Microscope stacks are usually registered, and alignment interpolates
        intensities, so it is only done when asked for. Pixels that `image1` has no data for come from `image0`. A
        warning tells of images that could not be aligned, and why.
    return_map : bool, optional
        Return the decision map too.
    model : str, path-like or RPSNN, optional
        Name of a bundled model, ``"rpsnn"`` or ``"rpsnn-lite"``, the path of a weights file, or what `load_model`
        returned. ``"auto"`` takes ``"rpsnn"`` on a GPU and ``"rpsnn-lite"`` on a CPU.
    device : str, optional
        ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"cpu"``. ``"auto"`` takes the first there is, in this order.
    precision : {"auto", "float32", "bfloat16", "float16"}, optional
        Of the network's arithmetic. ``"auto"`` takes float16 on GPUs that there are kernels for (NVIDIA's Hopper), with
        an error of about 0.1 % of the signal; else bfloat16, half the time of float32 and an error of about 0.7 %,
        where the hardware has it. ``"float16"`` is for CUDA devices.
    tile : int or "auto", optional
        Side in pixels of the tiles that are computed at a time; it bounds the memory and does not change the
        result beyond rounding.

    Returns
    -------
    fused : ndarray
        Of the shape and dtype of the inputs. Every value lies between those of the two images at its place, or is that
        of the one that has data. Where neither has it is NaN, or 0 of integers, and then alpha is 0, or, without alpha,
        with `mask` it is a `numpy.ma.MaskedArray`, as it always is of images that are.
    map : ndarray of float32
        Only with `return_map`: how much of `image0` is in each pixel, from 0 to 1; NaN where neither has data.
        Without `channel_axis` where one decision serves all channels.

    Raises
    ------
    TypeError
        If an image is no array, or of a boolean, complex or non-numeric dtype or one of more than 64 bits, or `mask`
        of a floating-point one.
    ValueError
        If shapes, dtypes or, where both have data, alpha differ, an image is empty or holds infinity, or an option is
        not one of the above.
    FileNotFoundError
        If `model` names no bundled model and no file.
    ModuleNotFoundError
        If `register` is given and SimpleITK is not installed.

    Notes
    -----
    The images must be registered: R-PSNN compares them pixel by pixel. For the network, each pair of pictures is
    brought to [0, 1] with one scale and one offset for both, so that a constant added to both, or a factor, does the
    same to the result. Grey is three equal channels to it. The brighter picture goes into its first branch, so that the
    order of the two makes no difference unless their means are equal.

    A hot pixel, far beyond all that a neighbour supports, has no part in that scale, and comes from the other picture.
    So do borders that an earlier alignment left without data (one exact value that reaches in from a side, as far as a
    straight line), which is said. By decision, two pictures that plainly differ in brightness are compared at one
    brightness. The values that are returned are the pictures' own.

    By decision, a pixel is one of the sources' own, in its full bit depth, where the decision map is 1 or 0. Between
    them, along outlines and where both sources show the same, they are mixed by it. By regression, values are the
    network's, held between the two sources. Two equal images give back the image.

    Of dask arrays, results are those of arrays in memory, in float32 bit for bit, whatever their chunks. Sources are
    computed twice, first for the range of their values. What cannot be fused because of its values is refused when it
    is computed. With a client of `dask.distributed` its workers do the work; what is "auto" is chosen here and
    now, but the device, if it is "auto" or "cuda", by each worker.

    Images that are no NumPy arrays (memory map, zarr) are read by tile, never as a whole unless `register` is given.

    A result depends on the images, the options, the weights and the device, and on nothing else.

    References
    ----------
    .. [1] L. Jiang, H. Fan, J. Li, C. Tu, "Pseudo-Siamese residual atrous pyramid network for multi-focus image
           fusion", IET Image Processing 15 (2021), :doi:`10.1049/ipr2.12326`

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.ndimage import gaussian_filter
    >>> from skimage.data import camera
    >>> from napari_rpsnn import fuse
    >>> sharp = camera()[128:256, 192:320]
    >>> near, far = sharp.copy(), sharp.copy()
    >>> near[:, 64:] = gaussian_filter(sharp, 2)[:, 64:]
    >>> far[:, :64] = gaussian_filter(sharp, 2)[:, :64]
    >>> fused = fuse(near, far)
    >>> fused.shape, fused.dtype
    ((128, 128), dtype('uint8'))
    >>> error = np.abs(fused.astype(float) - sharp).mean()
    >>> bool(error < np.abs((near.astype(float) + far) / 2 - sharp).mean())
    True
    >>> fused, from_near = fuse(near, far, return_map=True)
    >>> bool(from_near[:, :50].mean() > 0.9), bool(from_near[:, -50:].mean() < 0.1)
    (True, True)
    """
    options = FuseOptions.of(locals())
    if is_dask(image0) or is_dask(image1):
        from napari_rpsnn.lazy.fusion import lazy_fuse

        result = lazy_fuse(image0, image1, options)
    else:
        result = drain(iter_fuse(image0, image1, options))
    return (result.image, result.map) if return_map else result.image


def iter_fuse(
    image0: ArrayLike, image1: ArrayLike, options: FuseOptions, names: tuple[str, str] = ("image0", "image1")
) -> Generator[Progress, None, Result]:
    """`fuse`, as a generator: yields a `Progress` before the first and after every tile, returns a `Result`.

    `names` are what the images are called in messages.
    """
    arrays = as_array(image0, names[0]), as_array(image1, names[1])
    mask = None if options.mask is None else as_mask(options.mask)
    a, b, masks = split_pair(*arrays, mask, options.channel_axis)
    check_pair(a, b, names)
    layout = Layout.of(a.shape, options.channel_axis, options.guide_channel)
    from napari_rpsnn.engine.pairs.engine import Engine

    engine = Engine.choose(options)
    result = np.empty(a.shape, a.dtype)
    decisions, decision_of = layout.new_map(a.shape, np.float32) if options.return_map else (None, None)
    target, nowhere = layout.pictures(result), np.zeros(a.shape, bool)
    nowhere_of = layout.pictures(nowhere)
    *pictures, rows, columns, _ = target.shape
    stages = of_pictures(engine.stages(rows, columns), pictures)
    done, total = 0, steps_of(stages)
    yield Progress(done, total, stages=stages)
    for index in np.ndindex(*pictures):
        # Whatever holds the images (memory map, zarr, dask) is read window by window.
        pair = ImageView(a, layout, index, masks[0]), ImageView(b, layout, index, masks[1])
        if options.register is not None:
            pair, doubt = _registered(*pair, options.register, names)
            if doubt:
                engine.notes.append(doubt)
                yield Progress(done, total, doubt)
        elif len(engine.tiles(rows, columns)) == 1:
            pair = pair[0].loaded(), pair[1].loaded()
        statistics = []
        for place in split_image(rows, columns, LOOK_PX, halo=0):
            more = one_more(place.write)
            parts = pair[0].see(more), pair[1].see(more)
            size = part_size(place.write)
            start = place.write[0].start, place.write[1].start
            statistics.append(PairStatistics.of(*parts, layout, size, (rows, columns), start))
            if layout.alpha:
                alphas = (layout.alpha_of(part)[: size[0], : size[1]] for part, _ in parts)
                layout.alpha_of(target[index])[place.write] = np.maximum(*alphas)
            yield Progress(done, total)
        found = of_one_scene([of_side_windows(*_sides(view, rows, columns)) for view in pair])
        plan = plan_of(statistics, names, (rows, columns), (found[0], found[1]), options.match_brightness)
        if said := plan.bordered(names):
            yield Progress(done, total, borders.say(said, engine.notes))
        decision = None if decision_of is None else decision_of[index]
        colours = layout.colours(target[index])
        for note in engine.fuse(prepared_pair(pair, plan, layout), plan, layout, colours, decision):
            done = min(done + (note is None), total)
            yield Progress(done, total, note)
        for place in split_image(rows, columns, LOOK_PX, halo=0) if plan.prepares else ():
            prepared = plan.prepare(_seen(pair, place.write, layout), layout, place.write, (rows, columns))
            share = None if decision is None else decision[place.write]
            settle(prepared, colours[place.write], share)
            if prepared.nowhere is not None:
                nowhere_of[index][place.write] = prepared.nowhere[..., None]
    by_numpy = is_masked([image0, image1])
    image = said_back(result, nowhere, options.mask is not None, layout.alpha, by_numpy, np.ma.masked_array)
    return Result(image, engine.made_by(options), map=decisions)


def _sides(view: ImageView, rows: int, columns: int) -> Iterator[NDArray[Any]]:
    """What is looked at of the sides of a picture, read piece by piece."""
    for row, column in side_windows(rows, columns):
        axis = int(row.stop - row.start < column.stop - column.start)
        line = (row, column)[axis]
        starts = range(line.start, line.stop, LOOK_PX)
        parts = [slice(start, min(start + LOOK_PX, line.stop)) for start in starts]
        pieces = [view[(row, part) if axis else (part, column)] for part in parts]
        yield view.layout.guide_channels(np.concatenate(pieces, axis))


def _seen(pair: tuple[ImageView, ImageView], window: Window, layout: Layout) -> tuple[Seen, Seen]:
    (picture0, valid0), (picture1, valid1) = pair[0].see(window), pair[1].see(window)
    return (layout.colours(picture0), valid0), (layout.colours(picture1), valid1)


def prepared_pair(pair: tuple[ImageView, ImageView], plan: Plan, layout: Layout) -> tuple[Any, Any]:
    """Both as they are made ready, window by window; as they are, where nothing is made of them."""
    if not plan.prepares:
        return pair

    def see(window: Window) -> tuple[Seen, Seen]:
        return _seen(pair, window, layout)

    return PreparedPicture(see, 0, plan, layout, pair[0]), PreparedPicture(see, 1, plan, layout, pair[1])


def _registered(
    fixed: ImageView, moving: ImageView, kind: str, names: tuple[str, str]
) -> tuple[tuple[ImageView, ImageView], str | None]:
    """Both pictures whole, the colours of the second where they lie on the first: the first where it has no data.

    And a sentence, where they could not be aligned.
    """
    from napari_rpsnn.engine.registration import doubt, estimate, warp

    layout, whole = fixed.layout, moving.loaded()
    pair = fixed.loaded(), replace(whole, images=whole.images.copy())
    (picture0, valid0), (picture1, valid1) = (view.see() for view in pair)
    for picture, valid, name in ((picture0, valid0, names[0]), (picture1, valid1, names[1])):
        refuse_infinite(count_infinite(picture, valid), name)
    colours0, colours1 = layout.colours(picture0), layout.colours(picture1)
    grey0 = layout.grey(like_the_rest(colours0, valid0))
    grey1 = layout.grey(like_the_rest(colours1, valid1))
    matrix = estimate(grey0, grey1, kind)
    warped, inside = warp(colours1, matrix)
    if valid1 is not None:
        # Of what is interpolated, only what has data all around.
        inside &= warp(valid1[..., None].astype(np.float32), matrix)[0][..., 0] > 1 - 1e-6
    moved = pair[1].images
    layout.colours(moved)[...] = warped
    if layout.alpha:
        alpha0, alpha1 = layout.alpha_of(picture0), layout.alpha_of(moved)
        alpha1[...] = np.where(alpha0 == 0, layout.alpha_of(picture1).max(), alpha0) * inside
    said = doubt(grey0, grey1, matrix)
    mask = np.broadcast_to(inside[..., None], moved.shape)
    return (pair[0], replace(pair[1], masks=(mask,))), said and (
        f"register: {names[1]} could not be aligned with {names[0]} ({said})."
    )

"""Fuse two differently focused images: validate, run the engine picture by picture."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from napari_rpsnn.engine.pairs.statistics import PairStatistics, Plan
from napari_rpsnn.engine.results import Progress, Result, drain
from napari_rpsnn.images.array_like import as_array
from napari_rpsnn.images.array_part import is_dask
from napari_rpsnn.images.checks import check_pair, count_infinite, refuse_infinite
from napari_rpsnn.images.image_view import ImageView
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.images.tiling import split_image
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
    guide_channel: int | Sequence[int] | None = None,
    method: Method = "decision",
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
        the same in both images and is kept. Any other number of channels is fused channel by channel, as all axes
        are without `channel_axis`.
    guide_channel : int or sequence of int, optional
        Channel of `channel_axis`, or several whose mean, that decides for all channels.
    method : {"decision", "regression"}, optional
        ``"decision"`` takes the sources' own values, from the source that the network's image is nearer to.
        ``"regression"``, the paper's method, returns the network's values.
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
        Of the shape and dtype of the inputs. Every value lies between those of the two images at its place.
    map : ndarray of float32
        Only with `return_map`: how much of `image0` is in each pixel, from 0 to 1. Without `channel_axis` where one
        decision serves all channels.

    Raises
    ------
    TypeError
        If an image is no array, or of a boolean, complex or non-numeric dtype or one of more than 64 bits.
    ValueError
        If shapes or dtypes differ, an image is empty or holds NaN or infinity, or an option is not one of the above.
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
    a, b = (as_array(image, name) for image, name in zip((image0, image1), names, strict=True))
    check_pair(a, b, names)
    layout = Layout.of(a.shape, options.channel_axis, options.guide_channel)
    from napari_rpsnn.engine.pairs.engine import Engine

    engine = Engine.choose(options)
    result = np.empty(a.shape, a.dtype)
    decisions, decision_of = layout.new_map(a.shape, np.float32) if options.return_map else (None, None)
    target = layout.pictures(result)
    *pictures, rows, columns, _ = target.shape
    total = engine.steps(rows, columns) * int(np.prod(pictures))
    done = 0
    yield Progress(done, total)
    for index in np.ndindex(*pictures):
        # Whatever holds the images (memory map, zarr, dask) is read window by window.
        pair = ImageView(a, layout, index), ImageView(b, layout, index)
        if options.register is not None:
            pair, doubt = _registered(*pair, options.register, names)
            if doubt:
                engine.notes.append(doubt)
                yield Progress(done, total, doubt)
        elif len(engine.tiles(rows, columns)) == 1:
            pair = pair[0].loaded(), pair[1].loaded()
        statistics = []
        for place in split_image(rows, columns, LOOK_PX, halo=0):
            part0, part1 = (view.read(place.write) for view in pair)
            statistics.append(PairStatistics.of(part0, part1, layout))
            if layout.alpha:
                layout.alpha_of(target[index])[place.write] = layout.alpha_of(part0)
            yield Progress(done, total)
        plan = Plan.of(statistics, names)
        decision = None if decision_of is None else decision_of[index]
        for note in engine.fuse(pair, plan, layout, layout.colours(target[index]), decision):
            done = min(done + (note is None), total)
            yield Progress(done, total, note)
    return Result(result, engine.made_by(options), map=decisions)


def _registered(
    fixed: ImageView, moving: ImageView, kind: str, names: tuple[str, str]
) -> tuple[tuple[ImageView, ImageView], str | None]:
    """Both pictures whole, the colours of the second where they lie on the first: the first where it has no data.

    And a sentence, where they could not be aligned.
    """
    from napari_rpsnn.engine.registration import doubt, estimate, warp

    layout, whole = fixed.layout, moving.loaded()
    pair = fixed.loaded(), replace(whole, images=whole.images.copy())
    for view, name in zip(pair, names, strict=True):
        refuse_infinite(count_infinite(view.read()), name)
    colours0, colours1 = (layout.colours(view.read()) for view in pair)
    grey0, grey1 = layout.grey(colours0), layout.grey(colours1)
    matrix = estimate(grey0, grey1, kind)
    warped, valid = warp(colours1, matrix)
    colours1[...] = np.where(valid[..., None], warped, colours0)
    said = doubt(grey0, grey1, matrix)
    return pair, said and f"register: {names[1]} could not be aligned with {names[0]} ({said})."

"""Fuse two differently focused images: validate, run the engine picture by picture."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_rpsnn.engine.pair_statistics import Facts, Plan
from napari_rpsnn.engine.results import Progress, Result, drain
from napari_rpsnn.images.checks import check_finite, check_guide, check_pair
from napari_rpsnn.images.image_view import Picture
from napari_rpsnn.images.layout import WHOLE, Layout
from napari_rpsnn.images.tiling import split_image

if TYPE_CHECKING:
    from napari_rpsnn.model.weights import ModelLike

Method = Literal["decision", "regression"]
Registration = Literal["translation", "similarity", "affine"]

#: Side in pixels of the windows in which images are looked at before they are fused.
FACTS_PX = 1024


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
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    tile: int | Literal["auto"] = "auto",
) -> Any:
    """Return the all-in-focus image of two registered images with different focus.

    Parameters
    ----------
    image0, image1 : array_like of shape `(..., rows, columns)`
        Images of one shape and one dtype, any integer or floating-point one. The last two axes, leaving out
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
        intensities, so it is only done when asked for. Pixels that `image1` has no data for come from `image0`.
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
        If an image is of a boolean, complex or non-numeric dtype.
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
    is computed. With a client of `dask.distributed` its workers do the work; model, precision and tile are chosen here
    and now, the device, if it is "auto" or "cuda", by each worker.

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
    _check_map(return_map, method)
    options: dict[str, Any] = {
        "channel_axis": channel_axis,
        "guide_channel": guide_channel,
        "method": method,
        "register": register,
        "model": model,
        "device": device,
        "precision": precision,
        "tile": tile,
    }
    if is_dask(image0) or is_dask(image1):
        from napari_rpsnn.lazy.fusion import lazy_fuse

        result = lazy_fuse(image0, image1, **options)
    else:
        result = drain(iter_fuse(image0, image1, return_map=return_map, **options))
    return (result.image, result.map) if return_map else result.image


def is_dask(image: Any) -> bool:
    """Whether it is a dask array; dask is not loaded to find out."""
    return type(image).__module__.partition(".")[0] == "dask"


def iter_fuse(
    image0: ArrayLike,
    image1: ArrayLike,
    *,
    channel_axis: int | None = None,
    guide_channel: int | Sequence[int] | None = None,
    method: str = "decision",
    register: str | None = None,
    return_map: bool = False,
    model: ModelLike = "auto",
    device: str = "auto",
    precision: str = "auto",
    tile: int | str = "auto",
) -> Generator[Progress, None, Result]:
    """`fuse`, as a generator: yields a `Progress` before the first and after every tile, returns a `Result`."""
    _check_map(return_map, method)
    a, b = (_as_array(x) for x in (image0, image1))
    names = ("image0", "image1")
    check_pair(a, b, names)
    check_guide(guide_channel, method)
    layout = Layout.of(a.shape, channel_axis, guide_channel)
    for name, image in zip(names, (a, b), strict=True):
        if isinstance(image, np.ndarray):
            check_finite(image, name)
    from napari_rpsnn.engine.pair_engine import Engine

    engine = Engine.choose(model, device, precision, tile, method)
    result = np.empty(a.shape, a.dtype)
    decisions, decision_of = layout.new_map(a.shape, np.float32) if return_map else (None, None)
    target = layout.pictures(result)
    *pictures, rows, columns, _ = target.shape
    total = engine.steps(rows, columns) * int(np.prod(pictures))
    done = 0
    yield Progress(done, total)
    for index in np.ndindex(*pictures):
        # Whatever holds the images (memory map, zarr, dask) is read window by window.
        pair: tuple[Any, Any] = Picture(a, layout, index), Picture(b, layout, index)
        if register is not None:
            pair = _registered(*pair, register, names)
        elif len(engine.tiles(rows, columns)) == 1:
            pair = pair[0][WHOLE], pair[1][WHOLE]
        facts = []
        for place in split_image(rows, columns, FACTS_PX, halo=0):
            part0, part1 = (picture[place.write] for picture in pair)
            facts.append(Facts.of(part0, part1, layout))
            if layout.alpha:
                target[index][place.write][..., 3] = part0[..., 3]
            yield Progress(done, total)
        plan = Plan.of(facts, names)
        first, second = plan.first((_colours(pair[0], layout), _colours(pair[1], layout)))
        decision = None if decision_of is None else decision_of[index]
        fused = _colours(target[index], layout)
        for note in engine.fuse(first, second, plan.values, fused, decision, layout.seen):
            done = min(done + (note is None), total)
            yield Progress(done, total, note)
        if decision is not None and plan.swapped:
            np.subtract(1, decision, out=decision)
    return Result(result, map=decisions)


def _check_map(return_map: bool, method: str) -> None:
    if return_map and method == "regression":
        raise ValueError("return_map: expected method='decision', got 'regression', which decides for no source")


def _as_array(image: Any) -> Any:
    """`image`, if it has the attributes of an array: it may be larger than the memory."""
    return image if hasattr(image, "shape") and hasattr(image, "dtype") else np.asarray(image)


def _colours(picture: Any, layout: Layout) -> Any:
    """A picture without its alpha, if it has one."""
    if isinstance(picture, Picture):
        return picture.colours
    return picture[..., :3] if layout.alpha else picture


def _registered(fixed: Any, moving: Any, kind: str, names: tuple[str, str]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both pictures whole, the colours of the second where they lie on the first: the first where it has no data."""
    from napari_rpsnn.engine.registration import estimate, warp

    layout = fixed.layout
    whole = fixed[WHOLE], moving[WHOLE].copy()
    for picture, name in zip(whole, names, strict=True):
        check_finite(picture, name)
    colours0, colours1 = (_colours(picture, layout) for picture in whole)
    warped, valid = warp(colours1, estimate(layout.grey(colours0), layout.grey(colours1), kind))
    colours1[...] = np.where(valid[..., None], warped, colours0)
    return whole

"""Fuse two differently focused images: validate, run the engine picture by picture, restore the dtype."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_rpsnn.intensity import IntensityRange

if TYPE_CHECKING:
    from napari_rpsnn.weights import ModelLike


@dataclass(frozen=True)
class Progress:
    """A report after every tile: how many of how many are done."""

    done: int
    total: int


def fuse(
    image0: ArrayLike,
    image1: ArrayLike,
    *,
    channel_axis: int | None = None,
    model: ModelLike = "auto",
    device: str = "auto",
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    tile: int | Literal["auto"] = "auto",
) -> NDArray[Any]:
    """Return the all-in-focus image of two registered images with different focus.

    Parameters
    ----------
    image0, image1 : array_like of shape `(..., rows, columns)`
        Images of one shape and one dtype, any integer or floating-point one. The last two axes, leaving out
        `channel_axis`, are the picture; axes before them (time, position) are fused picture by picture.
    channel_axis : int or None, optional
        Axis of the colours. Three channels are RGB and are fused together; of four the last is alpha, which must be
        the same in both images and is kept. Any other number of channels is fused channel by channel, as all axes
        are without `channel_axis`.
    model : str, path-like or RPSNN, optional
        Name of a bundled model, ``"rpsnn"`` or ``"rpsnn-lite"``, the path of a weights file, or what `load_model`
        returned. ``"auto"`` takes ``"rpsnn"`` on a GPU and ``"rpsnn-lite"`` on a CPU.
    device : str, optional
        ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"cpu"``. ``"auto"`` takes the first there is, in this order.
    precision : {"auto", "float32", "bfloat16"}, optional
        Of the arithmetic. ``"auto"`` takes bfloat16, half the time and an error of about 0.7 % of the signal, where
        the hardware has it.
    tile : int or "auto", optional
        Side in pixels of the tiles that are computed at a time; it bounds the memory and does not change the
        result beyond rounding.

    Returns
    -------
    ndarray
        Of the shape and dtype of the inputs. Every value lies between those of the two images at its place.

    Raises
    ------
    TypeError
        If an image is of a boolean, complex or non-numeric dtype.
    ValueError
        If shapes or dtypes differ, an image is empty or holds NaN or infinity, or an option is not one of the above.
    FileNotFoundError
        If `model` names no bundled model and no file.

    Notes
    -----
    The images must be registered: R-PSNN compares them pixel by pixel. Each pair of pictures is brought to [0, 1]
    with one scale and one offset for both, so that a constant added to both, or a factor, does the same to the
    result. A grey picture is fused as three equal channels. The result is a regression: its values are the
    network's, held between the two sources, not copies of source pixels. Two equal images give back the image.

    A result depends on the images, the weights, the device and the precision, and on nothing else.

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
    """
    steps = iter_fuse(
        image0, image1, channel_axis=channel_axis, model=model, device=device, precision=precision, tile=tile
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: NDArray[Any] = end.value
            return result


def iter_fuse(
    image0: ArrayLike,
    image1: ArrayLike,
    *,
    channel_axis: int | None = None,
    model: ModelLike = "auto",
    device: str = "auto",
    precision: str = "auto",
    tile: int | str = "auto",
) -> Generator[Progress, None, NDArray[Any]]:
    """`fuse`, as a generator: yields a `Progress` before the first and after every tile, returns the image."""
    a, b = np.asarray(image0), np.asarray(image1)
    _validate(a, b, channel_axis)

    from napari_rpsnn import inference
    from napari_rpsnn.network import HALO
    from napari_rpsnn.tiling import split_image
    from napari_rpsnn.weights import prepared_model

    chosen = inference.choose_device(device)
    dtype = inference.choose_precision(precision, chosen)
    side = inference.choose_tile(tile, chosen)
    network = prepared_model(inference.choose_model(model, chosen), chosen)

    # Views of the result and the sources: pictures of shape (rows, columns, channels) after any leading axes.
    result = np.empty(a.shape, a.dtype)
    sources0, sources1, target = (_pictures(x, channel_axis) for x in (a, b, result))
    if target.shape[-1] == 4:
        target[..., 3] = sources0[..., 3]
        sources0, sources1, target = (x[..., :3] for x in (sources0, sources1, target))

    *pictures, rows, columns, _ = target.shape
    per_picture = len(split_image(rows, columns, side, HALO))
    total = per_picture * int(np.prod(pictures))
    done = 0
    yield Progress(done, total)
    for index in np.ndindex(*pictures):
        pair = sources0[index], sources1[index]
        fused = target[index]
        values = IntensityRange.of(*pair)
        read = partial(_read_window, *pair, values)
        for place, unit in inference.iter_tiles(network, read, (rows, columns), dtype=dtype, tile=side):
            if fused.shape[-1] == 1:
                unit = unit.mean(-1, keepdims=True)
            # A value that neither source recorded is the network's error: held-out pairs gain by this, all kinds.
            part0, part1 = (picture[place.write] for picture in pair)
            fused[place.write] = np.clip(
                values.from_unit(unit, a.dtype), np.minimum(part0, part1), np.maximum(part0, part1)
            )
            done += 1
            yield Progress(done, total)
    return result


def _read_window(
    image0: NDArray[Any], image1: NDArray[Any], values: IntensityRange, window: tuple[slice, slice]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The window of both pictures as RGB in [0, 1]; grey gives three equal channels."""
    first, second = (values.to_unit(image[window]) for image in (image0, image1))
    return tuple(np.repeat(x, 3, axis=-1) if x.shape[-1] == 1 else x for x in (first, second))  # type: ignore[return-value]


def _pictures(image: NDArray[Any], channel_axis: int | None) -> NDArray[Any]:
    """View of `image` with the shape `(..., rows, columns, channels)`: 1, 3 (RGB) or 4 (RGBA) channels."""
    if channel_axis is None:
        return image[..., None]
    if image.shape[channel_axis] in (3, 4):
        return np.moveaxis(image, channel_axis, -1)
    return np.moveaxis(image, channel_axis, 0)[..., None]


def _validate(image0: NDArray[Any], image1: NDArray[Any], channel_axis: int | None) -> None:
    """Refuse what cannot be fused, naming the argument, what was expected and what was got."""
    for name, image in (("image0", image0), ("image1", image1)):
        if image.dtype.kind not in "iuf":
            raise TypeError(f"{name}: expected an integer or floating-point dtype, got {image.dtype}")
    if image0.shape != image1.shape:
        raise ValueError(f"image0 and image1: expected the same shape, got {image0.shape} and {image1.shape}")
    if image0.dtype.newbyteorder("=") != image1.dtype.newbyteorder("="):
        raise ValueError(f"image0 and image1: expected the same dtype, got {image0.dtype} and {image1.dtype}")
    axes = 2 if channel_axis is None else 3
    if image0.ndim < axes or image0.size == 0:
        raise ValueError(f"image0 and image1: expected at least {axes} axes, none of them empty, got {image0.shape}")
    if channel_axis is not None and not -image0.ndim <= channel_axis < image0.ndim:
        raise ValueError(f"channel_axis: expected an axis of an image of shape {image0.shape}, got {channel_axis}")
    for name, image in (("image0", image0), ("image1", image1)):
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            count = int(image.size - np.isfinite(image).sum())
            raise ValueError(f"{name}: expected finite values, got {count} that are NaN or infinite")
    if channel_axis is not None and image0.shape[channel_axis] == 4:
        alpha0, alpha1 = (x.take(3, axis=channel_axis) for x in (image0, image1))
        if not np.array_equal(alpha0, alpha1):
            raise ValueError(
                f"image0 and image1: of four channels on channel_axis={channel_axis} the last is alpha and must be the "
                f"same in both, got {np.count_nonzero(alpha0 != alpha1)} pixels that differ; to fuse four independent "
                "channels one by one, leave channel_axis=None"
            )

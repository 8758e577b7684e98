"""Alignment of differently focused planes: refocusing shifts and magnifies the picture a little.

SimpleITK (Apache-2.0) does the work: on the intensities themselves it refines translations, similarities and affine
maps, over several resolutions. scikit-image gives the start, its phase correlation; beyond translations it only matches
features, which defocus takes away. pystackreg wraps TurboReg, which comes with licence terms of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.layout import WHOLE, Window

KINDS = ("translation", "similarity", "affine")

# Larger pictures are registered on a copy, reduced until no side is longer: that finds a fraction of a pixel too.
_SIDE = 768
# Standard deviations, in pixels of the copy, between which detail counts: what is finer is noise and the first to be
# lost to defocus; what is coarser is illumination, which stays in its place when the specimen moves.
_FINE, _COARSE = 1, 6
# Resolutions, coarse to fine: every n-th pixel of the copy, smoothed by this standard deviation.
_STEPS, _SMOOTHING = (8, 4, 2, 1), (4, 2, 1, 0)
# Planes that correlate less have too little in common: unrelated pictures of 64 by 64 pixels can be brought to 0.26.
_LEAST_LIKENESS = 0.3
# A plane that shows less of what the middle one shows was led astray, step by step, or has little to give.
_LEAST_OVERLAP = 0.5


def estimate(fixed: NDArray[np.floating], moving: NDArray[np.floating], kind: str) -> NDArray[np.float64]:
    """Return the matrix that tells where `moving` shows what `fixed` shows.

    Parameters
    ----------
    fixed, moving : ndarray of shape `(rows, columns)`
        Grey pictures of one shape, on any scale of intensity. Either may be out of focus, in parts or all over.
    kind : {"translation", "similarity", "affine"}
        What may differ: the place; rotation and magnification as well; or any linear map.

    Returns
    -------
    ndarray of shape (3, 3)
        Maps (row, column, 1) of `fixed` to that of `moving`. It is the identity where nothing better is found: for a
        plane without texture, planes with too little in common, or a map that no refocusing makes.

    Raises
    ------
    ValueError
        If `kind` is not one of the above.
    ModuleNotFoundError
        If SimpleITK is not installed.

    Notes
    -----
    All pixels count, none are drawn, and one thread adds them up: the same planes give the same matrix.
    """
    if kind not in KINDS:
        raise ValueError(f"register: expected None, 'translation', 'similarity' or 'affine', got {kind!r}")
    try:
        import SimpleITK  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"register: expected SimpleITK for {kind!r}, got none; pip install 'napari-rpsnn[register]'"
        ) from error

    stay = np.eye(3)
    step = _step(fixed)
    if _is_small(fixed, step):
        return stay
    detail0, detail1 = _detail(fixed, step), _detail(moving, step)
    if not (detail0.any() and detail1.any()):
        return stay
    start = max(stay, _best_shift(detail0, detail1), key=lambda matrix: _likeness(detail0, detail1, matrix))
    try:
        found = _refine(detail0, detail1, start, kind)
    except RuntimeError:  # ITK's word for planes that are too small or have lost each other
        return stay
    least = max(_LEAST_LIKENESS, _likeness(detail0, detail1, stay))
    if not (_is_plausible(found, detail0.shape) and _likeness(detail0, detail1, found) > least):
        return stay
    matrix: NDArray[np.float64] = _to_picture(step) @ found @ np.linalg.inv(_to_picture(step))
    return matrix


def shift_between(fixed: NDArray[np.floating], moving: NDArray[np.floating]) -> tuple[float, float]:
    """Return by how many rows and columns `moving` lies away from `fixed`, to a pixel; 0 where nothing is sure."""
    step = _step(fixed)
    detail0, detail1 = _detail(fixed, step), _detail(moving, step)
    if _is_small(fixed, step) or not (detail0.any() and detail1.any()):
        return 0.0, 0.0
    found = _best_shift(detail0, detail1)
    # Defocus alone moves the best place of a few planes by a pixel or two, and gains nearly nothing by it.
    least = max(_LEAST_LIKENESS, _likeness(detail0, detail1, np.eye(3)) + 0.05)
    if not (_is_plausible(found, detail0.shape) and _likeness(detail0, detail1, found) > least):
        return 0.0, 0.0
    return float(found[0, 2]) * step, float(found[1, 2]) * step


def doubt(fixed: NDArray[np.floating], moving: NDArray[np.floating], matrix: NDArray[np.float64]) -> str | None:
    """What speaks against planes being aligned by `matrix`, as `estimate` returned it; None: nothing.

    Where nothing was found planes stay as they lie. That is right of planes that lie together, and told of all others.
    """
    step = _step(fixed)
    if _is_small(fixed, step):
        return f"{fixed.shape[0]}x{fixed.shape[1]} pixels are too few"
    detail0, detail1 = _detail(fixed, step), _detail(moving, step)
    if not (detail0.any() and detail1.any()):
        return "no detail"
    likeness = _likeness(detail0, detail1, np.linalg.inv(_to_picture(step)) @ matrix @ _to_picture(step))
    if likeness >= _LEAST_LIKENESS:
        return None
    return f"correlation {likeness:.2f}, expected {_LEAST_LIKENESS} or more"


def doubt_overlap(matrix: NDArray[np.float64], shape: tuple[int, ...]) -> str | None:
    """What speaks against a plane of this shape being where `matrix` sees it; None: nothing."""
    rows, columns = shape
    places = matrix @ np.stack([*np.mgrid[: rows - 1 : 64j, : columns - 1 : 64j], np.ones((64, 64))]).reshape(3, -1)
    last = np.array([rows, columns])[:, None] - 1
    share = float(np.all((places[:2] > -0.5) & (places[:2] < last + 0.5), axis=0).mean())
    return None if share >= _LEAST_OVERLAP else f"overlap {share:.0%}, expected {_LEAST_OVERLAP:.0%} or more"


def warp(
    image: NDArray[Any], matrix: NDArray[np.float64], window: Window = WHOLE
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Sample `image` at the places that `matrix` gives, or a window of the result.

    Parameters
    ----------
    image : ndarray of shape `(rows, columns, channels)`
        Of any integer or floating-point dtype.
    matrix : ndarray of shape (3, 3)
        Maps (row, column, 1) of the result to that of `image`, as `estimate` returns it.
    window : tuple of slice, optional
        Rows and columns of the result.

    Returns
    -------
    warped : ndarray
        Of the shape, or that of the window, and the dtype of `image`, interpolated linearly, so that nothing
        overshoots. Shifts by whole pixels are copies.
    inside : ndarray of bool, of shape `(rows, columns)`
        Where `image` has data; elsewhere `warped` repeats its edge.
    """
    from scipy import ndimage as ndi

    rows, columns = image.shape[:2]
    linear, offset = matrix[:2, :2], matrix[:2, 2]
    ends = (slice(*axis.indices(length)) for axis, length in zip(window, (rows, columns), strict=True))
    places = np.tensordot(linear, np.mgrid[tuple(ends)], 1) + offset[:, None, None]
    last = np.array([rows - 1, columns - 1])[:, None, None]
    # The border itself is inside, whatever rounding says.
    inside: NDArray[np.bool_] = np.all((places > -1e-6) & (places < last + 1e-6), axis=0)
    if np.array_equal(linear, np.eye(2)) and np.array_equal(offset, np.rint(offset)):
        # Exact for integers too that float64 cannot hold.
        row, column = np.clip(places, 0, last).astype(np.intp)
        return image[row, column], inside
    warped = np.empty((*inside.shape, image.shape[2]), image.dtype)
    for channel in range(image.shape[2]):
        values = ndi.map_coordinates(image[..., channel].astype(np.float64), places, order=1, mode="nearest")
        if image.dtype.kind != "f":
            # The greatest 64-bit integers round up to a float64 that their type cannot hold.
            limits = np.iinfo(image.dtype)
            values = np.rint(np.clip(values, limits.min, np.nextafter(np.float64(limits.max), 0)))
        warped[..., channel] = values
    return warped, inside


def _step(picture: NDArray[np.floating]) -> int:
    """By how much a picture is reduced."""
    return -(-int(max(picture.shape)) // _SIDE)


def _is_small(picture: NDArray[np.floating], step: int) -> bool:
    return int(min(picture.shape)) // step < _STEPS[0]


def _to_picture(step: int) -> NDArray[np.float64]:
    """Pixel n of the copy has its centre at step * n + (step - 1) / 2 of the picture."""
    return np.array([[step, 0, (step - 1) / 2], [0, step, (step - 1) / 2], [0, 0, 1]])


def _detail(picture: NDArray[np.floating], step: int) -> NDArray[np.float32]:
    """The detail that counts of `picture`, reduced by `step`, with a standard deviation of 1; zeros if it has none."""
    from scipy import ndimage as ndi

    rows, columns = (length // step for length in picture.shape)
    blocks = picture[: rows * step, : columns * step].astype(np.float64).reshape(rows, step, columns, step)
    copy = blocks.mean((1, 3))
    # In a scale of its own: squares of what is beyond 1e154 are infinite, and beside a large offset detail is small.
    least, largest = copy.min(), np.abs(copy).max()
    if np.ptp(copy) <= 1e-14 * largest:
        return np.zeros(copy.shape, np.float32)
    copy = (copy - least) / np.ptp(copy)
    detail = ndi.gaussian_filter(copy, _FINE) - ndi.gaussian_filter(copy, _COARSE)
    spread = detail.std()
    # A constant leaves rounding errors, far below what float32 can record.
    if spread <= 1e-10:
        return np.zeros(copy.shape, np.float32)
    scaled: NDArray[np.float32] = (detail / spread).astype(np.float32)
    return scaled


def _likeness(fixed: NDArray[np.float32], moving: NDArray[np.float32], matrix: NDArray[np.float64]) -> float:
    """Correlation coefficient of `fixed` and what `matrix` finds in `moving`; -1 where they do not overlap."""
    warped, inside = warp(moving[..., None], matrix)
    if not inside.any():
        return -1.0
    first, second = (x[inside].astype(np.float64) for x in (fixed, warped[..., 0]))
    first, second = first - first.mean(), second - second.mean()
    norm = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / norm) if norm > 0 else -1.0


def _best_shift(fixed: NDArray[np.float32], moving: NDArray[np.float32]) -> NDArray[np.float64]:
    """The translation by whole pixels with the greatest cross-correlation."""
    from skimage.registration import phase_cross_correlation

    # Without a window the borders correlate, which do not move. Phases alone would count blurred frequencies fully.
    window = np.outer(*(np.hanning(length) for length in fixed.shape))
    shift, _, _ = phase_cross_correlation(fixed * window, moving * window, normalization=None)
    matrix = np.eye(3)
    matrix[:2, 2] -= shift
    return matrix


def _refine(
    fixed: NDArray[np.float32], moving: NDArray[np.float32], start: NDArray[np.float64], kind: str
) -> NDArray[np.float64]:
    """The map of this kind, near the translation `start`, with the greatest correlation."""
    import SimpleITK as sitk  # noqa: N813

    # ITK bounds the steps of all parameters together. Lengths from the centre, in units of their root mean square over
    # the picture, make a step of magnification or rotation move as much as the same step of translation.
    centre = (np.array(fixed.shape) - 1) / 2
    unit = np.hypot(*fixed.shape) / np.sqrt(12)
    # Near the borders detail depends on what is beyond them.
    inner = np.zeros(fixed.shape, np.uint8)
    inner[_COARSE:-_COARSE, _COARSE:-_COARSE] = 1
    planes = [sitk.GetImageFromArray(plane) for plane in (fixed, moving, inner)]
    for plane in planes:
        plane.SetSpacing([1 / unit, 1 / unit])
        plane.SetOrigin((-centre[::-1] / unit).tolist())  # ITK's order is (x, y): the column first
    shift = (start[1::-1, 2] / unit).tolist()
    if kind == "translation":
        transform = sitk.TranslationTransform(2, shift)
    else:
        transform = sitk.Similarity2DTransform() if kind == "similarity" else sitk.AffineTransform(2)
        transform.SetTranslation(shift)
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfWorkUnits(1)
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetMetricFixedMask(planes[2])
    method.SetMetricMovingMask(planes[2])
    method.SetInterpolator(sitk.sitkLinear)
    method.SetShrinkFactorsPerLevel(_STEPS)
    method.SetSmoothingSigmasPerLevel(_SMOOTHING)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    # Steps from 1 pixel down to 0.01. The default tolerance of the gradient would end far from the optimum.
    method.SetOptimizerAsRegularStepGradientDescent(
        1 / unit, 0.01 / unit, numberOfIterations=100, relaxationFactor=0.7, gradientMagnitudeTolerance=1e-9
    )
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(*planes[:2])
    offset, row, column = (np.array(transform.TransformPoint(p)[::-1]) for p in ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0)))
    matrix = np.eye(3)
    matrix[:2, :2] = np.stack([row - offset, column - offset], axis=1)
    matrix[:2, 2] = centre - matrix[:2, :2] @ centre + unit * offset
    return matrix


def _is_plausible(matrix: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    """Whether refocusing may do this: magnify by 0.8 to 1.25 and move no corner by more than a quarter of the size."""
    if not np.isfinite(matrix).all():
        return False
    scales = np.linalg.svd(matrix[:2, :2], compute_uv=False)
    rows, columns = shape
    corners = np.array([[0, 0, rows - 1, rows - 1], [0, columns - 1, 0, columns - 1], [1, 1, 1, 1]])
    moved = np.hypot(*((matrix - np.eye(3)) @ corners)[:2])
    return bool(scales.min() >= 0.8 and scales.max() <= 1.25 and moved.max() <= max(shape) / 4)

"""Models of what an eye sees: Q_CB, VIFF."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.fft import fft2, fftfreq, ifft2

from napari_rpsnn.metrics.filters import detail_around, divide, gaussian, likeness, smooth, smooth_inside, two_strongest
from napari_rpsnn.metrics.greys import Grey, check_size, checked_together

#: Noise of the eye in VIFF, and a variance that is none.
_EYE, _NONE = 0.005 * 255 * 255, 1e-10
#: How much each of VIFF's four scales counts.
_SCALES = (1 / 2.15, 0.0, 0.15 / 2.15, 1 / 2.15)


def q_cb(sources: Sequence[ArrayLike], fused: ArrayLike) -> float:
    """Return Q_CB: how much of the contrast that an eye sees is kept.

    Range: from 0 to 1. Larger is better. [1]_

    What fools it: Little. Neither noise, sharpening nor an unfused source scores more than the truth. Copies of the
    sharper source do, barely, where along outlines neither source is sharp.

    Parameters
    ----------
    sources : sequence of array_like of shape `(rows, columns)`
        Two or more grey images, values from 0 to 255.
    fused : array_like of shape `(rows, columns)`

    Raises
    ------
    TypeError, ValueError
        If an image is not such an array, or shapes differ.

    Notes
    -----
    The paper has two sources, which count at each pixel by their squared contrast. Of more, the two count whose edges
    around it are strongest. Each image is stretched to whole numbers from 0 to 255 first, as in the toolbox that
    published figures come from: so one very bright pixel changes the figure.

    References
    ----------
    .. [1] Y. Chen, R. Blum, "A new automated quality assessment algorithm for image fusion", Image and Vision
           Computing 27 (2009), :doi:`10.1016/j.imavis.2007.12.002`

    Examples
    --------
    >>> from skimage.data import camera
    >>> picture = camera()[:64, :64]
    >>> round(q_cb([picture, picture], picture), 6)
    1.0
    """
    pictures, image = checked_together(sources, fused)
    contrast_f = _masked_contrast(image)
    (_, contrast0), (_, contrast1) = two_strongest((detail_around(x), _masked_contrast(x)) for x in pictures)
    share = divide(contrast0**2, contrast0**2 + contrast1**2, 0.5)
    kept = share * likeness(contrast0, contrast_f) + (1 - share) * likeness(contrast1, contrast_f)
    return float(kept.mean())


def viff(sources: Sequence[ArrayLike], fused: ArrayLike) -> float:
    """Return VIFF: how much of what an eye learns from the sources it can learn from the fused image, at four scales.

    Range: from 0 up; 1 for equality with equal sources, more where contrast is enhanced. Larger is better. [1]_

    What fools it: Sharpening, and bands of detail mixed from both sources, score more than the truth: enhanced
    contrast is information.

    Parameters
    ----------
    sources : sequence of array_like of shape `(rows, columns)`
        Two or more grey images, values from 0 to 255.
    fused : array_like of shape `(rows, columns)`
        Of at least 41x41 pixels.

    Raises
    ------
    TypeError, ValueError
        If an image is not such an array, or shapes differ.

    Notes
    -----
    At each pixel the source is taken of which the fused image is the weakest copy.

    References
    ----------
    .. [1] Y. Han, Y. Cai, Y. Cao, X. Xu, "A new image fusion performance metric based on visual information fidelity",
           Information Fusion 14 (2013), :doi:`10.1016/j.inffus.2011.08.002`

    Examples
    --------
    >>> from skimage.data import camera
    >>> picture = camera()[:64, :64]
    >>> round(viff([picture, picture], picture), 6)
    1.0
    """
    pictures, image = checked_together(sources, fused)
    check_size(image, 41)
    total = 0.0
    for scale, weight in enumerate(_SCALES):
        size = 2 ** (4 - scale) + 1
        window = gaussian(size, size / 5)
        if scale:
            *pictures, image = (smooth_inside(x, window)[::2, ::2] for x in (*pictures, image))
        if weight:
            learnt, there = _information(pictures, image, window)
            total += weight * (learnt + 1e-7).sum() / (there + 1e-7).sum()
    return float(total)


def _masked_contrast(image: Grey) -> Grey:
    """Contrast as an eye has it that is less sensitive where there is more of it."""
    low, high = image.min(), image.max()
    stretched = np.floor((image - low) / (high - low) * 255 + 0.5) if high > low else image
    rows, columns = image.shape
    square = (2 * fftfreq(columns) * columns / 30) ** 2 + ((2 * fftfreq(rows) * rows / 30) ** 2)[:, None]
    seen = np.exp(-square / 15.3870**2) - 0.7622 * np.exp(-square / 1.3456**2)
    filtered: Grey = ifft2(fft2(stretched) * seen).real
    places = np.arange(-15, 16.0)
    # The factor is the authors', one axis' for both; it is the same above and below but for sigma.
    fine, coarse = (
        smooth(filtered, np.exp(-(places**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)) for sigma in (2.0, 4.0)
    )
    contrast = np.abs(divide(fine, coarse, 1.0) - 1)
    masked: Grey = contrast**3 / (contrast**2 + 1e-4)
    return masked


def _information(pictures: Sequence[Grey], image: Grey, window: Grey) -> tuple[Grey, Grey]:
    """What is learnt from the fused image, and what is there to learn, of the source with the smallest gain."""
    mean_f = smooth_inside(image, window)
    variance_f = np.maximum(smooth_inside(image**2, window) - mean_f**2, 0)
    smallest = np.full(mean_f.shape, np.inf)
    learnt, there = np.zeros_like(mean_f), np.zeros_like(mean_f)
    for picture in pictures:
        mean = smooth_inside(picture, window)
        variance = np.maximum(smooth_inside(picture**2, window) - mean**2, 0)
        covariance = smooth_inside(picture * image, window) - mean * mean_f
        gain = covariance / (variance + _NONE)
        gain = np.where((variance < _NONE) | (variance_f < _NONE), 0, gain)
        variance = np.where(variance < _NONE, 0, variance)
        rest = np.where(gain <= 0, variance_f, variance_f - gain * covariance)
        rest = np.where(variance_f < _NONE, 0, rest).clip(_NONE)
        gain = gain.clip(0)
        told = np.log10(1 + variance / _EYE)
        here = (gain < smallest) | ((gain == smallest) & (told > there))  # the order of the sources has no influence
        smallest = np.where(here, gain, smallest)
        learnt = np.where(here, np.log10(1 + gain**2 * variance / (rest + _EYE)), learnt)
        there = np.where(here, told, there)
    return learnt, there

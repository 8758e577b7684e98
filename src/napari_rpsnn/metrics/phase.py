"""How much of the sources' features is kept, whatever their contrast: Q_P, by phase congruency.

A feature is where the waves that make an image are in phase. Log-Gabor filters of 4 scales and 6 directions take an
image apart into such waves (P. Kovesi, "Image features from phase congruency", Videre 1 (1999); the moments and all
constants as in his phasecong3). In each direction, congruency is the energy of the sum of all scales' responses beyond
what noise has, over the sum of their amplitudes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import fft2, fftfreq, ifft2, ifftshift

from napari_rpsnn.metrics.filters import divide, gaussian, smooth
from napari_rpsnn.metrics.greys import Grey, checked_together

_SCALES, _DIRECTIONS = 4, 6
#: Length of the finest waves; how many times longer those of each further scale are; bandwidths of a scale and a
#: direction.
_WAVELENGTH_PX, _LONGER, _BAND, _WIDTH = 3.0, 2.1, 0.55, np.pi / _DIRECTIONS / 1.2
#: Energy that noise has, in deviations above its mean; how many scales must respond, and how sharp that bound is.
_NOISE, _SPREAD, _SHARP = 2.0, 0.5, 10.0
_NONE = 1e-4
#: Congruency above which there is a feature.
_FEATURE = 0.1
_WINDOW = gaussian(11, 1.5)


def q_p(sources: Sequence[ArrayLike], fused: ArrayLike) -> float:
    """Return Q_P: how much of the sources' features is kept, by phase congruency, whatever their contrast.

    Range: from about 0 to 1; equality with equal sources is a little less than 1. Larger is better. [1]_

    What fools it: Copies of the sharper source score more than the truth, and so does, on half of the pictures, an
    unfused source: phase does not see contrast.

    Parameters
    ----------
    sources : sequence of array_like of shape `(rows, columns)`
        Two grey images, values from 0 to 255: of a stack, most of whose planes are blurred, blur would be right.
    fused : array_like of shape `(rows, columns)`

    Raises
    ------
    TypeError, ValueError
        If an image is not such an array, shapes differ, or there are not two sources.

    Notes
    -----
    Of congruency and of its largest and smallest moment, the correlation with the best of each source and of the
    strongest source at every pixel is taken; the product of the three is returned.

    References
    ----------
    .. [1] J. Zhao, R. Laganière, Z. Liu, "Performance assessment of combinative pixel-level image fusion based on an
           absolute feature measurement", International Journal of Innovative Computing, Information and Control 3
           (2007)

    Examples
    --------
    >>> from skimage.data import camera
    >>> picture = camera()[:64, :64]
    >>> 0.9 < q_p([picture, picture], picture) <= 1
    True
    """
    if len(sources) != 2:
        raise ValueError(f"sources: expected 2 images, for which alone Q_P is defined, got {len(sources)}")
    pictures, image = checked_together(sources, fused)
    found = [_features(picture.tobytes(), picture.shape) for picture in pictures]
    made = _features(image.tobytes(), image.shape)
    congruency = np.stack([features[0] for features in found])
    strongest = congruency[::-1].argmax(0)[None]  # of equal ones the last, as in the toolbox
    masks = [*(congruency > _FEATURE), (congruency > _FEATURE).any(0)]
    area = masks[-1].sum()
    if area == 0:  # nothing is there: right if nothing was made up
        return 0.0 if (made[0] > _FEATURE).any() else 1.0
    product = 1.0
    for kind, got in enumerate(made):
        maps = np.stack([features[kind] for features in found])
        composed = np.take_along_axis(maps[::-1], strongest, 0)[0]
        best = np.full(image.shape, -np.inf)
        for there, mask in zip((*maps, composed), masks, strict=True):
            best = np.maximum(best, np.where(mask, _correlation(there * mask, got), 0.0))
        product *= best[masks[-1]].sum() / area
    return float(product)


def _correlation(one: Grey, other: Grey) -> Grey:
    """In windows around every pixel."""
    mean0, mean1 = smooth(one, _WINDOW), smooth(other, _WINDOW)
    variance0, variance1 = smooth(one**2, _WINDOW) - mean0**2, smooth(other**2, _WINDOW) - mean1**2
    covariance = smooth(one * other, _WINDOW) - mean0 * mean1
    correlation: Grey = (covariance + 1e-4) / (np.sqrt(np.abs(variance0 * variance1)) + 1e-4)
    return correlation


# Several results are compared with the same sources: those are taken apart once.
@lru_cache(maxsize=8)
def _features(values: bytes, shape: tuple[int, int]) -> tuple[Grey, Grey, Grey]:
    """Phase congruency of an image, and its largest and smallest moment."""
    spectrum = fft2(np.frombuffer(values).reshape(shape))
    energy, amplitude = np.zeros(shape), np.zeros(shape)
    xx, yy, xy = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for direction, (filters, finest, power) in enumerate(_filters(shape)):
        waves = ifft2(spectrum * filters)
        amplitudes = np.abs(waves)
        together, largest = amplitudes.sum(0), amplitudes.max(0)
        mean = waves.sum(0)
        along = waves * np.conj(mean / (np.abs(mean) + _NONE))
        here = (along.real - np.abs(along.imag)).sum(0)
        # Of noise, which is told by the finest scale: the median of its energy is that of a Rayleigh distribution.
        noise = -np.median(amplitudes[0] ** 2) / np.log(0.5) / finest * power / 2
        bound = (np.sqrt(noise * np.pi / 2) + _NOISE * np.sqrt((2 - np.pi / 2) * noise)) / 1.7
        spread = together / (largest + _NONE) / _SCALES
        here = np.maximum(here - bound, 0) / (1 + np.exp((_SPREAD - spread) * _SHARP))
        energy, amplitude = energy + here, amplitude + together
        congruency, angle = divide(here, together, 0.0), direction * np.pi / _DIRECTIONS
        x, y = congruency * np.cos(angle), congruency * np.sin(angle)
        xx, yy, xy = xx + x * x, yy + y * y, xy + x * y
    xx, yy, xy = 2 * xx / _DIRECTIONS, 2 * yy / _DIRECTIONS, xy / _DIRECTIONS
    apart = np.sqrt(xy**2 + (xx - yy) ** 2) + _NONE
    return energy / (amplitude + _NONE), (xx + yy + apart) / 2, (xx + yy - apart) / 2


@lru_cache(maxsize=2)
def _filters(shape: tuple[int, int]) -> list[tuple[NDArray[np.float64], float, float]]:
    """For each direction: filters of all scales, the energy of the finest, and what noise has of all together."""
    # For odd lengths the frequencies are those of phasecong3, a little less than the true ones.
    down, across = (_frequencies(n) for n in shape)
    length = np.hypot(down[:, None], across)
    angle = np.arctan2(-down[:, None], across)
    low = 1 / (1 + (length / 0.45) ** 30)
    length[0, 0] = 1
    wavelengths = _WAVELENGTH_PX * _LONGER ** np.arange(_SCALES)
    scales = np.exp(-(np.log(length * wavelengths[:, None, None]) ** 2) / (2 * np.log(_BAND) ** 2)) * low
    scales[:, 0, 0] = 0
    made = []
    for direction in range(_DIRECTIONS):
        turned = angle - direction * np.pi / _DIRECTIONS
        away = np.abs(np.arctan2(np.sin(turned), np.cos(turned)))
        filters = scales * np.exp(-(away**2) / (2 * _WIDTH**2))
        kernels = ifft2(filters).real * np.sqrt(shape[0] * shape[1])
        alone, together = (kernels**2).sum(), (kernels.sum(0) ** 2).sum()
        made.append((filters, float((filters[0] ** 2).sum()), float(2 * alone + 2 * (together - alone))))
    return made


def _frequencies(count: int) -> NDArray[np.float64]:
    if count % 2 == 0:
        return np.asarray(fftfreq(count))
    return np.asarray(ifftshift(np.arange(-(count // 2), count // 2 + 1) / max(count - 1, 1)))

"""Three measures of a fused image without a truth: from the two sources alone, each larger for a better image.

They are the three that agree best with a known truth, which does not mean that they agree with it: `quality.py` shows
what they say of the truth itself. All take 8-bit grey pictures (`to_grey`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft2, fftfreq, ifft2
from scipy.ndimage import correlate1d, uniform_filter

Picture = NDArray[np.float64]


def to_grey(image: NDArray[np.uint8]) -> Picture:
    """Grey of RGB by Rec. 601, rounded to 8 bits."""
    return np.rint(image[..., :3] @ (0.2989, 0.5870, 0.1140)) if image.ndim == 3 else image.astype(float)


def q_g(source0: Picture, source1: Picture, fused: Picture) -> float:
    """How much of the sources' gradients is kept (C. Xydeas, V. Petrovic, Electronics Letters 36, 2000)."""
    strength_f, angle_f = _sobel(fused)
    kept, total = 0.0, 0.0
    for source in (source0, source1):
        strength, angle = _sobel(source)
        likeness = 1 - np.abs(angle - angle_f) * 2 / np.pi
        quality = 0.9994 / (1 + np.exp(-15 * (_ratio(strength, strength_f) - 0.5)))
        quality *= 0.9879 / (1 + np.exp(-22 * (likeness - 0.8)))
        weight = np.maximum(strength, 1e-5)
        kept, total = kept + (quality * weight).sum(), total + weight.sum()
    return kept / total


def q_e(source0: Picture, source1: Picture, fused: Picture) -> float:
    """Likeness of pictures times likeness of edges, each in windows (G. Piella, H. Heijmans, ICIP 2003)."""
    pictures = source0, source1, fused
    edges = [np.hypot(*_gradients(picture, (1, 1, 1))) for picture in pictures]
    return _likeness(*pictures) * _likeness(*edges)


def q_cb(source0: Picture, source1: Picture, fused: Picture) -> float:
    """How much of the contrast that an eye sees is kept (Y. Chen, R. Blum, Image and Vision Computing 27, 2009)."""
    contrast0, contrast1, contrast = (_masked_contrast(picture) for picture in (source0, source1, fused))
    square0, square1 = contrast0**2, contrast1**2
    share = np.divide(square0, square0 + square1, out=np.full_like(square0, 0.5), where=square0 + square1 > 0)
    return float((share * _ratio(contrast0, contrast) + (1 - share) * _ratio(contrast1, contrast)).mean())


def _gradients(picture: Picture, smooth: tuple[int, int, int]) -> tuple[Picture, Picture]:
    """Across columns and down rows; the picture is surrounded by zeros."""
    rise = (-1, 0, 1)
    across, down = (
        correlate1d(correlate1d(picture, rise, axis, mode="constant"), smooth, 1 - axis, mode="constant")
        for axis in (1, 0)
    )
    return across, down


def _sobel(picture: Picture) -> tuple[Picture, Picture]:
    across, down = _gradients(picture, (1, 2, 1))
    return np.hypot(across, down), np.arctan(down / np.where(across == 0, 1e-5, across))


def _ratio(x: Picture, y: Picture) -> Picture:
    """The smaller of both over the larger."""
    larger = np.maximum(x, y)
    ratio: Picture = np.divide(np.minimum(x, y), larger, out=np.ones_like(larger), where=larger > 0)
    return ratio


def _likeness(source0: Picture, source1: Picture, fused: Picture) -> float:
    """Structural similarity to the sources in 8x8 windows, by their variance."""
    inside = np.s_[4:-3, 4:-3]

    def mean(picture: Picture) -> Picture:
        windows: Picture = uniform_filter(picture, 8, mode="constant")[inside]
        return windows

    def similarity(one: Picture, other: Picture) -> Picture:
        tiny = (1e-6 * 255) ** 2
        mean0, mean1 = mean(one), mean(other)
        covariance = mean(one * other) - mean0 * mean1
        variances = mean(one * one) - mean0**2 + mean(other * other) - mean1**2
        return (2 * mean0 * mean1 + tiny) / (mean0**2 + mean1**2 + tiny) * (2 * covariance + tiny) / (variances + tiny)

    variance0, variance1 = (np.maximum(mean(s * s) - mean(s) ** 2, 0) for s in (source0, source1))
    both = variance0 + variance1
    share = np.divide(variance0, both, out=np.full_like(both, 0.5), where=both > 0)
    likeness = share * similarity(source0, fused) + (1 - share) * similarity(source1, fused)
    return float(np.average(likeness, weights=np.maximum(variance0, variance1) + 1e-12))


def _masked_contrast(picture: Picture) -> Picture:
    low, high = picture.min(), picture.max()
    # As in the authors' toolbox: stretched to whole numbers from 0 to 255.
    stretched = np.rint((picture - low) / (high - low) * 255) if high > low else picture
    rows, columns = picture.shape
    square = (2 * fftfreq(columns) * columns / 30) ** 2 + ((2 * fftfreq(rows) * rows / 30) ** 2)[:, None]
    seen = np.exp(-square / 15.3870**2) - 0.7622 * np.exp(-square / 1.3456**2)
    filtered = ifft2(fft2(stretched) * seen).real
    fine, coarse = (_gaussian(filtered, sigma) for sigma in (2.0, 4.0))
    contrast: Picture = np.abs(np.divide(fine, coarse, out=np.ones_like(fine), where=coarse != 0) - 1)
    return contrast**3 / (contrast**2 + 1e-4)


def _gaussian(picture: Picture, sigma: float) -> Picture:
    # The scale is the authors', one axis' for both; it is the same in numerator and denominator but for sigma.
    t = np.arange(-15, 16.0)
    weights = np.exp(-(t**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
    smooth: Picture = correlate1d(correlate1d(picture, weights, 0, mode="constant"), weights, 1, mode="constant")
    return smooth


METRICS = {"Q_G": q_g, "Q_E": q_e, "Q_CB": q_cb}

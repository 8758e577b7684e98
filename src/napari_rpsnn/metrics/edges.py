"""How much of the sources' edges a fused image keeps: Q_G."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from napari_rpsnn.metrics.filters import SOBEL, detail_around, gradients, likeness, two_strongest
from napari_rpsnn.metrics.greys import Grey, checked_together


def q_g(sources: Sequence[ArrayLike], fused: ArrayLike) -> float:
    """Return Q_G, also called Q^AB/F: how much of the sources' edges, their strength and direction, is kept.

    Range: from 0 to 0.9748, the end of the paper's two sigmoids. Larger is better. [1]_

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
    The paper has two sources. Of more, the two count at each pixel whose edges around it are strongest. Outside the
    image there are zeros, and directions are not wrapped at 90 degrees, as in the toolbox that published figures
    come from.

    References
    ----------
    .. [1] C. Xydeas, V. Petrovic, "Objective image fusion performance measure", Electronics Letters 36 (2000),
           :doi:`10.1049/el:20000267`

    Examples
    --------
    >>> from skimage.data import camera
    >>> picture = camera()[:64, :64]
    >>> round(q_g([picture, picture], picture), 4)
    0.9748
    """
    kept, all_there = kept_edges(sources, fused)
    return float(kept.sum() / all_there.sum())


def kept_edges(sources: Sequence[ArrayLike], fused: ArrayLike) -> tuple[Grey, Grey]:
    """At every pixel, how much edge strength of the sources is kept, and how much there is."""
    pictures, image = checked_together(sources, fused)
    strength_f, direction_f = _polar(image)
    kept, total = np.zeros_like(image), np.zeros_like(image)
    for _, strength, direction in two_strongest((detail_around(x), *_polar(x)) for x in pictures):
        alike = 1 - np.abs(direction - direction_f) * 2 / np.pi
        quality = 0.9994 / (1 + np.exp(-15 * (likeness(strength, strength_f) - 0.5)))
        quality *= 0.9879 / (1 + np.exp(-22 * (alike - 0.8)))
        weight = np.maximum(strength, 1e-5)
        kept, total = kept + quality * weight, total + weight
    return kept, total


def _polar(image: Grey) -> tuple[Grey, Grey]:
    """Strength and direction of edges."""
    along_rows, along_columns = gradients(image, SOBEL)
    direction = np.arctan(along_columns / np.where(along_rows == 0, 1e-5, along_rows))
    return np.hypot(along_rows, along_columns), direction

"""How similar a fused image is to its sources in windows, each source where it shows most: Q_W, Q_E, Q_Y."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from napari_rpsnn.metrics.filters import PREWITT, Local, divide, gaussian, gradients, two_strongest
from napari_rpsnn.metrics.greys import Grey, checked_together

_SQUARE = np.full(8, 1 / 8)
_ROUND = gaussian(7, 1.5)
#: The toolbox's (1e-6 of white): too small to change a window that is not flat.
_TINY = (1e-6 * 255) ** 2
#: Where the sources are more alike than this, their mean is what is right.
_AGREE = 0.75


def q_w(sources: Sequence[ArrayLike], fused: ArrayLike) -> float:
    """Return Q_W: structural similarity to the sources in 8x8 windows, those of much contrast counting most.

    Range: from -1 to 1, which is equality with equal sources. Larger is better. [1]_

    What fools it: Blending: bands of detail mixed from both sources score more than the truth, and so do copies of
    the sharper source.

    Parameters
    ----------
    sources : sequence of array_like of shape `(rows, columns)`
        Two or more grey images, values from 0 to 255.
    fused : array_like of shape `(rows, columns)`
        Of at least 8x8 pixels.

    Raises
    ------
    TypeError, ValueError
        If an image is not such an array, or shapes differ.

    Notes
    -----
    The paper has two sources, which count in each window by their variance. Of more, the two of most variance count.

    References
    ----------
    .. [1] G. Piella, H. Heijmans, "A new quality metric for image fusion", ICIP 2003,
           :doi:`10.1109/ICIP.2003.1247209`

    Examples
    --------
    >>> from skimage.data import camera
    >>> picture = camera()[:64, :64]
    >>> round(q_w([picture, picture], picture), 6)
    1.0
    """
    return _weighted(*checked_together(sources, fused))


def q_e(sources: Sequence[ArrayLike], fused: ArrayLike) -> float:
    """Return Q_E: Q_W of the images times Q_W of their edges.

    Range: from -1 to 1, which is equality with equal sources. Larger is better. [1]_

    What fools it: Blending: bands of detail mixed from both sources score more than the truth, and so do, barely,
    copies of the sharper source. Noise, sharpening and an unfused source do not.

    Parameters
    ----------
    sources : sequence of array_like of shape `(rows, columns)`
        Two or more grey images, values from 0 to 255.
    fused : array_like of shape `(rows, columns)`
        Of at least 8x8 pixels.

    Raises
    ------
    TypeError, ValueError
        If an image is not such an array, or shapes differ.

    References
    ----------
    .. [1] G. Piella, H. Heijmans, "A new quality metric for image fusion", ICIP 2003,
           :doi:`10.1109/ICIP.2003.1247209`

    Examples
    --------
    >>> from skimage.data import camera
    >>> picture = camera()[:64, :64]
    >>> round(q_e([picture, picture], picture), 6)
    1.0
    """
    pictures, image = checked_together(sources, fused)
    edges = [np.hypot(*gradients(x, PREWITT)) for x in (*pictures, image)]
    return _weighted(pictures, image) * _weighted(edges[:-1], edges[-1])


def q_y(sources: Sequence[ArrayLike], fused: ArrayLike) -> float:
    """Return Q_Y: structural similarity to both sources where they agree, to the nearer one where they do not.

    Range: from -1 to 1. Larger is better. [1]_

    What fools it: An unfused source scores more than the truth: where the sources differ it is equal to one of
    them. So do copies of the sharper source.

    Parameters
    ----------
    sources : sequence of array_like of shape `(rows, columns)`
        Two grey images, values from 0 to 255: it is not defined for more.
    fused : array_like of shape `(rows, columns)`
        Of at least 7x7 pixels.

    Raises
    ------
    TypeError, ValueError
        If an image is not such an array, shapes differ, or there are not two sources.

    Notes
    -----
    Without stabilising constants, as in the sheet of R-PSNN's authors; of windows that are flat, where that is 0/0, two
    are alike, and one is unlike any other.

    References
    ----------
    .. [1] C. Yang, J.-Q. Zhang, X.-R. Wang, X. Liu, "A novel similarity based quality metric for image fusion",
           Information Fusion 9 (2008), :doi:`10.1016/j.inffus.2006.09.001`

    Examples
    --------
    >>> from skimage.data import camera
    >>> picture = camera()[:64, :64]
    >>> round(q_y([picture, 255 - picture], picture), 4)
    1.0
    """
    if len(sources) != 2:
        raise ValueError(f"sources: expected 2 images, for which alone Q_Y is defined, got {len(sources)}")
    pictures, image = checked_together(sources, fused)
    first, second, made = (Local(x, _ROUND) for x in (*pictures, image))
    to_first, to_second = (one.similarity(made, 2e-16) for one in (first, second))
    share = divide(first.variance, first.variance + second.variance, 0.5)
    both = share * to_first + (1 - share) * to_second
    agree = first.similarity(second, 2e-16) >= _AGREE
    return float(np.where(agree, both, np.maximum(to_first, to_second)).mean())


def _weighted(pictures: Sequence[Grey], image: Grey) -> float:
    made = Local(image, _SQUARE)
    locals_ = (Local(picture, _SQUARE) for picture in pictures)
    (most, alike0), (variance, alike1) = two_strongest((x.variance, x.similarity(made, _TINY)) for x in locals_)
    share = divide(most, most + variance, 0.5)
    similarity = share * alike0 + (1 - share) * alike1
    return float(np.average(similarity, weights=most if most.any() else None))

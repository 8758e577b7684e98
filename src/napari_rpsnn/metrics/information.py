"""How much the grey levels of a fused image tell, by themselves and of those of the sources: EN, MI, NCIE."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_rpsnn.metrics.greys import Grey, checked, checked_together

LEVELS = 256


def entropy(fused: ArrayLike) -> float:
    """Return EN, the entropy of the histogram in bits.

    Range: from 0, one grey level, to 8. Larger is said to be better. [1]_

    What fools it: Noise, sharpening, blending and what copies leave at outlines score more than the truth. It does not
    know where a pixel lies: shuffled pixels have the same entropy.

    Parameters
    ----------
    fused : array_like of shape `(rows, columns)`
        Grey values from 0 to 255, which are rounded.

    Raises
    ------
    TypeError, ValueError
        If the image is not such an array.

    References
    ----------
    .. [1] J. Roberts, J. van Aardt, F. Ahmed, "Assessment of image fusion procedures using entropy, image quality, and
           multispectral classification", Journal of Applied Remote Sensing 2 (2008), :doi:`10.1117/1.2945910`

    Examples
    --------
    >>> import numpy as np
    >>> entropy(np.array([[0, 0], [3, 4]]))
    1.5
    """
    return _bits(np.bincount(_levels(checked(fused, "fused")), minlength=LEVELS))


def mutual_information(sources: Sequence[ArrayLike], fused: ArrayLike) -> float:
    """Return MI, what the fused image's grey levels tell of each source's, in bits, summed over the sources.

    Range: from 0 to 8 bits for each source. Larger is said to be better. [1]_

    What fools it: An unfused source scores most of all, far more than the truth: it tells all of itself.

    Parameters
    ----------
    sources : sequence of array_like of shape `(rows, columns)`
        Two or more grey images, values from 0 to 255, which are rounded.
    fused : array_like of shape `(rows, columns)`

    Raises
    ------
    TypeError, ValueError
        If an image is not such an array, or shapes differ.

    References
    ----------
    .. [1] G. Qu, D. Zhang, P. Yan, "Information measure for performance of image fusion", Electronics Letters 38
           (2002), :doi:`10.1049/el:20020212`

    Examples
    --------
    >>> import numpy as np
    >>> halves = np.tile([0, 255], (4, 2))
    >>> mutual_information([halves, 255 - halves], halves)
    2.0
    """
    pictures, image = checked_together(sources, fused)
    made = _levels(image)
    return float(sum(_mutual(_levels(picture), made) for picture in pictures))


def ncie(sources: Sequence[ArrayLike], fused: ArrayLike) -> float:
    """Return Q_NCIE, the nonlinear correlation information entropy of sources and fused image together.

    Range: for two sources from 0.802, nothing in common, to 1. Larger is said to be better. [1]_

    What fools it: An unfused source scores most of all, more than the truth. What the sources have in common counts
    too, so that its values differ by little.

    Parameters
    ----------
    sources : sequence of array_like of shape `(rows, columns)`
        Two or more grey images, values from 0 to 255, which are rounded.
    fused : array_like of shape `(rows, columns)`

    Raises
    ------
    TypeError, ValueError
        If an image is not such an array, or shapes differ.

    References
    ----------
    .. [1] Q. Wang, Y. Shen, J. Jin, "Performance evaluation of image fusion techniques", in T. Stathaki (ed.), Image
           Fusion: Algorithms and Applications (2008), chapter 19

    Examples
    --------
    >>> import numpy as np
    >>> flat = np.zeros((4, 4))
    >>> round(ncie([flat, flat], flat), 4)
    0.8019
    """
    pictures, image = checked_together(sources, fused)
    levels = [_levels(x) for x in (*pictures, image)]
    count = len(levels)
    correlation = np.eye(count)
    for (i, one), (j, other) in combinations(enumerate(levels), 2):
        correlation[i, j] = correlation[j, i] = _mutual(one, other) / np.log2(LEVELS)
    parts = np.linalg.eigvalsh(correlation).clip(0) / count
    parts = parts[parts > 1e-15]
    return float(1 + (parts * np.log2(parts)).sum() / np.log2(LEVELS))


def _levels(image: Grey) -> NDArray[np.int64]:
    return np.rint(image).astype(np.int64).ravel()


def _bits(counts: NDArray[np.int64]) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(0.0 - (shares * np.log2(shares)).sum())  # not -0.0, which would be printed


def _mutual(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    joint = np.bincount(one * LEVELS + other, minlength=LEVELS**2).reshape(LEVELS, LEVELS)
    return _bits(joint.sum(1)) + _bits(joint.sum(0)) - _bits(joint)

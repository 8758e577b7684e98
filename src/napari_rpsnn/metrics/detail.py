"""How much detail a fused image shows, whatever it is: AG, SF, and 1-|rSFe|, which compares it with the sources."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from napari_rpsnn.metrics.greys import Grey, checked, checked_together

#: Differences along rows, columns and the two diagonals, which count by the inverse of their length.
_WEIGHTS = (1.0, 1.0, 2**-0.5, 2**-0.5)


def average_gradient(fused: ArrayLike) -> float:
    """Return AG, the mean length of the gradient in grey levels a pixel.

    Range: from 0 up. Larger is sharper, or noisier. [1]_

    What fools it: Noise and sharpening score far more than the truth, and so does the plain average of the sources with
    noise added.

    Parameters
    ----------
    fused : array_like of shape `(rows, columns)`
        Grey values from 0 to 255.

    Raises
    ------
    TypeError, ValueError
        If the image is not such an array.

    Notes
    -----
    Forward differences, 0 in the last row and column; the sum of sqrt((dx² + dy²) / 2) over (rows - 1)(columns - 1).

    References
    ----------
    .. [1] G. Cui, H. Feng, Z. Xu, Q. Li, Y. Chen, "Detail preserved fusion of visible and infrared images using
           regional saliency extraction and multi-scale image decomposition", Optics Communications 341 (2015),
           :doi:`10.1016/j.optcom.2014.12.032`

    Examples
    --------
    >>> import numpy as np
    >>> round(average_gradient(np.array([[0, 0], [3, 4]])), 4)
    5.6569
    """
    image = checked(fused, "fused")
    across, down = (np.diff(image, axis=axis, append=image.take([-1], axis)) for axis in (1, 0))
    total = np.sqrt((across**2 + down**2) / 2).sum()
    return float(total / max((image.shape[0] - 1) * (image.shape[1] - 1), 1))


def spatial_frequency(fused: ArrayLike) -> float:
    """Return SF, the root of the mean square difference of neighbours, along rows and along columns together.

    Range: from 0 up, in grey levels. Larger is sharper, or noisier. [1]_

    What fools it: Noise and sharpening score far more than the truth, and so does the plain average of the sources with
    noise added.

    Parameters
    ----------
    fused : array_like of shape `(rows, columns)`
        Grey values from 0 to 255.

    Raises
    ------
    TypeError, ValueError
        If the image is not such an array.

    References
    ----------
    .. [1] A. Eskicioglu, P. Fisher, "Image quality measures and their performance", IEEE Transactions on
           Communications 43 (1995), :doi:`10.1109/26.477498`

    Examples
    --------
    >>> import numpy as np
    >>> round(spatial_frequency(np.array([[0, 0], [3, 4]])), 4)
    2.5495
    """
    image = checked(fused, "fused")
    squares = sum((np.diff(image, axis=axis) ** 2).sum() for axis in (0, 1))
    return float(np.sqrt(squares / image.size))


def spatial_frequency_agreement(sources: Sequence[ArrayLike], fused: ArrayLike) -> float:
    """Return ``1-|rSFe|``: how near the fused image's spatial frequency is to the greatest that its sources have.

    Range: up to 1. Larger is better. [1]_

    What fools it: The plain average of the sources with as much noise added as it lacks detail: how much there is
    counts, not where.

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
    rSFe is the fused image's spatial frequency in four directions beside that of a reference, minus 1. The reference
    has at each pixel and in each direction the largest difference that a source has there.

    References
    ----------
    .. [1] Y. Zheng, E. Essock, B. Hansen, A. Haun, "A new metric based on extended spatial frequency and its
           application to DWT based fusion algorithms", Information Fusion 8 (2007),
           :doi:`10.1016/j.inffus.2005.04.003`

    Examples
    --------
    >>> from skimage.data import camera
    >>> picture = camera()[:64, :64]
    >>> spatial_frequency_agreement([picture, picture], picture)
    1.0
    """
    pictures, image = checked_together(sources, fused)
    steepest = [np.abs(step) for step in _steps(pictures[0])]
    for picture in pictures[1:]:
        steepest = [np.maximum(most, np.abs(step)) for most, step in zip(steepest, _steps(picture), strict=True)]
    there, got = (np.sqrt(sum(w * (d**2).sum() for w, d in zip(_WEIGHTS, x, strict=True)))
                  for x in (steepest, _steps(image)))  # fmt: skip
    if there == 0:  # nothing there: nothing made up is right, anything is infinitely more
        return 1.0 if got == 0 else float("-inf")
    return float(1 - abs(got / there - 1))


def _steps(image: Grey) -> tuple[Grey, ...]:
    return (
        np.diff(image, axis=1),
        np.diff(image, axis=0),
        image[1:, 1:] - image[:-1, :-1],
        image[1:, :-1] - image[:-1, 1:],
    )

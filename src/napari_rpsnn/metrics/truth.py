"""Measures of a fused image whose truth is known: the only ones that nothing fools but a wrong truth."""

from __future__ import annotations

from numpy.typing import ArrayLike
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from napari_rpsnn.metrics.greys import WHITE, check_size, checked_pair


def psnr(truth: ArrayLike, fused: ArrayLike) -> float:
    """Return the peak signal-to-noise ratio to the truth in dB, scikit-image's.

    Range: from 0 to infinity, which is equality. Larger is better.

    What fools it: nothing scores more than the truth. It is a mean over all pixels, so that a thin thing that is lost
    costs little (`thin_things_lost` tells of those), and a shift of brightness that nobody sees costs much.

    Parameters
    ----------
    truth, fused : array_like of shape `(rows, columns)`
        Grey values from 0 to 255.

    Raises
    ------
    TypeError, ValueError
        If an image is not such an array, or shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> round(psnr(np.full((8, 8), 100), np.full((8, 8), 101)), 2)
    48.13
    """
    wanted, image = checked_pair(truth, fused)
    if (wanted == image).all():
        return float("inf")  # without the warning of a division by zero
    return float(peak_signal_noise_ratio(wanted, image, data_range=WHITE))


def ssim(truth: ArrayLike, fused: ArrayLike) -> float:
    """Return the structural similarity to the truth, scikit-image's with the paper's Gaussian windows.

    Range: from -1 to 1, which is equality. Larger is better. [1]_

    What fools it: nothing scores more than the truth. It hardly sees a shift of brightness, and flat regions with a
    little noise cost it much.

    Parameters
    ----------
    truth, fused : array_like of shape `(rows, columns)`
        Grey values from 0 to 255, of at least 11x11 pixels.

    Raises
    ------
    TypeError, ValueError
        If an image is not such an array, or shapes differ.

    References
    ----------
    .. [1] Z. Wang, A. Bovik, H. Sheikh, E. Simoncelli, "Image quality assessment: from error visibility to structural
           similarity", IEEE Transactions on Image Processing 13 (2004), :doi:`10.1109/TIP.2003.819861`

    Examples
    --------
    >>> import numpy as np
    >>> stripes = np.tile([0, 255], (16, 8))
    >>> ssim(stripes, stripes), round(ssim(stripes, 255 - stripes), 2)
    (1.0, -1.0)
    """
    wanted, image = checked_pair(truth, fused)
    check_size(image, 11)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(wanted, image, data_range=WHITE, **options))

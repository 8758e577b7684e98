"""Pairs with known truth that the tests share."""

import numpy as np
import pytest
from scipy import ndimage as ndi
from skimage import data


def blur_halves(truth):
    """Return near, sharp in the left half, and far, sharp in the right half."""
    blurred = ndi.gaussian_filter(truth.astype(float), (2, 2) + (0,) * (truth.ndim - 2))
    if truth.dtype.kind in "iu":
        blurred = np.rint(blurred)
    middle = truth.shape[1] // 2
    near, far = truth.copy(), truth.copy()
    near[:, middle:] = blurred[:, middle:]
    far[:, :middle] = blurred[:, :middle]
    return near, far


@pytest.fixture(scope="session")
def grey_pair():
    """Near, far and truth: uint8 of 96x128 pixels."""
    truth = data.camera()[128:224, 192:320]
    return (*blur_halves(truth), truth)


@pytest.fixture(scope="session")
def rgb_pair():
    """Near, far and truth: uint8 RGB of 96x128 pixels."""
    truth = data.immunohistochemistry()[100:196, 100:228]
    return (*blur_halves(truth), truth)

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, uniform_filter

from napari_rpsnn.engine.filters import TRUNCATE, box, gaussian


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (150, 91)])
def test_the_same_as_scipys(shape):
    pictures = torch.rand(2, *shape, generator=torch.manual_seed(0))
    for sigma in (1.0, 1.7, 4.0):
        expected = gaussian_filter(pictures.numpy(), sigma, truncate=TRUNCATE, axes=(1, 2))
        np.testing.assert_allclose(gaussian(pictures, sigma), expected, atol=1e-6)
    np.testing.assert_allclose(box(pictures, 79), uniform_filter(pictures.numpy(), 79, axes=(1, 2)), atol=1e-6)

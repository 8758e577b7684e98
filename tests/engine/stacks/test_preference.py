"""Which of two depths is taken where both are right."""

import dask.array as da
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from napari_rpsnn import fuse_stack
from napari_rpsnn.engine.stacks.preference import leave_out_others


def chosen(scores, prefer, numbers=None):
    """The plane that has the best score of one pixel, by its number."""
    numbers = list(range(len(scores))) if numbers is None else numbers
    left = leave_out_others(torch.tensor(scores, dtype=torch.float32)[:, None, None], numbers, prefer)
    return numbers[int(left[:, 0, 0].argmax())]


@pytest.mark.parametrize(
    ("scores", "near", "far"),
    [
        ([0, 9, 0, 2, 10, 4], 1, 4),  # two peaks of comparable worth
        ([0, 10, 0, 2, 9, 4], 1, 4),
        ([0, 4, 0, 2, 10, 4], 4, 4),  # one that is not as good
        ([0, 9, 8.5, 9.5, 10, 4], 4, 4),  # one peak with a dent
        ([9, 0, 9.5, 0, 10], 0, 4),  # three, and the ends of the stack
        ([4, 0, 9, 0, 10, 0, 3], 2, 4),
        ([1, 1, 1], 0, 0),  # nothing tells
    ],
)
def test_the_first_peak_that_is_nearly_as_good_is_taken(scores, near, far):
    assert chosen(scores, "near") == near
    assert chosen(scores, "far") == far
    order = np.random.default_rng(0).permutation(len(scores))
    if len(set(scores)) == len(scores):  # planes are known in any order
        assert chosen([scores[k] for k in order], "near", order.tolist()) == near


@pytest.fixture(scope="module")
def grating():
    """Eight planes of bright twigs in plane 1, three pixels wide, before a wall in planes 4 to 7."""
    wall = data.gravel()[100:196, 100:228].astype(float)
    matte = np.zeros_like(wall)
    for column in range(10, 128, 24):
        matte[:, column : column + 3] = 1
    depth = np.linspace(4, 7, 128)
    blurred = np.stack([gaussian_filter(wall, sigma) for sigma in np.linspace(0.01, 6, 25)])
    planes = []
    for k in range(8):
        steps = np.abs(depth - k) / 7 * 24
        behind = np.stack([blurred[round(place), :, column] for column, place in enumerate(steps)], 1)
        before = gaussian_filter(matte, 0.01 + abs(k - 1))
        planes.append(before * 240 + (1 - before) * behind)
    return np.rint(planes).astype(np.uint8)


def test_near_takes_lower_numbers_and_far_higher_ones(grating):
    _, index = fuse_stack(grating, return_index=True)
    _, near = fuse_stack(grating, return_index=True, prefer="near")
    _, far = fuse_stack(grating, return_index=True, prefer="far")
    assert (near <= index).all()
    assert (far >= index).all()
    assert np.mean(near < far) > 0.02
    assert np.mean(near == 1) > np.mean(far == 1) + 0.02
    _, mirrored = fuse_stack(grating[::-1], return_index=True, prefer="far")
    np.testing.assert_array_equal(7 - mirrored, near)


def test_dask_arrays_prefer_the_same_and_are_not_taken_for_each_other(grating):
    lazy = da.from_array(grating, chunks=(1, 50, 50))
    options = {"return_index": True, "precision": "float32"}
    made = [fuse_stack(lazy, prefer=prefer, **options)[1] for prefer in (None, "near", "far")]
    for prefer, index in zip((None, "near", "far"), da.compute(*made), strict=True):
        np.testing.assert_array_equal(index, fuse_stack(grating, prefer=prefer, **options)[1])

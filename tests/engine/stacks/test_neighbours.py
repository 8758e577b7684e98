import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from napari_rpsnn import fuse_stack
from napari_rpsnn.engine.stacks.neighbours import (
    brightness,
    differences,
    elsewhere,
    filled,
    nearest,
    passed_on,
    places_along,
)

SIDE = 192


def tilted(planes=9):
    """Tilted bricks, smooth between bright joints, and the plane in focus at each column."""
    truth = data.brick()[:SIDE, :SIDE].astype(np.float32)
    depth = np.broadcast_to(np.linspace(0, planes - 1, SIDE), truth.shape)
    blurred = np.stack([gaussian_filter(truth, k / 4) for k in range(4 * planes)])
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.stack([blurred[np.rint(4 * np.abs(depth - k)).astype(int), rows, columns] for k in range(planes)]), depth


def apart(planes, valid=None):
    there = [None] * len(planes) if valid is None else valid
    return differences(np.stack([brightness(*window) for window in zip(planes / np.float32(255), there, strict=True)]))


@pytest.mark.parametrize("noise", [0, 20])
@pytest.mark.parametrize("bordered", [False, True])
def test_neighbours_are_told_by_what_they_show(noise, bordered):
    planes, _ = tilted()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(planes))
    seen = (planes + noise * rng.normal(size=planes.shape)).astype(np.float32)[order]
    valid = np.ones(seen.shape, bool)
    if bordered:
        for k, there in enumerate(valid):
            there[: 5 * k] = False
        seen[~valid] = 255
    steps = np.diff(np.asarray(places_along(apart(seen, valid)))[np.argsort(order)])
    assert (steps == 1).all() or (steps == -1).all()


def test_a_plane_alone_and_two_of_them_have_places():
    assert places_along(np.zeros((1, 1))) == (0,)
    assert sorted(places_along(np.zeros((2, 2)))) == [0, 1]


def test_planes_without_a_place_in_common_are_no_neighbours():
    shown = np.array([[1.0, np.nan], [np.nan, 1.0], [1.0, 1.1]], np.float32)
    found = differences(shown)
    assert found[0, 1] == found[1, 0] > 1000
    assert found[0, 2] == 0
    assert nearest(found)[0].tolist() == [0, 2, 1]
    nothing = np.full((3, 4), np.nan, np.float32)
    assert sorted(places_along(differences(nothing))) == [0, 1, 2]


def test_neighbours_along_the_chain_come_before_what_is_as_blurred_on_the_other_side():
    away = np.abs(np.arange(5)[:, None] - np.arange(5)).astype(float)
    away[0, 4] = away[4, 0] = 2.5  # more alike than planes 0 and 3
    assert nearest(away)[0].tolist() == [0, 1, 2, 3, 4]


def test_a_plane_is_filled_by_its_nearest_neighbour_that_has_data():
    planes = [np.full((2, 4), value, np.float32) for value in (0.1, 0.2, 0.3)]
    masks = [np.array([[True, False, False, False]] * 2), np.array([[True, True, False, False]] * 2), None]
    grey, valid, source = filled(lambda k: (planes[k], masks[k]), [0, 1, 2])
    assert valid is masks[0]
    np.testing.assert_array_equal(source[0], [0, 1, 2, 2])
    np.testing.assert_array_equal(grey[0], np.float32([0.1, 0.2, 0.3, 0.3]))
    masks[2] = masks[1]
    planes[0][:, 2:] = np.nan
    grey, _, source = filled(lambda k: (planes[k], masks[k]), [0, 1, 2])
    assert (grey[:, 2:] == np.float32(0.2)).all(), "no plane has data: what is nearest"
    assert (source[:, 2:] == 0).all()
    assert filled(lambda k: (planes[2], None), [2, 0, 1])[1:] == (None, None)


def test_scores_are_passed_on_to_the_plane_that_is_shown():
    source = np.zeros((16, 16), np.int64)
    source[:, 7:] = 2
    other = elsewhere(torch.from_numpy(source).float()[None, None], 0)
    assert other.tolist() == [[-1, -1, -1, 2, 2, 2, 2, 2]] * 8
    scores = torch.tensor([3.0, 2.0, 1.0])[:, None, None].expand(3, 8, 8)
    made = passed_on(scores, [other, None, None])
    assert (made[:2] == scores[:2]).all()
    assert made[2, 0].tolist() == [1, 1, 1, 3, 3, 3, 3, 3]
    assert passed_on(scores, [None] * 3) is scores


def test_where_the_best_plane_has_no_data_its_neighbour_is_taken():
    planes, depth = tilted()
    mask = np.ones(planes.shape, bool)
    mask[4, 80:110, 60:140] = False
    lost = (np.abs(depth - 4) < 0.4) & ~mask[4]
    assert lost.sum() > 400
    _, index = fuse_stack(planes.astype(np.uint8), mask=mask, return_index=True)
    assert np.isin(index[lost], (3, 5)).mean() > 0.98


def test_at_the_rim_of_a_common_mask_planes_are_told_apart_as_well():
    planes, depth = tilted()
    y, x = np.mgrid[: depth.shape[0], : depth.shape[1]]
    away = np.hypot(y - depth.shape[0] / 2, x - depth.shape[1] / 2)
    field = away < 0.45 * min(depth.shape)
    rim = field & (away > 0.45 * min(depth.shape) - 2.5)
    whole, masked = (fuse_stack(planes.astype(np.uint8), mask=mask, return_index=True)[1] for mask in (None, field))
    lost, least = (np.abs(index.astype(float) - depth)[rim].mean() for index in (masked, whole))
    assert lost < least + 0.15

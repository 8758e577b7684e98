import pytest
import torch
from skimage import data

from napari_rpsnn.training.acquisition import disturbed
from napari_rpsnn.training.dataset import Picture
from napari_rpsnn.training.random_draws import Draw
from napari_rpsnn.training.stack_synthesis import KINDS, StackMaker


@pytest.fixture(scope="module")
def pictures():
    shown = (data.camera()[::2, ::2], data.coins(), data.brick()[::2, ::2])
    return [Picture(str(k), (torch.from_numpy(picture.copy())[None],)) for k, picture in enumerate(shown)]


def maker(pictures, kind):
    return StackMaker(pictures, crop=64, seed=3, kinds={kind: 1})


@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_shows_its_truth_in_some_plane(kind, pictures):
    made = maker(pictures, kind)
    for number in range(4):
        stack = made.stack(number)
        assert torch.equal(made.stack(number).planes, stack.planes)
        assert stack.planes.shape[1:] == stack.truth.shape == stack.thin.shape == (64, 64)
        errors = (stack.planes - stack.truth).square()
        # The best plane at every pixel is nearer to the truth than the best one of all.
        assert errors.amin(0).mean() <= errors.mean((1, 2)).min()
        assert errors.amin(0).mean().sqrt() < 0.08


def test_thin_things_are_known_where_they_are_to_be_seen(pictures):
    found = 0
    for number in range(12):
        stack = maker(pictures, "occluders").stack(number)
        share = stack.thin.float().mean()
        found += bool(share > 0)
        assert share < 0.9
    assert found >= 4
    assert not maker(pictures, "surface").stack(0).thin.any()


def test_what_covers_a_flat_ground_is_not_in_the_truth_of_the_ground(pictures):
    made = maker(pictures, "occluders")
    flat = 0
    for number in range(20):
        planes, truth, _ = made._surface(Draw(3, number, torch.device("cpu")), 5)
        before = truth.clone()
        flat += bool((planes == truth).flatten(1).all(1).any())
        planes.zero_()  # as what covers it writes over it
        assert torch.equal(truth, before)
    assert flat > 2


def test_glints_are_disks_out_of_focus(pictures):
    larger = 0
    for number in range(12):
        stack = StackMaker(pictures, crop=64, seed=3, kinds={"surface": 1}, glittering=1.0).stack(number)
        white = stack.planes == 1
        larger += bool(white.sum((1, 2)).max() > 1.5 * (stack.truth == 1).sum() > 0)
    assert larger > 3


def test_disturbances_leave_the_stack_as_it_is(pictures):
    planes = maker(pictures, "surface").stack(0).planes
    before = planes.clone()
    changed = 0
    for step in range(20):
        seen, valid = disturbed(planes, Draw(0, step, torch.device("cpu")))
        changed += not torch.equal(seen, planes)
        assert valid.any(0).all()
        assert 0 <= seen.min() <= seen.max() <= 1
    assert changed > 8
    assert torch.equal(planes, before)

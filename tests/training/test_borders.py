import pytest
import torch
from skimage import data

from napari_rpsnn.training import borders
from napari_rpsnn.training.acquisition import Scene
from napari_rpsnn.training.dataset import Picture
from napari_rpsnn.training.pair_synthesis import PairMaker
from napari_rpsnn.training.random_draws import Draw

N, SIZE = 300, 64
#: Beyond it nothing is empty: the depth, and the slope over half the patch.
DEEPEST_PX = 14 + 0.08 * SIZE / 2


def scene(share):
    """Near 0.6, far 0.8, the truth 0.7; of `share` in each pixel."""
    near, far, sharp = (torch.full((N, 3, SIZE, SIZE), value) for value in (0.6, 0.8, 0.7))
    return Scene(near, far, sharp, torch.full((N, 1, SIZE, SIZE), share))


def with_borders(share, step=0):
    made = scene(share)
    borders.put_borders(made, Draw(3, step, torch.device("cpu")))
    return made


def test_defocus_fades_to_about_half_at_the_border_and_the_truth_does_not(monkeypatch):
    monkeypatch.setattr(borders, "EMPTY", 0)
    made = with_borders(1.0)
    assert torch.equal(made.sharp, scene(1.0).sharp)
    assert torch.equal(made.near, scene(1.0).near)  # all of it is in focus
    light = (made.far / 0.8)[:, 0]
    faded = (light < 0.9).any(-1).any(-1)
    # Two of three choices are the far image, or both.
    assert faded.float().mean().item() == pytest.approx(borders.FADED * 2 / 3, abs=0.05)
    lowest = light[faded].amin((1, 2))
    assert (lowest > 0.5**4).all()
    assert (lowest < 0.85).all()  # at the centre of a pixel on the border, of the narrowest defocus
    middle = light[:, SIZE // 2 - 4 : SIZE // 2 + 4, SIZE // 2 - 4 : SIZE // 2 + 4]
    assert (middle > 0.999).all()
    # Darkness comes from a side: along a line across it light grows inwards.
    rows = light[:, : SIZE // 2, SIZE // 2]
    assert (rows.diff(dim=1) > -1e-5).all()


def test_both_images_fade_each_where_it_is_out_of_focus(monkeypatch):
    monkeypatch.setattr(borders, "EMPTY", 0)
    monkeypatch.setattr(borders, "FADED", 1)
    made = with_borders(0.0)
    assert torch.equal(made.far, scene(0.0).far)
    assert (made.near < 0.55).any()
    equal = with_borders(0.5)  # nothing is out of focus
    assert torch.equal(equal.near, scene(0.5).near)
    assert torch.equal(equal.far, scene(0.5).far)


def test_where_one_image_has_no_data_the_truth_is_the_other(monkeypatch):
    monkeypatch.setattr(borders, "FADED", 0)
    made = with_borders(1.0)
    no_near, no_far = (made.near != 0.6)[:, :1], (made.far != 0.8)[:, :1]
    assert not (no_near & no_far).any()
    empty = (no_near | no_far)[:, 0]
    assert empty.any(-1).any(-1).float().mean().item() == pytest.approx(borders.EMPTY, abs=0.04)
    truth = torch.where(no_near, 0.8, torch.where(no_far, 0.6, 0.7)).expand_as(made.sharp)
    assert torch.equal(made.sharp, truth)
    margin = int(DEEPEST_PX) + 1
    assert not empty[:, margin:-margin, margin:-margin].any()
    for image, where in ((made.near, no_near), (made.far, no_far)):
        for one, here in zip(image, where, strict=True):
            assert len(one[here.expand_as(one)].unique()) <= 1  # one value stands for no data


def test_all_four_sides_are_met():
    sides = torch.zeros(4)
    for step in range(2):
        changed = (with_borders(1.0, step).far != 0.8).any(1)
        middle = slice(SIZE // 2 - 5, SIZE // 2 + 5)
        edges = changed[:, 0, middle], changed[:, -1, middle], changed[:, middle, 0], changed[:, middle, -1]
        sides += torch.stack([edge.any(1).sum() for edge in edges])
    assert (sides > 20).all()


def test_pairs_are_the_same_but_for_borders():
    picture = Picture("ihc.png", (torch.from_numpy(data.immunohistochemistry()).permute(2, 0, 1),))
    kinds = {"geometric": 12, "fluorescence": 12, "brightfield": 12}
    plain, first, again = (
        PairMaker([picture], crop=64, kinds=kinds, seed=5, borders=b).batch(0) for b in (False, True, True)
    )
    touched = torch.zeros(36, dtype=torch.bool)
    for name in ("near", "far", "sharp"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        touched |= (getattr(first, name) != getattr(plain, name)).any(1).any(1).any(1)
    assert 0 < touched.sum() < 18

import pytest
import torch
from skimage import data

from napari_rpsnn.training.dataset import Picture
from napari_rpsnn.training.pair_synthesis import PairMaker

KINDS = {"geometric": 2, "fluorescence": 2, "brightfield": 2}


@pytest.fixture(scope="module")
def pictures():
    return [Picture("ihc.png", (torch.from_numpy(data.immunohistochemistry()).permute(2, 0, 1),))]


@pytest.fixture(scope="module")
def maker(pictures):
    return PairMaker(pictures, crop=64, kinds=KINDS, seed=5)


def test_batches_depend_on_seed_and_step_alone(pictures, maker):
    first = maker.batch(3)
    maker.batch(4)
    again = PairMaker(pictures, crop=64, kinds=KINDS, seed=5).batch(3)
    for name in ("near", "far", "sharp"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.sharp, maker.batch(4).sharp)
    assert not torch.equal(first.sharp, PairMaker(pictures, crop=64, kinds=KINDS, seed=6).batch(3).sharp)


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_pictures_and_the_sharp_one_has_the_most_detail(pictures, kind):
    maker = PairMaker(pictures, crop=64, kinds={kind: 8})
    batches = [maker.batch(i) for i in range(3)]
    for batch in batches:
        for image in (batch.near, batch.far, batch.sharp):
            assert image.shape == (8, 3, 64, 64)
            assert torch.isfinite(image).all()
            assert image.min() >= 0
            assert image.max() <= 1
        assert not torch.equal(batch.near, batch.far)
    if kind != "brightfield":  # there, rings have detail of their own: that is what makes it hard
        near, far, sharp = (
            torch.cat([getattr(b, n) for b in batches]).diff(dim=-1).abs().mean() for n in ("near", "far", "sharp")
        )
        assert sharp > max(near, far)


def test_in_most_pixels_one_of_both_is_the_truth(pictures):
    batch = PairMaker(pictures, crop=64, kinds={"geometric": 16}).batch(0)
    nearest = torch.minimum((batch.near - batch.sharp).abs(), (batch.far - batch.sharp).abs()).mean(1)
    assert (nearest < 0.02).float().mean() > 0.8


def test_measured_triples_are_cropped_alike(pictures):
    (sharp,) = pictures[0].images
    triple = Picture("gt/x.png", (sharp // 2, sharp // 4, sharp))
    batch = PairMaker([triple], crop=64, kinds={"geometric": 1, "measured": 3}).batch(0)
    assert batch.near.shape == (3, 3, 64, 64)
    brighter = torch.maximum(batch.near, batch.far)
    torch.testing.assert_close(brighter, batch.sharp / 2, rtol=0, atol=0.01)


def test_both_kinds_of_pictures_may_be_mixed(pictures):
    (sharp,) = pictures[0].images
    triple = Picture("gt/x.png", (sharp, sharp, sharp))
    assert len(PairMaker([*pictures, triple], crop=64, kinds={"geometric": 2, "measured": 3}).batch(0).near) == 5


def test_a_batch_of_nothing_is_refused(pictures):
    with pytest.raises(ValueError, match="kinds: expected at least one pair"):
        PairMaker(pictures, crop=64, kinds={"measured": 3})

import numpy as np
import pytest
import torch
from skimage import data, io

from napari_rpsnn.data import PairMaker, Picture, read_pictures, split_pictures

KINDS = {"geometric": 2, "fluorescence": 2, "brightfield": 2}


@pytest.fixture(scope="module")
def pictures():
    return [Picture("ihc.png", torch.from_numpy(data.immunohistochemistry()).permute(2, 0, 1))]


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


def test_a_folder_is_read_with_its_subfolders(tmp_path):
    (tmp_path / "deep").mkdir()
    camera = data.camera()
    io.imsave(tmp_path / "grey.png", camera)
    io.imsave(tmp_path / "deep" / "wide.tif", camera.astype(np.uint16) * 16, check_contrast=False)
    io.imsave(tmp_path / "rgb.jpg", data.immunohistochemistry())
    (tmp_path / "notes.txt").write_text("no picture")
    found = {p.name: p.pixels for p in read_pictures(tmp_path)}
    assert {n: tuple(t.shape) for n, t in found.items()} == {
        "deep/wide.tif": (1, 512, 512),
        "grey.png": (1, 512, 512),
        "rgb.jpg": (3, 512, 512),
    }
    assert all(t.dtype == torch.uint8 for t in found.values())
    assert found["deep/wide.tif"].max() == 255


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="folder: expected images"):
        read_pictures(tmp_path)


def test_a_float_picture_is_refused_by_name(tmp_path):
    io.imsave(tmp_path / "float.tif", np.zeros((9, 9), np.float32), check_contrast=False)
    with pytest.raises(ValueError, match=r"float\.tif: expected 8 or 16 bits per value, got float32"):
        read_pictures(tmp_path)


def test_tiles_of_one_picture_stay_on_one_side():
    nothing = torch.zeros(1, 1, 1, dtype=torch.uint8)
    pictures = [Picture(f"set/p{i}_t{k:02}.jpg", nothing) for i in range(60) for k in (0, 1, 10, 11)]
    training, validation = split_pictures(pictures, share=0.2)
    assert len(training) + len(validation) == 240
    assert not {p.origin for p in training} & {p.origin for p in validation}
    assert 0.1 < len(validation) / 240 < 0.3

import numpy as np
import pytest
import torch
from skimage import data, io

from napari_rpsnn.training.dataset import Picture, read_pictures, split_pictures


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    io.imsave(path, image, check_contrast=False)


def test_a_folder_is_read_with_its_subfolders(tmp_path):
    camera = data.camera()
    save(tmp_path / "grey.png", camera)
    save(tmp_path / "deep" / "wide.tif", camera.astype(np.uint16) * 16)
    save(tmp_path / "rgb.jpg", data.immunohistochemistry())
    (tmp_path / "notes.txt").write_text("no picture")
    found = {p.name: p.images for p in read_pictures(tmp_path)}
    assert {n: tuple(images[0].shape) for n, images in found.items()} == {
        "deep/wide.tif": (1, 512, 512),
        "grey.png": (1, 512, 512),
        "rgb.jpg": (3, 512, 512),
    }
    assert all(images[0].dtype == torch.uint8 for images in found.values())
    assert found["deep/wide.tif"][0].max() == 255


def test_the_manifest_has_hashes_and_licences(tmp_path):
    save(tmp_path / "a.png", data.camera())
    save(tmp_path / "b.png", data.camera())
    (tmp_path / "SOURCES.csv").write_text("file,licence\na.png,CC0-1.0\n")
    first, second = read_pictures(tmp_path)
    assert (first.licence, second.licence) == ("CC0-1.0", "")
    assert first.sha256 == second.sha256
    assert len(first.sha256) == 64


def test_triples_and_sharp_pictures_may_be_mixed(tmp_path):
    for folder, value in (("img1", 1), ("img2", 2), ("gt", 3)):
        save(tmp_path / "measured" / folder / "x.png", np.full((40, 40), value, np.uint8))
    save(tmp_path / "sharp.png", data.camera())
    triple, sharp = read_pictures(tmp_path)
    assert triple.is_triple
    assert [int(image[0, 0, 0]) for image in triple.images] == [1, 2, 3]
    assert not sharp.is_triple


def test_16_bit_triples_get_one_stretch(tmp_path):
    truth = np.linspace(100, 4000, 1600).reshape(40, 40).astype(np.uint16)
    for folder, image in (("img1", truth // 2), ("img2", truth), ("gt", truth)):
        save(tmp_path / folder / "x.tif", image)
    near, far, sharp = read_pictures(tmp_path)[0].images
    assert torch.equal(far, sharp)
    assert near.float().mean() < 0.6 * sharp.float().mean()


def test_triples_that_do_not_match_are_refused(tmp_path):
    save(tmp_path / "gt" / "x.png", np.zeros((40, 40), np.uint8))
    save(tmp_path / "img1" / "x.png", np.zeros((40, 40), np.uint8))
    with pytest.raises(ValueError, match=r"expected images of its name in img1 and img2 too, missing .*img2"):
        read_pictures(tmp_path)
    save(tmp_path / "img2" / "x.png", np.zeros((40, 41), np.uint8))
    with pytest.raises(ValueError, match="expected three images of one size and depth"):
        read_pictures(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="data: expected images"):
        read_pictures(tmp_path)


def test_a_float_picture_is_refused_by_name(tmp_path):
    save(tmp_path / "float.tif", np.zeros((9, 9), np.float32))
    with pytest.raises(ValueError, match=r"float\.tif: expected 8 or 16 bits per value, got float32"):
        read_pictures(tmp_path)


def test_a_damaged_picture_is_refused_by_name(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"broken\.png: cannot be read as an image"):
        read_pictures(tmp_path)


def test_a_small_picture_is_refused_by_name(tmp_path):
    save(tmp_path / "small.png", np.zeros((20, 200), np.uint8))
    with pytest.raises(ValueError, match=r"small\.png: expected at least 64 pixels on each side, got \(20, 200\)"):
        read_pictures(tmp_path, 64)


@pytest.mark.parametrize("run", [".", "run"])
def test_panels_of_a_run_in_the_folder_or_below_are_no_pictures(tmp_path, run):
    save(tmp_path / "a.png", data.camera())
    save(tmp_path / run / "panels" / "step_0000010.png", data.camera())
    (tmp_path / run / "checkpoint.pt").write_bytes(b"")
    assert [picture.name for picture in read_pictures(tmp_path)] == ["a.png"]


def named(*names):
    return [Picture(n, (torch.zeros(1, 1, 1, dtype=torch.uint8),)) for n in names]


def test_tiles_of_one_picture_stay_on_one_side():
    pictures = named(*(f"set/p{i}_t{k:02}.jpg" for i in range(60) for k in (0, 1, 10, 11)))
    training, validation = split_pictures(pictures, share=0.2)
    assert len(training) + len(validation) == 240
    assert not {p.origin for p in training} & {p.origin for p in validation}
    assert 0.1 < len(validation) / 240 < 0.3


def test_a_small_folder_still_holds_one_picture_out():
    training, validation = split_pictures(named("a.png", "b.png", "c.png"))
    assert (len(training), len(validation)) == (2, 1)


def test_a_single_picture_serves_for_both():
    assert [len(side) for side in split_pictures(named("a_t0.png", "a_t1.png"))] == [2, 2]


def test_of_two_pictures_one_is_held_out_whatever_their_names():
    # The hashes of both are below the share that is held out.
    assert [len(side) for side in split_pictures(named("q4.png", "q7.png"))] == [1, 1]

import numpy as np
import pytest
import torch
from skimage import data, io

from napari_rpsnn.pictures import Picture, read_pictures, split_pictures


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

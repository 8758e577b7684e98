import sys
from dataclasses import replace

import numpy as np
import pytest
import yaozarrs
import zarr
from image_files import PROVENANCE, assert_same, described, pixels

from napari_rpsnn.io import read_image, write_image
from napari_rpsnn.io.image_file import ImageFile


def test_an_ome_zarr_is_valid_and_says_it_all(tmp_path):
    image = described(pixels(3, 2, 5, 7), "TCYX")
    write_image(tmp_path / "image.ome.zarr", image.data, "TCYX", like=image, provenance=PROVENANCE)
    yaozarrs.validate_zarr_store(str(tmp_path / "image.ome.zarr"))
    group = zarr.open_group(tmp_path / "image.ome.zarr", mode="r")
    assert group.attrs["napari-rpsnn"] == PROVENANCE
    assert group.attrs["multiscales"][0]["axes"][2] == {"name": "y", "type": "space", "unit": "micrometer"}


def test_colours_become_channels_of_an_ome_zarr(tmp_path):
    data = pixels(5, 7, 3, dtype=np.uint8)
    write_image(tmp_path / "image.zarr", data, "YXS", provenance={})
    assert_same(read_image(tmp_path / "image.zarr"), ImageFile(np.moveaxis(data, -1, 0), "CYX", {}, {}, tuple("RGB")))


def test_ome_zarr_0_5_is_read_at_full_resolution(tmp_path):
    data = pixels(4, 8, 8)
    levels = [
        {"path": path, "coordinateTransformations": [{"type": "scale", "scale": [0.3, size, size]}]}
        for path, size in (("s0", 0.1), ("s1", 0.2))
    ]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    ome = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": levels}]}
    group = zarr.create_group(tmp_path / "image.ome.zarr", zarr_format=3, attributes={"ome": ome})
    for path, pixels_of_level in (("s0", data), ("s1", data[:, ::2, ::2])):
        group.create_array(path, shape=pixels_of_level.shape, dtype=data.dtype)[...] = pixels_of_level
    assert_same(read_image(tmp_path / "image.ome.zarr"), replace(described(data, "ZYX"), channel_names=()))


def test_other_folders_of_zarr_are_refused(tmp_path):
    zarr.create_group(tmp_path / "series.zarr").create_group("0")
    with pytest.raises(ValueError, match="expected one image in the file, got 0"):
        read_image(tmp_path / "series.zarr")


def test_without_zarr_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zarr", None)
    (tmp_path / "image.zarr").mkdir()
    (tmp_path / "image.zarr" / ".zgroup").write_text("{}")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'napari-rpsnn\[zarr\]'"):
        read_image(tmp_path / "image.zarr")

import sys
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import yaozarrs
import zarr
from image_files import PROVENANCE, assert_same, described, pixels

from napari_rpsnn.io import ome_zarr, read_image, write_image
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


@pytest.mark.parametrize("dtype", ["q", "Q", ">q", ">u2"])
def test_any_name_and_order_of_bytes_of_a_dtype_is_written(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", pixels(3, 5, 7, dtype=np.dtype(dtype)), metadata={"axes": "ZYX"})
    image = read_image(tmp_path / "a.tif")
    write_image(tmp_path / "a.ome.zarr", np.asarray(image.data).astype(dtype), "ZYX", provenance={})
    again = read_image(tmp_path / "a.ome.zarr").data
    assert again.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(again[...], image.data[...])


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


def folder_of(tmp_path, data, axes, transformations, channels=(), version="0.4", names=None):
    """An OME-Zarr that zarr, not we, has written."""
    group = zarr.create_group(tmp_path / "in.ome.zarr", zarr_format=2)
    chunks = (1,) * (data.ndim - 2) + (4, 4)
    group.create_array("0", shape=data.shape, dtype=data.dtype, chunks=chunks)[...] = data
    kinds = {"t": "time", "c": "channel"}
    described_axes = [
        {"name": name, "type": kinds.get(axis, "space")} | ({"unit": "micrometer"} if axis in "zyx" else {})
        for axis, name in zip(axes, names or axes, strict=True)
    ]
    image = {"axes": described_axes, "datasets": [{"path": "0", "coordinateTransformations": transformations}]}
    group.attrs.update({"multiscales": [image | ({"version": version} if version else {})]})
    if channels:
        group.attrs["omero"] = {"channels": list(channels)}
    return tmp_path / "in.ome.zarr"


CHANNELS = [
    {"label": name, "color": colour, "window": {"start": 10, "end": 180, "min": 0, "max": 255}}
    for name, colour in (("DAPI", "0000FF"), ("GFP", "00FF00"))
]


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif", ".tif"])
def test_place_and_looks_are_kept(tmp_path, suffix):
    steps = [{"type": "scale", "scale": [1, 0.1, 0.1]}, {"type": "translation", "translation": [0, 20.0, 30.0]}]
    image = read_image(folder_of(tmp_path, pixels(2, 8, 8), "cyx", steps, CHANNELS))
    assert image.origin == {"Y": 20.0, "X": 30.0}
    assert image.looks == tuple({"colour": c, "window": [10.0, 180.0]} for c in ("0000FF", "00FF00"))
    path = tmp_path / f"out{suffix}"
    write_image(path, image.data[...], image.axes, like=image, provenance={})
    again = read_image(path)
    assert (again.scale, again.units, again.channel_names) == (image.scale, image.units, ("DAPI", "GFP"))
    if suffix != ".tif":  # ImageJ has no place
        assert again.origin == image.origin
    kept = {".ome.zarr": ("colour", "window"), ".ome.tif": ("colour",), ".tif": ("colour", "window")}[suffix]
    assert again.looks == tuple({name: look[name] for name in kept} for look in image.looks)


def test_the_transformation_of_a_level_comes_before_that_of_all(tmp_path):
    steps = [{"type": "scale", "scale": [0.5, 0.5]}, {"type": "translation", "translation": [1, 2]}]
    path = folder_of(tmp_path, pixels(8, 8), "yx", steps)
    group = zarr.open_group(path, mode="r+")
    (image,) = group.attrs["multiscales"]
    image["coordinateTransformations"] = [{"type": "scale", "scale": [2.0, 4.0]}]
    group.attrs["multiscales"] = [image]
    read = read_image(path)
    assert (read.scale, read.origin) == ({"Y": 1.0, "X": 2.0}, {"Y": 2.0, "X": 8.0})


@pytest.mark.parametrize("size", [0.0, -1.0, 1e-320, float("nan"), float("inf")])
def test_sizes_that_are_none_are_left_out_and_that_is_said(tmp_path, size):
    path = folder_of(tmp_path, pixels(3, 8, 8), "zyx", [{"type": "scale", "scale": [-2.0, size, 0.1]}])
    image = read_image(path)
    assert image.scale == {"Z": -2.0, "X": 0.1}  # planes that lie ever lower
    assert image.notes == (f"scale of Y: expected a positive size, got {size}; it is left out",)


def test_older_and_other_names_of_axes_are_read(tmp_path):
    steps = [{"type": "scale", "scale": [1, 1, 0.1, 0.1]}]
    path = folder_of(tmp_path, pixels(2, 3, 8, 8), "czyx", steps, version=None, names=["channel", "Z", "Y", "X"])
    assert read_image(path).axes == "CZYX"


def test_a_chunk_that_is_missing_or_cut_is_refused(tmp_path):
    """Of ours each chunk is there; a Blosc chunk that was cut is decoded from what lies behind it in memory."""
    write_image(tmp_path / "a.zarr", np.zeros((1030, 8), np.uint8), "YX", provenance={})
    first, last = (tmp_path / "a.zarr" / "0" / str(k) / "0" for k in (0, 1))
    image = read_image(tmp_path / "a.zarr")
    content = last.read_bytes()
    for size in range(0, len(content), 7):
        last.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"0/1/0: expected"):
            image.data[-1]
    last.unlink()
    with pytest.raises(ValueError, match="expected a chunk, found none"):
        list(image.planes())
    assert not image.data[:1000].any()
    first.write_bytes(b"\x02\x01\x21\x01" + (2**31).to_bytes(4, "little") * 3)
    with pytest.raises(ValueError, match=r"0/0/0: expected a Blosc chunk of 8192 bytes"):
        image.data[0]


def test_empty_chunks_of_others_are_empty(tmp_path):
    path = folder_of(tmp_path, np.zeros((8, 8), np.uint8), "yx", [{"type": "scale", "scale": [1, 1]}])
    assert not read_image(path).data[...].any()


def test_a_chunk_of_a_few_bytes_takes_no_gigabytes(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
    group.create_array("0", shape=(10**6, 10**6), dtype="u1", chunks=(10**5, 10**5), compressors=None)
    image = {"version": "0.4", "axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}
    group.attrs["multiscales"] = [image]
    (tmp_path / "a.zarr" / "0" / "0.0").write_bytes(b"few")
    with pytest.raises(ValueError, match=r"0\.0: expected at least 250000 bytes"):
        read_image(tmp_path / "a.zarr").data[0, 0]


def test_images_of_a_plate_are_listed_and_read_by_number(tmp_path):
    plate = zarr.create_group(tmp_path / "plate.zarr", zarr_format=2)
    plate.attrs["plate"] = {"wells": [{"path": "A/1"}, {"path": "B/10"}]}
    for k, well in enumerate(("A/1/0", "B/10/0")):
        folder = tmp_path / "plate.zarr" / well
        folder.parent.mkdir(parents=True)
        write_image(tmp_path / "a.zarr", pixels(5, 7) + k, "YX", provenance={})
        (tmp_path / "a.zarr").rename(folder)
    with pytest.raises(ValueError, match=r"--series takes one of: 0: A/1/0; 1: B/10/0"):
        read_image(tmp_path / "plate.zarr")
    np.testing.assert_array_equal(read_image(tmp_path / "plate.zarr", series=1).data[...], pixels(5, 7) + 1)


def test_a_plain_array_is_explained(tmp_path):
    zarr.save_array(str(tmp_path / "a.zarr"), pixels(5, 7))
    with pytest.raises(ValueError, match="got a plain Zarr array, which says nothing of its axes"):
        read_image(tmp_path / "a.zarr")


@pytest.mark.parametrize("theirs", ["notes.txt", "0/notes.txt", "labels/0/0.0", "1/0/0", "0/0/notes", ".hidden"])
def test_a_folder_is_replaced_only_if_it_is_an_image_and_nothing_else(tmp_path, theirs):
    path = tmp_path / "a.ome.zarr"
    write_image(path, pixels(5, 7), "YX", provenance={})
    write_image(path, pixels(6, 7), "YX", provenance={})
    assert read_image(path).data.shape == (6, 7)
    (path / theirs).parent.mkdir(parents=True, exist_ok=True)
    (path / theirs).write_text("ten years of work")
    with pytest.raises(FileExistsError, match=r"a\.ome\.zarr: expected a new name or what we may replace"):
        write_image(path, pixels(5, 7), "YX", provenance={})
    assert (path / theirs).read_text() == "ten years of work"
    assert read_image(path).data.shape == (6, 7)


def test_filters_that_change_the_size_of_a_chunk_are_no_damage(tmp_path):
    from numcodecs import Blosc, FixedScaleOffset

    group = zarr.create_group(tmp_path / "a.zarr", zarr_format=2)
    narrow = FixedScaleOffset(offset=0, scale=1, dtype="<u2", astype="u1")
    array = group.create_array("0", shape=(8, 8), dtype="u2", chunks=(8, 8), filters=[narrow], compressors=Blosc())
    array[...] = pixels(8, 8)
    axes = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}]
    np.testing.assert_array_equal(read_image(tmp_path / "a.zarr").data[...], pixels(8, 8))


def test_a_part_that_is_empty_is_there(tmp_path):
    image = ImageFile(np.zeros((1030, 8), np.uint8), "YX")
    ome_zarr.create(tmp_path / "a.zarr", image)
    for part in (slice(0, 1024), slice(1024, 1030)):
        place = part, slice(0, 8)
        ome_zarr.write_part(tmp_path / "a.zarr", place, image.data[place])
    ome_zarr.describe(tmp_path / "a.zarr", image, "{}", 0, 0)
    assert_same(read_image(tmp_path / "a.zarr"), image)


@pytest.mark.parametrize("samples", [2, 5])
def test_samples_that_are_no_colours_have_no_names(tmp_path, samples):
    write_image(tmp_path / "a.zarr", pixels(20, 30, samples), "YXS", provenance={})
    assert read_image(tmp_path / "a.zarr").channel_names == ()

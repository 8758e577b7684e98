import json
import resource

import numpy as np
import pytest
import tifffile
from image_files import PROVENANCE, assert_same, described, pixels
from ome_types import from_tiff
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from napari_rpsnn.io import read_image, write_image
from napari_rpsnn.io.image_file import ImageFile


def test_colours_before_the_rows_are_moved_behind_them(tmp_path):
    data = pixels(3, 5, 7, dtype=np.uint8)
    write_image(tmp_path / "image.ome.tif", data, "SYX", provenance={})
    np.testing.assert_array_equal(read_image(tmp_path / "image.ome.tif").data[...], np.moveaxis(data, 0, -1))


def test_three_channels_are_no_colours(tmp_path):
    for name in ("image.ome.tif", "image.tif"):
        write_image(tmp_path / name, pixels(3, 5, 7), "CYX", provenance={})
        assert tifffile.TiffFile(tmp_path / name).pages[0].photometric == tifffile.PHOTOMETRIC.MINISBLACK
        assert read_image(tmp_path / name).axes == "CYX"


def test_an_ome_tiff_is_valid_and_says_it_all(tmp_path):
    image = described(pixels(3, 2, 5, 7), "TCYX")
    write_image(tmp_path / "image.ome.tif", image.data, "TCYX", like=image, provenance=PROVENANCE)
    ome = from_tiff(tmp_path / "image.ome.tif", validate=False)
    assert ome.images[0].pixels.physical_size_x_quantity.to("nm").magnitude == pytest.approx(100)
    assert [channel.name for channel in ome.images[0].pixels.channels] == ["dye 0", "dye 1"]
    assert json.loads(ome.structured_annotations.comment_annotations[0].value) == PROVENANCE


def test_a_hyperstack_of_imagej(tmp_path):
    data = pixels(2, 4, 3, 5, 7)
    said = {"axes": "TZCYX", "unit": "micron", "spacing": 0.5, "finterval": 3.0}
    tifffile.imwrite(tmp_path / "stack.tif", data, imagej=True, resolution=(10, 5), metadata=said)
    scale = {"X": 0.1, "Y": 0.2, "Z": 0.5, "T": 3.0}
    assert_same(
        read_image(tmp_path / "stack.tif"),
        ImageFile(data, "TZCYX", scale, {a: "s" if a == "T" else "µm" for a in scale}),
    )


@pytest.mark.parametrize("sizes", [{"Z": 1.5}, {"X": 0.1}, {"Z": 1.5, "Y": 0.1}, {"X": 0.1, "Y": 0.1}])
def test_sizes_of_some_axes_alone_are_kept(tmp_path, sizes):
    image = ImageFile(pixels(3, 5, 7), "ZYX", sizes, dict.fromkeys(sizes, "µm"))
    write_image(tmp_path / "image.tif", image.data, "ZYX", like=image, provenance={})
    assert_same(read_image(tmp_path / "image.tif"), image)
    assert tifffile.TiffFile(tmp_path / "image.tif").is_imagej == ({"X", "Y"} <= sizes.keys())


def test_window_and_colour_of_an_only_channel_are_kept(tmp_path):
    table = np.zeros((3, 256), np.uint8)
    table[1] = np.arange(256)
    said = {"axes": "ZYX", "min": 10.0, "max": 100.0, "LUTs": [table]}
    tifffile.imwrite(tmp_path / "a.tif", pixels(3, 5, 7), imagej=True, metadata=said)
    image = read_image(tmp_path / "a.tif")
    assert image.looks == ({"window": [10.0, 100.0], "colour": "00FF00"},)
    write_image(tmp_path / "b.tif", image.data[...], "ZYX", like=image, provenance={})
    assert read_image(tmp_path / "b.tif").looks == image.looks
    theirs = tifffile.TiffFile(tmp_path / "b.tif").imagej_metadata
    assert (theirs["min"], theirs["max"]) == (10, 100)
    np.testing.assert_array_equal(theirs["LUTs"], table)


def test_what_values_stand_for_in_imagej_is_kept(tmp_path):
    """Integers with a sign are stored without one: without this they were brighter by 32768."""
    said = {"axes": "ZYX", "cf": 0, "c0": -32768.0, "c1": 1.0, "vunit": "Gray Value"}
    tifffile.imwrite(tmp_path / "a.tif", pixels(3, 5, 7), imagej=True, metadata=said)
    image = read_image(tmp_path / "a.tif")
    write_image(tmp_path / "b.tif", image.data[0], "YX", like=image, provenance={})
    theirs = tifffile.TiffFile(tmp_path / "b.tif").imagej_metadata
    assert {key: theirs.get(key) for key in said if key != "axes"} == {k: v for k, v in said.items() if k != "axes"}


def test_what_is_known_of_some_channels_alone_is_kept(tmp_path):
    """Of transmitted light there is no wavelength, and often no colour."""
    looks = (
        {"colour": "0000FF", "excitation": 405.0, "emission": 461.0},
        {},
        {"colour": "00FF00", "excitation": 488.0},
    )
    data = pixels(3, 5, 7)
    image = ImageFile(data, "CYX", channel_names=("DAPI", "DIC", ""), looks=looks)
    write_image(tmp_path / "a.ome.tif", data, "CYX", like=image, provenance={})
    assert_same(read_image(tmp_path / "a.ome.tif"), image)
    assert from_tiff(tmp_path / "a.ome.tif", validate=False).images[0].pixels.channels[1].emission_wavelength is None
    write_image(tmp_path / "a.tif", data, "CYX", like=image, provenance={})
    seen = read_image(tmp_path / "a.tif")
    assert [look["colour"] for look in seen.looks] == ["0000FF", "FFFFFF", "00FF00"]


def test_an_inverted_table_and_one_window_of_several_channels_are_read(tmp_path):
    said = {"min": 10.0, "max": 100.0}
    inverted = np.tile(np.arange(256, dtype=np.uint8)[::-1], (3, 1))
    tifffile.imwrite(tmp_path / "c.tif", pixels(2, 5, 7), imagej=True, metadata=said | {"axes": "CYX"})
    tifffile.imwrite(
        tmp_path / "z.tif", pixels(2, 5, 7), imagej=True, metadata=said | {"axes": "ZYX", "LUTs": [inverted]}
    )
    assert read_image(tmp_path / "c.tif").looks == ({"window": [10.0, 100.0]},) * 2
    assert read_image(tmp_path / "z.tif").looks == ({"window": [10.0, 100.0]},)


def test_pages_without_a_name_are_q(tmp_path):
    with tifffile.TiffWriter(tmp_path / "pages.tif") as tif:
        for plane in pixels(3, 5, 7):
            tif.write(plane, contiguous=False, metadata=None)
    tifffile.imwrite(tmp_path / "shaped.tif", pixels(6, 5, 7), resolution=(1000, 500), resolutionunit="CENTIMETER")
    assert read_image(tmp_path / "pages.tif").axes == "QYX"
    shaped = read_image(tmp_path / "shaped.tif")
    assert (shaped.axes, shaped.scale, shaped.units) == ("QYX", {"X": 0.001, "Y": 0.002}, {"X": "cm", "Y": "cm"})


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"byteorder": ">"}])
def test_planes_are_read_when_indexed(tmp_path, options, monkeypatch):
    data = pixels(2, 3, 4, 32, 32)
    tifffile.imwrite(tmp_path / "stack.ome.tif", data, metadata={"axes": "TCZYX"}, **options)
    image = read_image(tmp_path / "stack.ome.tif").data
    reads = []
    inner = image._read
    monkeypatch.setattr(image, "_read", lambda number: (reads.append(number), inner(number))[1])
    np.testing.assert_array_equal(image[1, 2, 3], data[1, 2, 3])
    assert reads == [23]
    assert image[0, 0, 0].dtype == np.dtype("uint16")
    for key in (np.s_[:, :, 1], np.s_[..., 2:5, ::-1], np.s_[1, ..., 0], np.s_[-1], np.s_[0:1, 1:, ::2], np.s_[...]):
        np.testing.assert_array_equal(image[key], data[key])


def test_no_file_stays_open(tmp_path):
    tifffile.imwrite(tmp_path / "plane.tif", pixels(32, 32), compression="zlib")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, limit[1]))
    try:
        planes = [read_image(tmp_path / "plane.tif") for _ in range(80)]
        assert all(plane.data[...].shape == (32, 32) for plane in planes)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)


def test_a_cut_file_is_refused(tmp_path):
    write_image(tmp_path / "cut.ome.tif", pixels(9, 64, 64), "ZYX", provenance={})
    content = (tmp_path / "cut.ome.tif").read_bytes()
    (tmp_path / "cut.ome.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"cut\.ome\.tif: cannot be read as an image"):
        read_image(tmp_path / "cut.ome.tif").data[...]


def test_a_damaged_header_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "bad.tif").write_bytes(b"II*\0junk")
    with pytest.raises(ValueError, match=r"bad\.tif: cannot be read as an image: IndexError: 0"):
        read_image(tmp_path / "bad.tif")


def test_several_images_in_a_file_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "two.ome.tif", ome=True) as tif:
        tif.write(pixels(5, 7))
        tif.write(pixels(6, 7))
    with pytest.raises(ValueError, match="expected one image in the file, got 2"):
        read_image(tmp_path / "two.ome.tif")


def test_axes_without_a_name_keep_their_order(tmp_path):
    image = ImageFile(pixels(2, 3, 4, 5, 7), "QTQYX")
    write_image(tmp_path / "image.tif", image.data, image.axes, provenance={})
    assert_same(read_image(tmp_path / "image.tif"), image)


def test_grey_with_alpha_stays_together(tmp_path):
    image = ImageFile(pixels(5, 7, 2, dtype=np.uint8), "YXS")
    write_image(tmp_path / "image.tif", image.data, "YXS", provenance={})
    assert_same(read_image(tmp_path / "image.tif"), image)


def test_the_name_of_an_only_channel_is_kept(tmp_path):
    image = ImageFile(pixels(5, 7), "YX", channel_names=("GFP",))
    write_image(tmp_path / "image.ome.tif", image.data, "YX", like=image, provenance={})
    assert_same(read_image(tmp_path / "image.ome.tif"), image)


@pytest.mark.parametrize("lens", [{}, {0x829A: IFDRational(1, 250), 0xA434: "a lens"}])
@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
def test_where_a_camera_was_is_kept(tmp_path, suffix, lens):
    exif = Image.Exif()
    place = {0: b"\2\3\0\0", 1: "S", 2: (IFDRational(48), IFDRational(8), IFDRational(617, 50)), 5: b"\1"}
    exif.get_ifd(0x8825).update(place)
    exif.get_ifd(0x8769).update(lens)
    Image.fromarray(pixels(8, 9, 3, dtype=np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    image = read_image(tmp_path / "a.jpg")
    for name in ("once", "again"):  # a TIFF's own is carried on, too
        path = tmp_path / f"{name}{suffix}"
        write_image(path, image.data[...], "YXS", like=image, provenance={})
        image = read_image(path)
    with Image.open(path) as picture:
        assert dict(picture.getexif().get_ifd(0x8825)) == place
        assert dict(picture.getexif().get_ifd(0x8769)) == lens
    with tifffile.TiffFile(path) as tif:
        assert tif.pages.first.tags["GPSTag"].value["GPSLatitude"] == (48, 1, 8, 1, 617, 50)
        assert not {65000, 65001} & set(tif.pages.first.tags.keys())

"""What is read is what is seen: Pillow, which shows pictures, says what that is."""

import numpy as np
import pytest
import tifffile
from image_files import pixels
from PIL import Image, ImageOps

from napari_rpsnn.io import read_image

COLOUR = pixels(20, 30, 3, dtype=np.uint8)
GREY = pixels(20, 30, dtype=np.uint8)


def as_seen(path):
    with Image.open(path) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def as_read(path):
    image = read_image(path)
    data = np.asarray(image.data[...])
    return data if image.axes == "YXS" else np.repeat(data[..., None], 3, -1)


@pytest.mark.parametrize("suffix", [".tif", ".png", ".bmp"])
def test_palettes_are_colours(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(COLOUR).quantize(64).save(path)
    np.testing.assert_array_equal(as_read(path), as_seen(path))
    assert read_image(path).axes == "YXS"


def test_a_palette_that_is_a_ramp_is_a_way_to_show_a_channel(tmp_path):
    """ImageJ gives one colour to a channel of fluorescence: its values stay."""
    ramp = np.zeros((3, 256), np.uint16)
    ramp[1] = np.arange(256) * 257
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="palette", colormap=ramp)
    image = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(image.data[...], GREY)
    assert image.axes == "YX"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_where_white_is_0_values_are_turned(tmp_path, dtype, compression):
    values = pixels(20, 30, dtype=dtype)
    top = np.iinfo(dtype).max
    options = {"photometric": "miniswhite", "metadata": None, "compression": compression}
    tifffile.imwrite(tmp_path / "a.tif", top - values, **options)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data[...], values)


def test_bits_are_black_and_white(tmp_path):
    for name in ("a.tif", "a.png"):
        Image.fromarray(GREY > 128).save(tmp_path / name)
        np.testing.assert_array_equal(as_read(tmp_path / name), as_seen(tmp_path / name))


@pytest.mark.parametrize("name", ["a.tif", "a.jpg"])
def test_inks_are_colours(tmp_path, name):
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / name)
    difference = as_read(tmp_path / name).astype(int) - as_seen(tmp_path / name)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_pictures_are_turned_as_the_camera_says(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(COLOUR).save(path, exif=exif)
    np.testing.assert_array_equal(as_read(path), as_seen(path))


def test_numbers_that_we_do_not_know_to_show_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "lab.tif", COLOUR, photometric="cielab")
    with pytest.raises(ValueError, match=r"lab\.tif: .*expected numbers that are seen.*got CIELAB"):
        read_image(tmp_path / "lab.tif")
    tifffile.imwrite(tmp_path / "float.tif", GREY.astype(np.float32), photometric="miniswhite")
    with pytest.raises(ValueError, match=r"float\.tif: .*got MINISWHITE of float32"):
        read_image(tmp_path / "float.tif")


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_grey_with_alpha_is_rgba(tmp_path, kind, planes, compression):
    values = pixels(planes, 20, 30, 2)
    options = {"photometric": "minisblack", "extrasamples": [kind], "compression": compression}
    tifffile.imwrite(tmp_path / "a.tif", values, planarconfig="contig", **options)
    tifffile.imwrite(tmp_path / "b.tif", np.moveaxis(values, -1, 1), planarconfig="separate", **options)
    chunky, apart = (read_image(tmp_path / name) for name in ("a.tif", "b.tif"))
    assert (chunky.axes[-3:], apart.axes[-3:]) == ("YXS", "SYX")
    np.testing.assert_array_equal(np.reshape(chunky.data, (planes, 20, 30, 4)), values[..., [0, 0, 0, 1]])
    expected = np.moveaxis(values[..., [0, 0, 0, 1]], -1, 1)
    np.testing.assert_array_equal(np.reshape(apart.data, (planes, 4, 20, 30)), expected)


def test_two_samples_that_are_no_alpha_stay_two(tmp_path):
    values = pixels(20, 30, 2)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", planarconfig="contig")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data, values)

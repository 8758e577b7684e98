import io
import json
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from image_files import PROVENANCE, pixels
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

from napari_rpsnn.io import read_image, write_image
from napari_rpsnn.io.formats import check_writable, is_ours

COLOUR = pixels(20, 30, 3, dtype=np.uint8)
DEEP = pixels(20, 30, 3) * 250


def photo(path):
    """A picture with a profile, 300 dots an inch, and what a camera says."""
    exif = Image.Exif()
    exif[0x0110], exif.get_ifd(0x8769)[0x829A] = "a camera", IFDRational(1, 250)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = path.with_suffix(".png" if path.suffix == ".tif" else path.suffix)
    Image.fromarray(COLOUR).save(picture, icc_profile=profile, dpi=(300, 300), exif=exif)
    if picture != path:  # Pillow writes no directory of EXIF into a TIFF
        write_image(path, COLOUR, "YXS", like=read_image(picture), provenance={})
    return profile


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("result", [".png", ".jpg", ".tif", ".ome.tif"])
def test_profile_resolution_and_exif_are_carried(tmp_path, suffix, result):
    profile = photo(tmp_path / f"a{suffix}")
    image = read_image(tmp_path / f"a{suffix}")
    path = tmp_path / f"out{result}"
    write_image(path, COLOUR, "YXS", like=image, provenance=PROVENANCE)
    with Image.open(path) as picture:
        assert picture.info["icc_profile"] == profile
        assert [float(dots) for dots in picture.info["dpi"]] == pytest.approx([300, 300], rel=1e-3)
        exif = picture.getexif()
        assert exif[0x0110] == "a camera"
        assert float(exif.get_ifd(0x8769)[0x829A]) == pytest.approx(1 / 250)
    assert is_ours(path)


def test_a_turned_picture_is_not_turned_again(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(COLOUR).save(tmp_path / "a.jpg", exif=exif)
    image = read_image(tmp_path / "a.jpg")
    write_image(tmp_path / "out.png", image.data, "YXS", like=image, provenance={})
    np.testing.assert_array_equal(read_image(tmp_path / "out.png").data, image.data)
    assert image.data.shape == (30, 20, 3)


def test_pixel_sizes_become_dots_an_inch_and_back(tmp_path):
    image = read_image(written(tmp_path / "a.png", {"X": 0.001, "Y": 0.001}, "mm"))
    assert image.scale == pytest.approx({"X": 0.001 / 25.4, "Y": 0.001 / 25.4}, rel=1e-3)
    assert image.units == {"X": "in", "Y": "in"}


def written(path, scale, unit):
    from napari_rpsnn.io.image_file import ImageFile

    like = ImageFile(COLOUR, "YXS", scale, dict.fromkeys(scale, unit))
    write_image(path, COLOUR, "YXS", like=like, provenance={})
    return path


def test_grey_with_alpha_is_read_as_rgba_and_never_written(tmp_path):
    image = pixels(20, 30, 2, dtype=np.uint8)
    Image.fromarray(image, "LA").save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").data, image[..., [0, 0, 0, 1]])
    Image.fromarray(image[..., 0]).save(tmp_path / "key.png", transparency=7)
    alpha = np.where(image[..., 0] == 7, 0, 255)
    np.testing.assert_array_equal(read_image(tmp_path / "key.png").data[..., 3], alpha)
    with pytest.raises(ValueError, match="grey of uint8"):
        check_writable(tmp_path / "b.png", image.shape, image.dtype, "YXS")


def test_grey_with_alpha_of_16_bits_is_written_as_rgba(tmp_path):
    imagecodecs = pytest.importorskip("imagecodecs", reason="imagecodecs is not in this environment")
    image = pixels(20, 30, 2) * 250
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(image))
    read = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(read.data, image[..., [0, 0, 0, 1]])
    write_image(tmp_path / "b.png", read.data, read.axes, like=read, provenance={})
    np.testing.assert_array_equal(read_image(tmp_path / "b.png").data, read.data)


@pytest.mark.parametrize("colours", [3, 4])
def test_16_bit_colour_is_read_and_written(tmp_path, colours):
    pytest.importorskip("imagecodecs", reason="imagecodecs is not in this environment")
    deep = pixels(20, 30, colours) * 250
    photo(tmp_path / "like.png")
    write_image(tmp_path / "a.png", deep, "YXS", like=read_image(tmp_path / "like.png"), provenance=PROVENANCE)
    again = read_image(tmp_path / "a.png")
    assert again.data.dtype == np.uint16
    np.testing.assert_array_equal(again.data, deep)
    assert again.tags["icc"]
    assert again.scale["X"] == pytest.approx(1 / 300, rel=1e-3)
    assert is_ours(tmp_path / "a.png")


def test_without_the_package_16_bit_colour_is_refused_before_the_work_and_never_cut_to_8(tmp_path):
    script = (
        "import sys, numpy as np; sys.modules['imagecodecs'] = None\n"
        "from napari_rpsnn.io.formats import check_writable\n"
        "try: check_writable('a.png', (9, 9, 3), 'uint16', 'YXS')\n"
        "except ValueError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "pip install 'napari-rpsnn[compressed]'" in said
    check_writable("a.tif", (9, 9, 3), "uint16", "YXS")


def test_several_frames_are_refused(tmp_path):
    frames = [Image.fromarray(COLOUR + np.uint8(k)) for k in range(3)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match="expected one picture, got 3"):
        read_image(tmp_path / "a.png")


def test_of_a_camera_s_jpeg_with_another_picture_in_it_the_first_is_taken(tmp_path):
    first, other = Image.fromarray(COLOUR), Image.fromarray(COLOUR[:10, :15])
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[other], quality=95)
    first.save(tmp_path / "b.jpg", quality=95)
    image = read_image(tmp_path / "a.jpg")
    np.testing.assert_array_equal(image.data, read_image(tmp_path / "b.jpg").data)
    assert image.notes == ("of its 2 pictures the first is taken",)


@pytest.mark.parametrize("sources", [0, 2, 1300])
def test_a_jpeg_of_many_sources_names_some(tmp_path, sources):
    names = [f"{k:060}.jpg" for k in range(sources)]
    write_image(tmp_path / "a.jpg", COLOUR, "YXS", provenance={**PROVENANCE, "sources": names})
    with Image.open(tmp_path / "a.jpg") as picture:
        said = json.loads(picture.info["comment"])
    assert {**said, "sources": []} == {**PROVENANCE, "sources": []}
    assert said["sources"] == (names if sources < 1300 else [*names[:650], "and 650 more"])
    assert is_ours(tmp_path / "a.jpg")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_a_cut_picture_is_refused(tmp_path, kind):
    content = io.BytesIO()
    Image.fromarray(COLOUR).save(content, kind)
    path = tmp_path / f"a.{kind.lower()}"
    ends = [len(content.getvalue()) - 1] if kind == "PNG" else []
    for size in (*range(0, len(content.getvalue()) - 20, 41), *ends):
        path.write_bytes(content.getvalue()[:size])
        with pytest.raises(ValueError, match="cannot be read as an image"):
            read_image(path)


def test_a_tiff_by_another_name_is_refused(tmp_path):
    """Of 16 bits in colour Pillow keeps 8."""
    tifffile.imwrite(tmp_path / "a.png", pixels(5, 7, 3, dtype=np.uint16), photometric="rgb")
    with pytest.raises(ValueError, match="expected a PNG, JPEG or BMP, as its name says, got TIFF: rename it"):
        read_image(tmp_path / "a.png")

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from image_files import pixels

from napari_rpsnn.io import read_image, write_image

STACK = pixels(5, 24, 31, dtype=np.uint8)


def written(path, kind):
    """A file of five planes that tifffile, not we, has written."""
    if kind == "pages":
        with tifffile.TiffWriter(path) as tif:
            for plane in STACK:
                tif.write(plane, contiguous=False, metadata=None)
    else:
        options = {
            "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
            "ome": {"ome": True, "metadata": {"axes": "ZYX", "PhysicalSizeX": 0.5}},
            "deflate": {"ome": True, "compression": "zlib", "metadata": {"axes": "ZYX"}},
            "shaped": {"photometric": "minisblack", "tile": (16, 16)},
        }[kind]
        tifffile.imwrite(path, STACK, **options)
    return path.read_bytes()


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("kind", ["imagej", "ome", "deflate", "shaped", "pages"])
def test_a_file_that_was_cut_is_refused_wherever_it_was_cut(tmp_path, kind, quiet, monkeypatch):
    """tifffile reads the pages that are left, and says so in a log that may be silent."""
    monkeypatch.setattr(logging.getLogger("tifffile"), "disabled", quiet)
    content = written(tmp_path / "whole.tif", kind)
    cut = tmp_path / "cut.tif"
    refused = 0
    for size in range(8, len(content), 97):
        cut.write_bytes(content[:size])
        try:
            got = read_image(cut)
            values = np.asarray(got.data[...])
        except ValueError as error:
            assert "cut.tif" in str(error)  # noqa: PT017
            refused += 1
        else:  # what was cut off is of no consequence
            np.testing.assert_array_equal(values, STACK)
            assert got.scale == read_image(tmp_path / "whole.tif").scale
    assert refused > 0.9 * len(content) / 97


@pytest.mark.parametrize("said", [6, 9])
def test_other_pages_than_the_metadata_say_are_refused(tmp_path, said):
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, metadata={"axes": "ZYX"})
    tifffile.tiffcomment(tmp_path / "a.tif", f"ImageJ=1.11a\nimages={said}\nslices={said}\n")
    with pytest.raises(ValueError, match=r"a\.tif: .*expected"):
        read_image(tmp_path / "a.tif")


def test_wrong_bytes_in_a_compressed_plane_are_named(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        place = tif.pages[2].dataoffsets[0]
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[place + 5 : place + 25] = b"\xff" * 20
    (tmp_path / "a.tif").write_bytes(content)
    image = read_image(tmp_path / "a.tif").data
    np.testing.assert_array_equal(image[1], STACK[1])
    with pytest.raises(ValueError, match=r"a\.tif: plane 2 cannot be read"):
        image[2]


@pytest.mark.parametrize("options", [{"compression": "zlib"}, {"tile": (16, 16)}])
def test_threads_that_share_an_image_read_right_values(tmp_path, options):
    stack = pixels(24, 100, 100)
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, metadata={"axes": "ZYX"}, **options)
    for _ in range(3):
        image = read_image(tmp_path / "a.ome.tif").data
        with ThreadPoolExecutor(8) as pool:
            for number, plane in enumerate(pool.map(lambda k, image=image: image[k], range(24))):
                np.testing.assert_array_equal(plane, stack[number])


@pytest.mark.parametrize("name", ["../far.ome.tif", "/etc/hostname", "sub/far.ome.tif", ".."])
def test_companions_elsewhere_are_not_followed(tmp_path, name):
    folder = tmp_path / "in"
    folder.mkdir()
    tifffile.imwrite(tmp_path / "far.ome.tif", STACK, metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "a.ome.tif", STACK, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(folder / "a.ome.tif") as tif:
        xml = tif.ome_metadata
    named = xml.replace('PlaneCount="5"/>', f'PlaneCount="5"><UUID FileName="{name}">urn:uuid:1</UUID></TiffData>')
    assert named != xml
    tifffile.tiffcomment(folder / "a.ome.tif", named.encode())
    with pytest.raises(ValueError, match="expected companions in the folder of the file"):
        read_image(folder / "a.ome.tif")


def test_a_few_bytes_take_no_gigabytes(tmp_path):
    """The header of a plane of 65000x65000 pixels before data of a few bytes."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((64, 64), np.uint8), compression="zlib", metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tif:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tif.pages[0].tags[name].overwrite(65000)
    with pytest.raises(ValueError, match=r"a\.tif: .*plane 0: expected at least 105625 bytes for 4225000000, got"):
        read_image(tmp_path / "a.tif")


def test_what_cannot_be_decompressed_is_refused_with_the_line_to_install(tmp_path):
    from PIL import Image

    Image.fromarray(STACK[0]).save(tmp_path / "a.tif", compression="tiff_lzw")
    script = (
        "import sys; sys.modules['imagecodecs'] = None\n"
        "from napari_rpsnn.io import read_image\n"
        "try: read_image(sys.argv[1])\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    command = [sys.executable, "-c", script, tmp_path / "a.tif"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ).stdout
    assert f"{tmp_path / 'a.tif'}: reading a TIFF with LZW compression needs one more package" in said
    assert "pip install 'napari-rpsnn[compressed]'" in said


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg", "packbits", "tiff_adobe_deflate"])
def test_the_usual_compressions_are_read(tmp_path, compression):
    pytest.importorskip("imagecodecs", reason="imagecodecs is not in this environment")
    from PIL import Image

    flat = np.full((32, 32), 77, np.uint8)
    Image.fromarray(flat).save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").data[...], flat)


def test_one_of_several_images_is_read_when_it_is_named(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tif:
        for k in range(3):
            tif.write(STACK + k, metadata={"axes": "ZYX", "Name": f"position {k}", "PhysicalSizeX": k + 1})
    with pytest.raises(ValueError, match=r"got 3; --series takes one of: 0: \(5, 24, 31\) uint8 position 0; 1: "):
        read_image(tmp_path / "a.ome.tif")
    second = read_image(tmp_path / "a.ome.tif", series=1)
    np.testing.assert_array_equal(second.data[...], STACK + 1)
    assert second.scale == {"X": 2}
    with pytest.raises(ValueError, match="no series 3"):
        read_image(tmp_path / "a.ome.tif", series=3)


def test_what_is_read_again_is_what_was_written(tmp_path, monkeypatch):
    """A disk that keeps other bytes than it was given."""
    write_image(tmp_path / "a.tif", STACK, "ZYX", provenance={})
    before = (tmp_path / "a.tif").read_bytes()
    inner = tifffile.imwrite
    monkeypatch.setattr(tifffile, "imwrite", lambda path, data, **how: inner(path, data // 2, **how))
    with pytest.raises(OSError, match=r"a\.tif: cannot be written: expected .* to be on the disk"):
        write_image(tmp_path / "a.tif", STACK, "ZYX", provenance={})
    assert (tmp_path / "a.tif").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]

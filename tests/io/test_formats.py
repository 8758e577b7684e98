import json
import resource
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from image_files import PROVENANCE, assert_same, described, pixels
from PIL import Image
from skimage.io import imread, imsave

from napari_rpsnn.io import read_image, write_image
from napari_rpsnn.io.formats import FORMATS, SUFFIXES, check_writable, chunked_format, suffix_of
from napari_rpsnn.io.image_file import ImageFile, PlaneArray


@pytest.mark.parametrize("suffix", [".ome.tif", ".tif", ".ome.zarr"])
@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (5, 7)), ("TYX", (3, 5, 7)), ("TCYX", (3, 2, 5, 7)), ("TCZYX", (2, 3, 4, 5, 7))]
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "int16", "float64"])
def test_what_is_written_is_read(tmp_path, suffix, axes, shape, dtype):
    image = described(pixels(*shape, dtype=dtype), axes)
    path = tmp_path / f"image{suffix}"
    write_image(path, image.data, axes, like=image, provenance=PROVENANCE)
    expected = image
    if suffix == ".tif" and axes == "TCZYX" and dtype in ("uint8", "uint16", "float32"):
        # ImageJ has one order of axes.
        expected = replace(image, data=image.data.swapaxes(1, 2), axes="TZCYX")
    assert_same(read_image(path), expected)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".ome.tif", ".tif", ".png"])
@pytest.mark.parametrize("samples", [3, 4])
def test_colours_stay_colours(tmp_path, suffix, samples):
    image = ImageFile(pixels(5, 7, samples, dtype=np.uint8), "YXS")
    path = tmp_path / f"image{suffix}"
    write_image(path, image.data, "YXS", provenance=PROVENANCE)
    assert_same(read_image(path), image)
    np.testing.assert_array_equal(imread(path), image.data)
    if suffix != ".png":
        assert tifffile.TiffFile(path).pages[0].photometric == tifffile.PHOTOMETRIC.RGB


def test_16_bit_png_keeps_its_values(tmp_path):
    data = pixels(5, 7) * 250
    write_image(tmp_path / "image.png", data, "YX", provenance={})
    assert_same(read_image(tmp_path / "image.png"), ImageFile(data, "YX"))


def test_16_bit_colour_png_is_refused_and_not_cut_to_8(tmp_path):
    path = tmp_path / "image.png"
    write_image(path, pixels(5, 7, 3, dtype=np.uint8), "YXS", provenance={})
    content = bytearray(path.read_bytes())
    content[24] = 16
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"IDAT|chunk|png|16 bits in colour"):
        read_image(path)


def test_jpeg_is_written_nearly_without_loss(tmp_path):
    data = np.repeat(np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)[..., None], 3, -1)
    write_image(tmp_path / "image.jpg", data, "YXS", provenance=PROVENANCE)
    assert np.abs(imread(tmp_path / "image.jpg").astype(int) - data).max() <= 3


def test_the_provenance_is_in_the_file(tmp_path):
    data = pixels(5, 7, dtype=np.uint8)
    for suffix in (".ome.tif", ".tif", ".png", ".jpg"):
        write_image(tmp_path / f"image{suffix}", data, "YX", provenance=PROVENANCE)
    write_image(tmp_path / "plain.tif", data.astype(float), "YX", provenance=PROVENANCE)
    assert json.loads(tifffile.TiffFile(tmp_path / "image.tif").imagej_metadata["Info"]) == PROVENANCE
    plain = tifffile.TiffFile(tmp_path / "plain.tif").shaped_metadata[0]
    assert plain["napari-rpsnn"]["provenance"] == PROVENANCE
    assert json.loads(Image.open(tmp_path / "image.png").text["Description"]) == PROVENANCE
    assert json.loads(Image.open(tmp_path / "image.jpg").info["comment"]) == PROVENANCE
    for suffix in (".ome.tif", ".tif"):
        assert tifffile.TiffFile(tmp_path / f"image{suffix}").pages[0].software.startswith("napari-rpsnn ")


def test_a_plane_array_refuses_what_numpy_refuses():
    image = PlaneArray((2, 3, 3), "uint8", 1, lambda number: np.full((3, 3), number, np.uint8))
    with pytest.raises(IndexError):
        image[2]
    assert np.asarray(image).sum() == 9


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "axes", "message"),
    [
        (
            "a.png",
            (5, 5),
            "float32",
            "YX",
            "grey of uint8 or uint16; RGB of uint8 or uint16",
        ),
        ("a.png", (5, 5, 3), "uint32", "YXS", "RGB of uint8"),
        ("a.png", (2, 2, 2, 5, 5), "uint8", "TCZYX", "one picture"),
        ("a.jpg", (5, 5, 4), "uint8", "YXS", "one picture, grey of uint8; RGB of uint8, got"),
        ("a.ome.tif", (5, 5), "float16", "YX", "integers of up to 32 bits"),
        ("a.ome.tif", (2, 5, 5), "uint8", "QYX", "axes among T, C, Z, Y, X"),
        ("a.zarr", (2, 5, 5), "uint8", "QYX", "axes among T, C or S"),
        ("a.bmp", (5, 5), "uint8", "YX", "expected a name that ends with one of .ome.tif"),
        ("a.tif", (5, 5), "uint8", "TYX", "axes: expected a letter for each axis"),
    ],
)
def test_what_a_kind_cannot_hold_is_refused(tmp_path, name, shape, dtype, axes, message):
    with pytest.raises(ValueError, match=message):
        check_writable(tmp_path / name, shape, dtype, axes)
    with pytest.raises(ValueError, match=message):
        write_image(tmp_path / name, np.zeros(shape, dtype), axes, provenance={})
    assert not list(tmp_path.iterdir())


def test_what_is_no_image_is_refused_by_name(tmp_path):
    for name in ("text.png", "text.tif", "text.txt"):
        (tmp_path / name).write_text("no image")
        with pytest.raises(ValueError, match=f"{name}: cannot be read as an image"):
            read_image(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"none\.tif: expected an image, found nothing"):
        read_image(tmp_path / "none.tif")


@pytest.mark.parametrize("name", ["a.ome.tif", "a.tif", "a.png", "a.zarr"])
def test_a_failure_keeps_the_old_file_and_leaves_no_part(tmp_path, name):
    """A full disk, as far as a process can have one: no file of more than 2000 bytes."""
    old = np.zeros((8, 8), np.uint8)
    write_image(tmp_path / name, old, "YX", provenance={})
    script = (
        "import sys, numpy as np; from napari_rpsnn.io import write_image\n"
        "data = np.random.default_rng(0).integers(0, 255, (99, 99), np.uint8)\n"
        "write_image(sys.argv[1], data, 'YX', provenance={})"
    )

    def no_space():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    command = [sys.executable, "-B", "-c", script, tmp_path / name]
    done = subprocess.run(command, preexec_fn=no_space, capture_output=True, text=True, check=False)
    assert f"OSError: {tmp_path / name}: cannot be written" in done.stderr
    np.testing.assert_array_equal(read_image(tmp_path / name).data[...], old)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    write_image(tmp_path / name, old + 1, "YX", provenance={})
    np.testing.assert_array_equal(read_image(tmp_path / name).data[...], old + 1)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.ome.tif", "a.tif", "a.png", "a.zarr"])
def test_a_disk_that_fills_in_the_last_kilobytes_keeps_the_old_file(tmp_path, name):
    """NumPy does not notice that the end of what it hands over finds no room."""
    script = (
        "import os, resource, signal, sys, numpy as np; from napari_rpsnn.io import read_image, write_image\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "path, old = sys.argv[1], None\n"
        "for rows in range(290, 302):\n"
        "    data = np.random.default_rng(rows).integers(0, 65535, (rows, 307), np.uint16)\n"
        "    write_image(path, data, 'YX', provenance={})\n"
        "    large = path if os.path.isfile(path) else path + '/0/0/0'\n"
        "    limit = os.path.getsize(large) // 4096 * 4096 - 4096 * (rows % 2)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))\n"
        "    try: write_image(path, data[::-1].copy(), 'YX', provenance={})\n"
        "    except OSError as error: print(error)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "    assert np.array_equal(read_image(path).data[...], data), rows\n"
    )
    command = [sys.executable, "-c", script, tmp_path / name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("cannot be written") == 12
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_suffixes():
    assert [suffix_of(p) for p in ("a.OME.TIF", "b.tiff", "c.ome.zarr/", "d.txt")] == [
        ".ome.tif",
        ".tiff",
        ".ome.zarr",
        "",
    ]


def test_bmp_is_read(tmp_path):
    imsave(tmp_path / "image.bmp", pixels(5, 7, dtype=np.uint8), check_contrast=False)
    np.testing.assert_array_equal(read_image(tmp_path / "image.bmp").data, pixels(5, 7, dtype=np.uint8))


def test_every_kind_of_file_offers_the_same():
    """What is in the table is all that the rest knows of a kind of file."""
    names = [suffix for kind in FORMATS for suffix in kind.SUFFIXES]
    assert len(set(names)) == len(names)
    assert all(set(kind.WRITTEN) <= set(kind.SUFFIXES) for kind in FORMATS)
    assert all(callable(getattr(kind, name)) for kind in FORMATS for name in ("read", "refusal", "write"))
    assert [chunked_format(f"a{suffix}") is not None for suffix in (".ome.zarr", ".ome.tif", ".png", ".txt")] == [
        True,
        False,
        False,
        False,
    ]


def test_a_new_kind_of_file_is_one_line(tmp_path, monkeypatch):
    """A kind that the package has not, NumPy's own, as a module of its own would offer it."""

    class Npy:
        SUFFIXES = WRITTEN = (".npy",)
        RESULT_SUFFIXES, LOSSY = None, ()
        is_image = staticmethod(lambda path: path.suffix == ".npy")
        read = staticmethod(lambda path, series=None: ImageFile(np.load(path), "YX"))
        refusal = staticmethod(lambda suffix, image: "" if image.axes == "YX" else "one picture")

        @staticmethod
        def write(path, suffix, image, provenance):
            with path.open("wb") as file:
                np.save(file, image.data)
            return image.data

        may_replace = staticmethod(lambda folder: False)

    monkeypatch.setattr("napari_rpsnn.io.formats.FORMATS", (*FORMATS, Npy))
    monkeypatch.setattr("napari_rpsnn.io.formats.SUFFIXES", (*SUFFIXES, ".npy"))
    write_image(tmp_path / "a.npy", pixels(5, 7), "YX", provenance={})
    assert_same(read_image(tmp_path / "a.npy"), ImageFile(pixels(5, 7), "YX"))

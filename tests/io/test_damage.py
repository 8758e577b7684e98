"""Files that were damaged anywhere: an image or a ValueError that names the file, never another exception."""

import os
import shutil

import numpy as np
import pytest
import tifffile
from image_files import described, pixels
from PIL import Image

from napari_rpsnn.io import read_image, write_image

#: How many damaged files of each kind; many more with SOAK=100.
CASES = 60 * int(os.environ.get("SOAK", "1"))

STACK = pixels(3, 24, 31, dtype=np.uint8)
COLOUR = pixels(24, 31, 3, dtype=np.uint8)


def whole(path):
    """Write an image of the kind that the path names; return its values."""
    kind = path.name.split(".", 1)[1]
    if kind in ("png", "jpg"):
        write_image(path, COLOUR, "YXS", provenance={})
    elif kind == "bmp":
        Image.fromarray(COLOUR).save(path)
    elif kind == "deflated.ome.tif":
        tifffile.imwrite(path, STACK, compression="zlib", metadata={"axes": "ZYX"})
    elif kind == "tiled.tif":
        tifffile.imwrite(path, STACK, tile=(16, 16), compression="zlib", photometric="minisblack")
    else:
        data = STACK.astype(float) if kind == "plain.tif" else STACK
        write_image(path, data, "ZYX", like=described(data, "ZYX"), provenance={})
    return np.asarray(read_image(path).data[...])


def damaged(content, rng):
    """The content, cut or with some bytes changed, at the beginning more often; and whether it was cut."""
    content = bytearray(content)
    how = rng.integers(4)
    if how == 0:
        return content[: rng.integers(len(content))], True
    if how == 3:
        start = rng.integers(len(content))
        content[start : start + 40] = bytes(len(content[start : start + 40]))
    else:
        for _ in range(rng.integers(1, 6)):
            content[rng.integers(len(content) if how == 1 else min(len(content), 400))] = rng.integers(256)
    return content, False


def read(path):
    image = read_image(path)
    return np.asarray(image.data[...])


KINDS = ["ome.tif", "tif", "plain.tif", "deflated.ome.tif", "tiled.tif", "png", "jpg", "bmp"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_an_image_or_refused_by_name(tmp_path, kind):
    truth = whole(tmp_path / f"whole.{kind}")
    content = (tmp_path / f"whole.{kind}").read_bytes()
    rng, path, refused = np.random.default_rng(0), tmp_path / f"a.{kind}", 0
    for _ in range(CASES):
        changed, cut = damaged(content, rng)
        path.write_bytes(changed)
        try:
            got = read(path)
        except (ValueError, ModuleNotFoundError) as error:
            assert path.name in str(error)  # noqa: PT017
            refused += 1
        else:
            # What was cut is refused, or nothing of the image was cut off.
            assert not cut or (got.shape == truth.shape and (kind == "jpg" or np.array_equal(got, truth)))
    assert refused > CASES / 10


def test_a_damaged_ome_zarr_is_an_image_or_refused_by_name(tmp_path):
    write_image(tmp_path / "whole.zarr", STACK, "ZYX", like=described(STACK, "ZYX"), provenance={})
    names = [p.relative_to(tmp_path / "whole.zarr") for p in (tmp_path / "whole.zarr").rglob("*") if p.is_file()]
    rng, path = np.random.default_rng(0), tmp_path / "a.zarr"
    for _ in range(CASES):
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(tmp_path / "whole.zarr", path)
        file = path / names[rng.integers(len(names))]
        changed, cut = damaged(file.read_bytes(), rng)
        file.unlink() if rng.integers(3) == 0 else file.write_bytes(changed)
        cut = cut or not file.exists()
        try:
            got = read(path)
        except ValueError as error:
            assert path.name in str(error)  # noqa: PT017
        else:
            assert not (cut and file.name.isdecimal()) or np.array_equal(got, STACK)

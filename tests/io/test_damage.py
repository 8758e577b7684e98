"""Files that were damaged anywhere: an image or a ValueError that names the file, never another exception."""

import shutil

import numpy as np
import pytest
import tifffile
from generated import damages, examples
from hypothesis import given
from hypothesis import strategies as st
from image_files import described, pixels
from PIL import Image

from napari_rpsnn.io import read_image, write_image

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


def read(path):
    image = read_image(path)
    return np.asarray(image.data[...])


KINDS = ["ome.tif", "tif", "plain.tif", "deflated.ome.tif", "tiled.tif", "png", "jpg", "bmp"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_an_image_or_refused_by_name(tmp_path, kind):
    truth = whole(tmp_path / f"whole.{kind}")
    content = (tmp_path / f"whole.{kind}").read_bytes()
    path, refused = tmp_path / f"a.{kind}", []

    @examples(60)
    @given(damages())
    def check(damage):
        change, cut = damage
        path.write_bytes(change(content))
        try:
            got = read(path)
        except (ValueError, ModuleNotFoundError) as error:
            refused.append(error)
            assert path.name in str(error)  # noqa: PT017
        else:
            # What was cut is refused, or nothing of the image was cut off.
            assert not cut or (got.shape == truth.shape and (kind == "jpg" or np.array_equal(got, truth)))

    check()
    assert len(refused) > 6


def test_a_damaged_ome_zarr_is_an_image_or_refused_by_name(tmp_path):
    write_image(tmp_path / "whole.zarr", STACK, "ZYX", like=described(STACK, "ZYX"), provenance={})
    names = [p.relative_to(tmp_path / "whole.zarr") for p in (tmp_path / "whole.zarr").rglob("*") if p.is_file()]
    path = tmp_path / "a.zarr"

    @examples(60)
    @given(damages(), st.sampled_from(sorted(names)), st.sampled_from([True, False, False]))
    def check(damage, name, lost):
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(tmp_path / "whole.zarr", path)
        change, cut = damage
        (path / name).unlink() if lost else (path / name).write_bytes(change((path / name).read_bytes()))
        try:
            got = read(path)
        except ValueError as error:
            assert path.name in str(error)  # noqa: PT017
        else:
            assert not ((cut or lost) and name.name.isdecimal()) or np.array_equal(got, STACK)

    check()

import json

import numpy as np
import pytest
import tifffile
from PIL import Image
from shell import fuse
from skimage import data

from napari_rpsnn import fuse_stack
from napari_rpsnn.io import read_image, write_image


@pytest.fixture
def planes():
    """Three planes of uint8, without data in the first four rows, and a mask that says so."""
    made = np.stack([data.camera()[128:192, 192 + k : 256 + k] for k in range(3)])
    here = np.full((64, 64), 255, np.uint8)
    here[:4] = 0
    return made, here


@pytest.mark.parametrize("kind", ["pair", "stack"])
def test_a_mask_is_a_file_and_what_it_takes_away_is_said(planes, tmp_path, capsys, kind):
    made, here = planes
    tifffile.imwrite(tmp_path / "mask.tif", here)
    if kind == "stack":
        sources = [tmp_path / "in.tif"]
        write_image(sources[0], made, "ZYX", provenance={})
    else:
        sources = [tmp_path / f"{k}.tif" for k in range(2)]
        for k, path in enumerate(sources):
            write_image(path, made[k], "YX", provenance={})
    paths = {name: tmp_path / f"{name}.tif" for name in ("out", "map")}
    arguments = "-o", paths["out"], "--map", paths["map"], "--report", tmp_path / "r.json", "--device", "cpu"
    assert fuse(*sources, *arguments, "--mask", tmp_path / "mask.tif") == 0
    assert "Where the mask leaves no image any data, the result is 0." in capsys.readouterr().err
    fused, index = (np.asarray(read_image(path).data[...]) for path in paths.values())
    assert (fused[:4] == 0).all()
    assert (fused[4:] > 0).any()
    assert (np.isnan(index[:4]) if kind == "pair" else index[:4] == 255).all()
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["options"]["mask"] is True
    assert sum(report["shares"]) == pytest.approx(1)


@pytest.mark.parametrize("axes", ["TCZYX", "TZCYX"])  # OME's usual order, and ImageJ's
@pytest.mark.parametrize("guide", [[], ["--guide-channel", "0"]])
def test_a_mask_of_planes_is_one_of_planes_whatever_the_order_of_axes(tmp_path, capsys, axes, guide):
    planes = np.stack([data.camera()[128:176, 192 + k : 240 + k] for k in range(3)])
    channels = np.stack([np.stack([planes, planes // 2, planes // 3])] * 2)  # as many channels as planes
    write_image(tmp_path / "in.tif", np.einsum(f"TCZYX->{axes}", channels), axes, provenance={})
    here = np.ones(planes.shape, np.uint8)
    here[1] = 0
    tifffile.imwrite(tmp_path / "mask.tif", here, photometric="minisblack")
    arguments = tmp_path / "in.tif", "-o", tmp_path / "out.tif", "--map", tmp_path / "map.tif", "--device", "cpu"
    assert fuse(*arguments, *guide, "--mask", tmp_path / "mask.tif") == 0
    assert set(np.unique(read_image(tmp_path / "map.tif").data[...])) == {0, 2}
    assert "no image any data" not in capsys.readouterr().err


@pytest.mark.parametrize("axes", ["ZYX", "TYX"])
@pytest.mark.parametrize("count", [2, 3])
def test_axes_of_a_mask_go_by_their_names(planes, tmp_path, axes, count):
    stack = np.stack([planes[0][:count]] * count)[:, :, None].repeat(count, 2)
    mask = np.ones((count, 64, 64), np.uint8)
    mask[0, :32] = 0
    write_image(tmp_path / "in.ome.tif", stack, "TZCYX", provenance={})
    write_image(tmp_path / "mask.ome.tif", mask, axes, provenance={})
    out = tmp_path / "out.ome.tif"
    assert fuse(tmp_path / "in.ome.tif", "-o", out, "--device", "cpu", "--mask", tmp_path / "mask.ome.tif") == 0
    by_axes = mask[None, :, None] if axes == "ZYX" else mask[:, None, None]
    expected = np.ma.filled(fuse_stack(stack, axis=1, mask=by_axes, device="cpu"), 0)
    np.testing.assert_array_equal(read_image(out).data[...], expected)


def test_a_mask_of_two_images_with_channels_has_one_for_each(grey_pair, tmp_path):
    near, far = (np.stack([image, 255 - image]) for image in grey_pair[:2])
    mask = np.ones((2, *grey_pair[0].shape), np.uint8)
    mask[0, :20] = 0
    for name, image, axes in (("near", near, "CYX"), ("far", far, "CYX"), ("mask", mask, "ZYX")):
        write_image(tmp_path / f"{name}.ome.tif", image, axes, provenance={})
    paths = [tmp_path / f"{name}.ome.tif" for name in ("near", "far", "out", "mask")]
    assert fuse(*paths[:2], "-o", paths[2], "--device", "cpu", "--mask", paths[3]) == 0
    np.testing.assert_array_equal(read_image(paths[2]).data[:, :20], far[:, :20])


def test_a_mask_with_colours_and_one_that_would_be_replaced_are_refused(planes, tmp_path, capsys):
    made, here = planes
    write_image(tmp_path / "in.tif", made, "ZYX", provenance={})
    tifffile.imwrite(tmp_path / "rgb.tif", np.stack([here] * 3, -1), photometric="rgb")
    arguments = tmp_path / "in.tif", "-o", tmp_path / "out.tif"
    assert fuse(*arguments, "--mask", tmp_path / "rgb.tif") == 1
    assert "--mask: expected a file without colours and channels" in capsys.readouterr().err
    tifffile.imwrite(tmp_path / "out.tif", here)
    assert fuse(*arguments, "--mask", tmp_path / "out.tif", "--overwrite") == 1
    assert "--mask: expected outputs that are no inputs" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_grey_with_alpha_0_has_no_data(planes, tmp_path, kind):
    made, here = planes
    for k, plane in enumerate(made):
        image = np.stack([plane, np.full_like(plane, 255) if k else here], -1)
        image[:4, :, 0] += np.uint8(90 * (k == 0))
        if kind == "png":
            Image.fromarray(image, "LA").save(tmp_path / f"{k}.png")
        else:
            tifffile.imwrite(tmp_path / f"{k}.tif", image, photometric="minisblack", extrasamples=["unassalpha"])
    assert fuse(tmp_path / f"*.{kind}", "-o", tmp_path / f"out.{kind}", "--device", "cpu") == 0
    out = np.asarray(read_image(tmp_path / f"out.{kind}").data[...])
    assert out.shape == (64, 64, 4)
    assert (out[..., 3] == 255).all()
    assert ((out[:4, :, 0] == made[1, :4]) | (out[:4, :, 0] == made[2, :4])).mean() > 0.95

"""Parts of stacks in the shell: what is fused, and where files say that the results lie."""

import json

import numpy as np
import ome_types
import pytest
import tifffile
import zarr
from scipy import ndimage as ndi
from shell import fuse
from skimage import data

from napari_rpsnn import fuse_stack
from napari_rpsnn.io import read_image, write_image
from napari_rpsnn.io.image_file import ImageFile

SIZES = {"Z": 0.5, "Y": 0.1, "X": 0.2}
UNITS = dict.fromkeys("ZYX", "µm")


@pytest.fixture(scope="module")
def planes():
    """Six planes of 48x96 pixels, each sharp in a strip of its own: uint16."""
    sharp = data.camera()[128:176, 192:288].astype(float) * 16
    stack = np.stack([ndi.gaussian_filter(sharp, 2)] * 6)
    for k in range(6):
        stack[k, :, 16 * k : 16 * (k + 1)] = sharp[:, 16 * k : 16 * (k + 1)]
    return np.rint(stack).astype(np.uint16)


def written(path, planes, scale=SIZES, **said):
    image = ImageFile(planes, "ZYX", scale, dict.fromkeys(scale, "µm"), **said)
    write_image(path, planes, "ZYX", like=image, provenance={})
    return path


@pytest.mark.parametrize("suffix", [".ome.tif", ".tif", ".ome.zarr"])
def test_a_part_is_that_of_the_array_and_lies_in_its_place(planes, tmp_path, suffix):
    origin = {"Z": 12.0, "Y": 3.0, "X": -1.0}
    stack = written(tmp_path / f"stack{suffix}", planes, origin=origin)
    maps = "--map", tmp_path / f"index{suffix}", "--height", tmp_path / f"height{suffix}"
    part = "--planes", "1-4", "--region", "8:40,16:96", "--report", tmp_path / "report.json"
    assert fuse(stack, "-o", tmp_path / f"out{suffix}", *maps, *part) == 0
    options = {"planes": (1, 4), "region": ((8, 40), (16, 96)), "plane_spacing": 0.5, "plane_origin": 12}
    expected = fuse_stack(planes, return_index=True, return_height=True, **options)
    for name, values in zip(("out", "index", "height"), expected, strict=True):
        image = read_image(tmp_path / f"{name}{suffix}")
        np.testing.assert_array_equal(image.data[...], values)
        assert image.scale == {"Y": 0.1, "X": 0.2}
        assert image.origin == pytest.approx({"Y": 3 + 8 * 0.1, "X": -1 + 16 * 0.2})
    assert 12.5 <= expected[2].min() < expected[2].max() <= 14
    report = json.loads((tmp_path / "report.json").read_text())
    assert len(report["shares"]) == 6
    assert report["shares"][0] == report["shares"][5] == 0
    assert report["options"]["planes"] == [1, 4]
    assert report["options"]["region"] == [[8, 40], [16, 96]]


def test_other_readers_find_the_place(planes, tmp_path):
    stack = written(tmp_path / "stack.ome.tif", planes)
    for suffix in (".ome.tif", ".tif", ".ome.zarr"):
        assert fuse(stack, "-o", tmp_path / f"out{suffix}", "--region", "8:40,16:96") == 0
    plane = ome_types.from_tiff(tmp_path / "out.ome.tif").images[0].pixels.planes[0]
    assert (plane.position_x, plane.position_y) == pytest.approx((3.2, 0.8))
    assert plane.position_x_unit.value == "µm"
    said = tifffile.TiffFile(tmp_path / "out.tif").imagej_metadata  # (x - xorigin) * size is the place of pixel x
    assert (said["xorigin"], said["yorigin"]) == pytest.approx((-16, -8))
    (image,) = zarr.open_group(str(tmp_path / "out.ome.zarr"), mode="r").attrs["multiscales"]
    steps = image["datasets"][0]["coordinateTransformations"]
    assert steps[1] == {"type": "translation", "translation": pytest.approx([0.8, 3.2])}


def test_a_place_without_pixel_size_counts_pixels_or_is_said_to_be_unknown(planes, tmp_path, capsys):
    stack = written(tmp_path / "stack.ome.tif", planes, {})
    assert fuse(stack, "-o", tmp_path / "out.ome.tif", "--region", "8:40,16:96") == 0
    plane = ome_types.from_tiff(tmp_path / "out.ome.tif").images[0].pixels.planes[0]
    assert (plane.position_x, plane.position_x_unit.value) == (16, "pixel")
    image = read_image(tmp_path / "out.ome.tif")
    assert (image.origin, image.scale, image.units) == ({"Y": 8, "X": 16}, {}, {"Y": "pixel", "X": "pixel"})
    assert "not known" not in capsys.readouterr().err
    stack = written(tmp_path / "placed.ome.tif", planes, {}, origin={"X": 5.0, "Y": 6.0})
    assert fuse(stack, "-o", tmp_path / "out2.ome.tif", "--region", "0:40,16:96") == 0
    assert read_image(tmp_path / "out2.ome.tif").origin == {"Y": 6.0}
    assert "the size of pixels along X is not known" in capsys.readouterr().err


def test_heights_start_where_the_file_says_or_where_it_is_asked_for(planes, tmp_path):
    stack = written(tmp_path / "stack.tif", planes, origin={"Z": -3.0})
    heights = {}
    for name, options in {"file": (), "asked": ("--plane-origin", 100, "--plane-spacing", 2)}.items():
        assert fuse(stack, "-o", tmp_path / f"{name}.tif", "--height", tmp_path / f"{name}_h.tif", *options) == 0
        heights[name] = read_image(tmp_path / f"{name}_h.tif").data[...]
    alone = fuse_stack(planes, return_height=True)[1]
    np.testing.assert_allclose(heights["file"], -3 + alone / 2, atol=1e-5)
    np.testing.assert_allclose(heights["asked"], 100 + alone * 2, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--planes", "5,20"), "argument --planes: expected the first plane and the last as 5-20, got '5,20'"),
        (("--region", "1:2"), "argument --region: expected rows and columns as 100:300,50:250, got '1:2'"),
        (("--tile", "big"), "argument --tile: expected auto or a number of pixels, got 'big'"),
        (("--guide-channel", "GFP"), "argument --guide-channel: expected a channel, or several as 0,2, got 'GFP'"),
    ],
)
def test_parts_are_given_in_one_way(tmp_path, capsys, options, message):
    with pytest.raises(SystemExit):
        fuse(tmp_path / "stack.tif", "-o", tmp_path / "out.tif", *options)
    assert message in " ".join(capsys.readouterr().err.split())


def test_parts_that_are_not_there_are_refused_before_anything_is_written(planes, tmp_path, capsys):
    stack = written(tmp_path / "stack.tif", planes)
    assert fuse(stack, "-o", tmp_path / "out.tif", "--planes", "2-6") == 1
    assert "planes: expected the first and the last one, two of 0 to 5, got 2 and 6" in capsys.readouterr().err
    assert fuse(stack, "-o", tmp_path / "out.tif", "--region", "0:49,0:9") == 1
    assert "region: expected rows and columns within 48 and 96" in capsys.readouterr().err
    assert fuse(stack, "-o", tmp_path / "out.tif", "--region", "50:10,0:5") == 1
    assert "region: expected rows and columns within 48 and 96" in capsys.readouterr().err
    assert fuse(stack, "-o", tmp_path / "out.tif", "--planes", "3-1", "--slab", 2) == 1
    assert "planes: expected the first and the last one, two of 0 to 5, got 3 and 1" in capsys.readouterr().err
    assert fuse(stack, "-o", tmp_path / "out.tif", "--plane-spacing", -1) == 1
    assert "plane_spacing: expected a positive number" in capsys.readouterr().err
    pair = [written(tmp_path / f"{name}.tif", planes[:1]) for name in "ab"]
    for option in (("--planes", "0-1"), ("--prefer", "far"), ("--order", "tree")):
        assert fuse(*pair, "-o", tmp_path / "out.tif", *option) == 1
        assert f"{option[0]}, " in (said := capsys.readouterr().err)
        assert "--plane-spacing, --plane-origin: expected a stack, got two images" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "b.tif", "stack.tif"]


def test_a_part_on_a_cluster_is_the_same(planes, tmp_path):
    pytest.importorskip("distributed")
    stack = written(tmp_path / "stack.ome.zarr", planes, origin={"Z": 2.0})
    part = "--planes", "1-4", "--region", "8:40,16:96", "--precision", "float32"
    for name, more in {"here": (), "there": ("--scheduler", "local[1]")}.items():
        maps = "--map", tmp_path / f"{name}_i.ome.zarr", "--height", tmp_path / f"{name}_h.ome.zarr"
        assert fuse(stack, "-o", tmp_path / f"{name}.ome.zarr", *maps, *part, *more) == 0
    for kind in ("", "_i", "_h"):
        here, there = (read_image(tmp_path / f"{name}{kind}.ome.zarr") for name in ("here", "there"))
        np.testing.assert_array_equal(here.data[...], there.data[...])
        assert (here.scale, here.origin) == (there.scale, there.origin)


@pytest.mark.parametrize("suffix", [".ome.tif", ".tif", ".ome.zarr"])
def test_slabs_are_a_stack_in_its_place(planes, tmp_path, suffix):
    stack = written(tmp_path / f"stack{suffix}", planes, origin={"Z": 12.0})
    maps = "--map", tmp_path / f"index{suffix}", "--height", tmp_path / f"height{suffix}"
    assert fuse(stack, "-o", tmp_path / f"out{suffix}", *maps, "--planes", "1-5", "--slab", 4) == 0
    options = {"planes": (1, 5), "slab": 4, "plane_spacing": 0.5, "plane_origin": 12}
    expected = fuse_stack(planes, return_index=True, return_height=True, **options)
    for name, values in zip(("out", "index", "height"), expected, strict=True):
        image = read_image(tmp_path / f"{name}{suffix}")
        assert (image.axes, image.data.shape) == ("ZYX", (2, 48, 96))  # planes 1 to 4, and 3 to 5
        np.testing.assert_array_equal(image.data[...], values)
        assert image.scale == pytest.approx({"Z": 1, "Y": 0.1, "X": 0.2})
        assert image.origin == pytest.approx({"Z": 12 + 0.5 * 2.5})  # the middle of planes 1 to 4


def falling(path, planes, **more):
    """An OME-TIFF whose planes lie at 10, 8, 6 and so on, in µm."""
    places = (10.0 - 2 * np.arange(len(planes))).tolist()
    said = {"axes": "ZYX", "PhysicalSizeZ": 2.0, "Plane": {"PositionZ": places, "PositionZUnit": ["µm"] * len(places)}}
    tifffile.imwrite(path, planes, metadata=said | more)
    return path


@pytest.mark.parametrize("suffix", [".ome.tif", ".tif", ".ome.zarr"])
def test_heights_and_slabs_of_planes_that_lie_ever_lower_go_down(planes, tmp_path, suffix):
    stack = falling(tmp_path / "stack.ome.tif", planes)
    height = tmp_path / "height.tif"
    assert fuse(stack, "-o", tmp_path / f"out{suffix}", "--height", height, "--planes", "1-5") == 0
    alone = fuse_stack(planes, return_height=True, planes=(1, 5))[1]
    np.testing.assert_allclose(read_image(height).data[...], 10 - 2 * alone, atol=1e-5)
    assert fuse(stack, "-o", tmp_path / f"slabs{suffix}", "--planes", "1-5", "--slab", 2) == 0
    image = read_image(tmp_path / f"slabs{suffix}")
    assert (image.scale, image.origin) == ({"Z": -2.0}, {"Z": 7.0})
    if suffix == ".ome.tif":
        pixels = ome_types.from_tiff(tmp_path / f"slabs{suffix}").images[0].pixels
        assert (pixels.physical_size_z, [plane.position_z for plane in pixels.planes]) == (2, [7, 5, 3, 1])


def test_a_spacing_of_imagej_below_0_goes_down(planes, tmp_path):
    said = {"axes": "ZYX", "unit": "um", "spacing": -2.0}
    tifffile.imwrite(tmp_path / "stack.tif", planes, imagej=True, resolution=(10, 10), metadata=said)
    maps = "--height", tmp_path / "height.tif"
    assert fuse(tmp_path / "stack.tif", "-o", tmp_path / "out.tif", *maps, "--slab", 2) == 0
    up = fuse_stack(planes, return_height=True, slab=2)[1]
    np.testing.assert_allclose(read_image(tmp_path / "height.tif").data[...], -2 * up, atol=1e-5)
    out = read_image(tmp_path / "out.tif")
    assert (out.scale["Z"], out.origin) == (-2, {"Z": -1})


def test_planes_out_of_order_and_without_size_do_not_fall(planes, tmp_path):
    for name, more in {"order": {"Plane": {"PositionZ": [9, 7, 8, 5, 4, 3]}}, "size": {"PhysicalSizeZ": 0}}.items():
        assert read_image(falling(tmp_path / f"{name}.ome.tif", planes, **more)).scale.get("Z", 1) > 0


@pytest.mark.parametrize("suffix", [".ome.tif", ".tif", ".ome.zarr"])
def test_slabs_of_planes_whose_distance_nobody_knows_lie_nowhere(planes, tmp_path, suffix):
    stack = written(tmp_path / "stack.ome.tif", planes, {"X": 0.2, "Y": 0.1})
    assert fuse(stack, "-o", tmp_path / f"out{suffix}", "--slab", 4) == 0
    image = read_image(tmp_path / f"out{suffix}")
    assert (image.scale, image.origin) == ({"X": 0.2, "Y": 0.1}, {})


@pytest.mark.parametrize("suffix", [".ome.tif", ".tif", ".ome.zarr"])
def test_slabs_lie_where_it_is_asked_for(planes, tmp_path, suffix):
    stack = written(tmp_path / "stack.ome.tif", planes, origin={"Z": 12.0})
    asked = "--plane-spacing", 3, "--plane-origin", 100
    assert fuse(stack, "-o", tmp_path / f"out{suffix}", "--slab", 4, *asked) == 0
    image = read_image(tmp_path / f"out{suffix}")
    assert image.scale == pytest.approx({"Z": 6, "Y": 0.1, "X": 0.2})
    assert image.origin == pytest.approx({"Z": 104.5})


def test_maps_have_no_window_of_intensities(planes, tmp_path):
    stack = written(tmp_path / "stack.tif", planes, looks=({"window": [100.0, 3000.0], "colour": "00FF00"},))
    maps = "--map", tmp_path / "index.tif", "--height", tmp_path / "height.tif"
    assert fuse(stack, "-o", tmp_path / "out.tif", *maps) == 0
    assert read_image(tmp_path / "out.tif").looks == read_image(stack).looks != ()
    assert read_image(tmp_path / "index.tif").looks == read_image(tmp_path / "height.tif").looks == ()


def test_slabs_of_times_and_channels_keep_their_axes(planes, tmp_path):
    image = ImageFile(np.stack([np.stack([planes, planes // 2], 1)] * 2), "TZCYX", SIZES, UNITS, ("DAPI", "GFP"))
    write_image(tmp_path / "stack.ome.tif", image.data, "TZCYX", like=image, provenance={})
    options = "--map", tmp_path / "index.ome.tif", "--guide-channel", 0, "--slab", 4
    assert fuse(tmp_path / "stack.ome.tif", "-o", tmp_path / "out.ome.tif", *options) == 0
    assert (read_image(tmp_path / "out.ome.tif").axes, read_image(tmp_path / "index.ome.tif").axes) == ("TZCYX", "TZYX")
    pixels = ome_types.from_tiff(tmp_path / "out.ome.tif").images[0].pixels
    assert (pixels.size_z, pixels.size_c, pixels.physical_size_z) == (2, 2, 1.0)
    assert [(p.the_t, p.the_z, p.the_c, p.position_z) for p in pixels.planes] == [
        (t, z, c, pytest.approx(0.75 + z)) for t in range(2) for z in range(2) for c in range(2)
    ]

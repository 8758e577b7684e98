"""What napari opens and saves through the manifest's readers and writers; files are read back by others."""

import warnings

import numpy as np
import pytest
import tifffile

from napari_rpsnn.plugin.files.axes import letters_of
from napari_rpsnn.plugin.files.reading import get_reader
from napari_rpsnn.plugin.files.writing import write_layer

RNG = np.random.default_rng(0)


def meta(ndim, **changes):
    values = {
        "scale": (2.0, 0.3, 0.3)[-ndim:],
        "translate": (0.0,) * ndim,
        "units": ("micrometer",) * ndim,
        "axis_labels": ("z", "y", "x")[-ndim:],
        "metadata": {"napari-rpsnn": {"program": "napari-rpsnn", "model": "rpsnn-lite"}},
    }
    return values | changes


@pytest.mark.parametrize(
    ("labels", "letters"),
    [
        (("z", "y", "x"), "ZYX"),
        (("-2", "-1"), "YX"),
        (("-3", "-2", "-1"), "ZYX"),
        (("axis -4", "axis -3", "axis -2", "axis -1"), "TZYX"),
        (("time", "channel", "y", "x"), "TCYX"),
        (("t", "-3", "-2", "-1"), "TZYX"),
        (("phase", "y", "x"), "QYX"),
    ],
)
def test_axes_have_the_letters_of_their_labels_else_the_usual_ones(labels, letters):
    assert letters_of(labels) == letters


def test_an_ome_tiff_has_pixel_size_and_provenance_for_others(tmp_path):
    ome_types = pytest.importorskip("ome_types")
    path = str(tmp_path / "fused.ome.tif")
    data = RNG.integers(0, 60000, (4, 20, 30)).astype(np.uint16)
    assert write_layer(path, data, meta(3)) == [path]
    pixels = ome_types.from_tiff(path).images[0].pixels
    assert (pixels.physical_size_x, pixels.physical_size_y, pixels.physical_size_z) == (0.3, 0.3, 2)
    assert pixels.physical_size_x_unit.value == "µm"
    np.testing.assert_array_equal(tifffile.imread(path), data)
    with tifffile.TiffFile(path) as file:
        assert "rpsnn-lite" in file.pages[0].description


def test_a_plain_tiff_has_it_as_imagej_does(tmp_path):
    path = str(tmp_path / "fused.tif")
    write_layer(path, RNG.random((20, 30)).astype(np.float32), meta(2))
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        numerator, denominator = tags["XResolution"].value
        assert numerator / denominator == pytest.approx(1 / 0.3)
        assert file.imagej_metadata["unit"] in ("um", "µm", "micron", "\\u00B5m")


@pytest.mark.parametrize("step", [2, -2])  # planes that lie ever higher, or lower
def test_what_is_saved_is_opened_as_it_was(tmp_path, step):
    stack = RNG.integers(0, 60000, (4, 20, 30)).astype(np.uint16)
    paths = [str(tmp_path / name) for name in ("s.ome.tif", "s.tif")]
    for path in paths:
        write_layer(path, stack, meta(3, scale=(step, 0.3, 0.3)))
        ((data, said, kind),) = get_reader(path)(path)
        np.testing.assert_array_equal(data, stack)
        assert kind == "image"
        assert said["name"] == "s"
        np.testing.assert_allclose(said["scale"], (step, 0.3, 0.3))
        assert said["units"] == ["µm"] * 3
        assert said["axis_labels"] == ["z", "y", "x"]


def test_an_ome_zarr_goes_both_ways_and_layers_of_several_scales_are_saved_in_full(tmp_path):
    pytest.importorskip("zarr")
    path = str(tmp_path / "s.ome.zarr")
    stack = RNG.integers(0, 255, (4, 20, 30)).astype(np.uint8)
    write_layer(path, [stack, stack[:, ::2, ::2]], meta(3, multiscale=True, translate=(0.0, 5.0, 7.0)))
    ((data, said, _),) = get_reader(path)(path)
    np.testing.assert_array_equal(data, stack)
    assert (said["scale"], said["translate"]) == ([2, 0.3, 0.3], [0, 5, 7])
    said_there = [path.read_text() for path in (tmp_path / "s.ome.zarr").glob("*") if path.is_file()]
    assert any("rpsnn-lite" in text for text in said_there)


@pytest.mark.parametrize("kind", ["ome.tif", "ome.zarr"])
def test_what_stays_in_its_file_and_lies_elsewhere_has_contrast(tmp_path, kind, monkeypatch):
    layers = pytest.importorskip("napari.layers", reason="napari is not in this environment")
    pytest.importorskip("zarr")
    monkeypatch.setattr("napari_rpsnn.plugin.files.reading.IN_MEMORY_BYTES", 0)
    path = str(tmp_path / f"s.{kind}")
    for stack in (RNG.integers(50, 6000, (5, 20, 30)).astype(np.uint16), RNG.random((5, 20, 30)).astype(np.float32)):
        write_layer(path, stack, meta(3, translate=(900.0, 50.0, 70.0)))
        ((data, said, _),) = get_reader(path)(path)
        assert not isinstance(data, np.ndarray)
        layer = layers.Image(data, **said)
        assert layer.contrast_limits == [stack[2].min(), stack[2].max()]
    write_layer(path, np.full((5, 20, 30), np.nan, np.float32), meta(3))  # nothing tells
    ((_, said, _),) = get_reader(path)(path)
    assert "contrast_limits" not in said


@pytest.mark.parametrize("kind", ["ome.tif", "tif", "ome.zarr"])
def test_sizes_and_places_without_a_unit_are_kept_without_one(tmp_path, kind):
    if kind == "ome.zarr":
        pytest.importorskip("zarr")
    path = str(tmp_path / f"s.{kind}")
    stack = RNG.integers(0, 60000, (4, 20, 30)).astype(np.uint16)
    for scale in ((2, 0.3, 0.3), (1, 1, 1)):  # as a layer has it whose scale a user has set, and not
        write_layer(path, stack, meta(3, scale=scale, translate=(4.0, 0.0, 7.0), units=("pixel",) * 3))
        ((_, said, _),) = get_reader(path)(path)
        np.testing.assert_allclose(said["scale"], scale)
        np.testing.assert_allclose(said["translate"], (4, 0, 7))
        assert said["units"] == ["pixel"] * 3


def test_an_affine_map_counts_and_what_it_turns_is_told_of(tmp_path):
    path = str(tmp_path / "s.ome.tif")
    image = RNG.integers(0, 255, (20, 30)).astype(np.uint8)
    affine = np.array([[2.0, 0, 5], [0, 2, 7], [0, 0, 1]])
    place = {"rotate": np.eye(2), "shear": np.zeros(1), "affine": affine, "translate": (1.0, 2.0)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_layer(path, image, meta(2, **place))
    ((_, said, _),) = get_reader(path)(path)
    np.testing.assert_allclose(said["scale"], (0.6, 0.6))
    np.testing.assert_allclose(said["translate"], (7, 11))
    quarter = np.array([[0.0, -1], [1, 0]])
    for change in ({"rotate": quarter}, {"shear": np.array([0.2])}, {"scale": (-0.3, 0.3)}):
        with pytest.warns(UserWarning, match="'cells' is turned, sheared or mirrored"):
            write_layer(path, image, meta(2, **place | change, name="cells"))
        ((_, said, _),) = get_reader(path)(path)
        assert said["scale"][0] == pytest.approx(0.6)


@pytest.mark.parametrize("plugin", [None, "napari-rpsnn"])
def test_what_a_file_cannot_hold_is_told_of_by_napari_too(tmp_path, plugin, npe2pm):
    layers = pytest.importorskip("napari.layers", reason="napari is not in this environment")
    from npe2 import PluginManifest

    npe2pm.register(PluginManifest.from_distribution("napari-rpsnn"))
    path = tmp_path / "fused.ome.tif"
    layer = layers.Image(np.zeros((20, 30), np.float16), name="fused")
    with pytest.raises(OSError, match=r"\.ome\.tif holds integers of up to 32 bits.*got the axes YX.*float16"):
        layer.save(path, plugin=plugin)
    assert not list(tmp_path.iterdir())


def test_channels_are_layers_with_their_names_and_colours(tmp_path):
    path = str(tmp_path / "cells.ome.tif")
    data = RNG.integers(0, 255, (3, 2, 20, 30)).astype(np.uint8)
    channels = {"Name": ["DAPI", "GFP"], "Color": [0x0000FFFF, 0x00FF00FF]}
    tifffile.imwrite(path, data, ome=True, metadata={"axes": "ZCYX", "PhysicalSizeX": 0.2, "Channel": channels})
    layers = get_reader(path)(path)
    assert [said["name"] for _, said, _ in layers] == ["cells DAPI", "cells GFP"]
    for channel, (part, said, _) in enumerate(layers):
        np.testing.assert_array_equal(part, data[:, channel])
        assert said["axis_labels"] == ["z", "y", "x"]
        assert said["scale"][-1] == 0.2
    assert layers[1][1]["colormap"] == "#00ff00"


@pytest.mark.parametrize("unit", ["reference frame", "gray value", "(", "pixel"])
def test_a_unit_that_napari_does_not_know_keeps_no_file_from_being_opened(tmp_path, unit):
    layers = pytest.importorskip("napari.layers", reason="napari is not in this environment")
    path = str(tmp_path / "cells.ome.tif")
    sizes = {"PhysicalSizeX": 0.2, "PhysicalSizeXUnit": unit, "PhysicalSizeY": 0.2, "PhysicalSizeYUnit": "nm"}
    tifffile.imwrite(path, np.zeros((20, 30), np.uint8), ome=True, metadata={"axes": "YX", **sizes})
    ((data, said, _),) = get_reader(path)(path)
    layer = layers.Image(data, **said)
    assert tuple(layer.scale) == (0.2, 0.2)
    assert [str(one) for one in layer.units] == ["nanometer", "pixel"]


def test_colours_stay_colours_and_pixels_without_a_size_have_none(tmp_path):
    path = str(tmp_path / "tissue.tif")
    picture = RNG.integers(0, 255, (20, 30, 3)).astype(np.uint8)
    write_layer(path, picture, meta(2, rgb=True, scale=(1, 1), units=("pixel", "pixel")))
    ((data, said, _),) = get_reader(path)(path)
    np.testing.assert_array_equal(data, picture)
    assert (said["rgb"], said["scale"], said["units"]) == (True, [1, 1], ["pixel", "pixel"])


def test_what_is_no_image_of_ours_is_left_to_others(tmp_path):
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    for path in ([str(tmp_path / "a.tif")], str(tmp_path / "notes.txt"), str(tmp_path / "missing.tif")):
        assert get_reader(path) is None

from types import SimpleNamespace

import numpy as np
import pytest
from duck_layers import layer

from napari_rpsnn.plugin.layers import read_pair, read_stack


def test_the_result_takes_over_where_it_lies_and_how_it_looks():
    first = layer("near", scale=np.array([0.1, 0.2]), contrast_limits=[5, 50])
    second = layer("far", scale=np.array([0.1, 0.2]), contrast_limits=[0, 40])
    pair = read_pair(first, second)
    assert pair.images[0] is first.data
    assert pair.options == {"channel_axis": None, "guide_channel": None}
    assert pair.attributes["name"] == "near + far fused"
    assert tuple(pair.attributes["scale"]) == (0.1, 0.2)
    assert pair.attributes["contrast_limits"] == (0, 50)
    assert (pair.attributes["colormap"], pair.attributes["gamma"]) == ("magenta", 0.8)


def test_rgb_layers_have_colours_on_the_last_axis():
    pair = read_pair(*(layer(n, (4, 5, 3), rgb=True) for n in "ab"), guide=1)
    assert pair.options == {"channel_axis": -1, "guide_channel": 1}
    assert pair.attributes["rgb"]
    assert "colormap" not in pair.attributes


def test_multiscale_layers_give_their_full_resolution():
    full = np.zeros((8, 8))
    pair = read_pair(layer("a", multiscale=True, data=[full, full[::2, ::2]]), layer("b", (8, 8)))
    assert pair.images[0] is full


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": (4, 6)}, r"same shape, got \(4, 5\) \('a'\) and \(4, 6\) \('b'\)"),
        ({"translate": np.array([0, 2.0])}, r"same translate, got \[0.0, 0.0\] \('a'\) and \[0.0, 2.0\] \('b'\)"),
        ({"rotate": -np.eye(2)}, "same rotate"),
        ({"affine": SimpleNamespace(affine_matrix=np.ones((3, 3)))}, "same affine"),
        ({"data": np.zeros((4, 5), np.uint8)}, r"same dtype, got float64 \('a'\) and uint8 \('b'\)"),
        ({"rgb": True}, r"same kind of colour, got grey \('a'\) and RGB \('b'\)"),
    ],
)
def test_layers_that_do_not_fit_are_refused_with_both_values(changes, message):
    with pytest.raises(ValueError, match=message):
        read_pair(layer("a"), layer("b", **changes))


def test_pixels_of_other_sizes_are_refused_and_those_of_unknown_size_are_not():
    small, wide = layer("a", scale=np.array([1, 1.5])), layer("b", scale=np.array([1, 2.0]))
    with pytest.raises(ValueError, match=r"same scale, got \[1.0, 1.5\] \('a'\) and \[1.0, 2.0\] \('b'\)"):
        read_pair(small, wide)
    pair = read_pair(layer("c"), wide)
    assert tuple(pair.attributes["scale"]) == (1, 2)
    assert pair.note == "'c' has no scale and units: it is taken to lie where 'b' lies."


@pytest.mark.parametrize("moved", [1500, 1.5])
def test_where_an_affine_map_moves_a_layer_to_is_in_its_units(moved):
    registry = pytest.importorskip("pint").get_application_registry()
    layers = []
    for name, unit, size, place in (("a", "µm", 0.1, 1.5), ("b", "nm", 100, moved)):
        affine = np.array([[1, 0, place], [0, 1, 0], [0, 0, 1.0]])
        where = {"scale": np.array([size, size]), "affine": SimpleNamespace(affine_matrix=affine)}
        layers.append(layer(name, units=(registry.Unit(unit),) * 2, **where))
    if moved == 1500:
        np.testing.assert_array_equal(read_pair(*layers).attributes["affine"], layers[0].affine.affine_matrix)
    else:
        with pytest.raises(ValueError, match=r"same affine, got \[\[1.0, 0.0, 1.5\].*\('a'\) and .* \('b'\)"):
            read_pair(*layers)


def test_missing_and_equal_layers_are_refused():
    with pytest.raises(ValueError, match="Expected two image layers"):
        read_pair(layer("a"), None)
    same = layer("a")
    with pytest.raises(ValueError, match="Expected two different layers, got 'a' twice"):
        read_pair(same, same)


def test_the_result_shares_nothing_with_its_source():
    first = layer("a")
    attributes = read_pair(first, layer("b")).attributes
    attributes["affine"][0, 2] = 9
    attributes["scale"][0] = 9
    assert first.affine.affine_matrix[0, 2] == 0
    assert first.scale[0] == 1


def test_a_stack_loses_the_axis_of_its_planes():
    stack = layer("s", (7, 3, 4, 5), scale=np.array([2, 9, 0.1, 0.2]), units=("um", "s", "um", "um"))
    read = read_stack(stack, 0)
    assert read.images == (stack.data,)
    assert read.options == {"axis": 0, "channel_axis": None, "guide_channel": None}
    assert (read.planes, read.shape, read.unit) == (7, (3, 4, 5), "um")
    assert tuple(read.attributes["scale"]) == (9, 0.1, 0.2)
    assert read.attributes["units"] == ("s", "um", "um")
    assert read.attributes["name"] == "s fused"
    assert read.note is None


def test_maps_have_no_axis_of_channels_where_one_decides():
    stack = layer("s", (2, 7, 4, 5), scale=np.array([1, 2, 0.1, 0.2]))
    read = read_stack(stack, 1, channel_axis=0, guide=1)
    assert read.options == {"axis": 1, "channel_axis": 0, "guide_channel": 1}
    assert len(read.attributes["scale"]) == 3
    assert tuple(read.map_attributes["scale"]) == (0.1, 0.2)
    assert len(read_stack(stack, 1, channel_axis=0).map_attributes["scale"]) == 3


def test_a_stack_that_is_turned_out_of_its_planes_is_placed_by_its_scale_and_that_is_said():
    turned = np.eye(4)
    turned[0, 1] = 0.5
    read = read_stack(layer("s", (7, 4, 5), affine=SimpleNamespace(affine_matrix=turned)), 0)
    assert "affine" not in read.attributes
    assert "'s' is turned or sheared" in read.note


@pytest.mark.parametrize(
    ("stack", "axis", "message"),
    [
        (None, 0, "got none"),
        (layer("s"), None, r"an axis of planes beside rows and columns, got 's' of shape \(4, 5\)"),
        (layer("s", (1, 4, 5)), 0, "at least two planes, got 1"),
    ],
)
def test_what_is_no_stack_is_refused(stack, axis, message):
    with pytest.raises(ValueError, match=message):
        read_stack(stack, axis)


def test_planes_and_channels_cannot_be_the_same_axis():
    with pytest.raises(ValueError, match="different axes"):
        read_stack(layer("s", (3, 4, 5)), 0, channel_axis=0, guide=1)

"""What part of a layer the user points at, of napari's own layers."""

from types import SimpleNamespace

import numpy as np
import pytest

napari = pytest.importorskip("napari", reason="napari is not in this environment")

from napari.components import Dims  # noqa: E402
from napari.layers import Image, Shapes  # noqa: E402

from napari_rpsnn.plugin.layers import read_pair, read_stack  # noqa: E402
from napari_rpsnn.plugin.part import (  # noqa: E402
    Part,
    picture_axes,
    planes_in_margins,
    region_in_view,
    region_of_shape,
    steps_in_view,
)

TURNED = {"rotate": 30, "scale": (0.5, 0.25), "translate": (3, -2)}


def test_a_rectangle_is_the_pixels_that_it_touches():
    layer = Image(np.zeros((40, 60)), scale=(0.5, 0.25), translate=(3, -2))
    drawn = Shapes([[[3.0, -1.75], [3.0, 3.0], [8.0, 3.0], [8.0, -1.75]]], name="corner")
    assert region_of_shape(drawn, layer, (0, 1)) == ((0, 11), (1, 21))


def test_a_rectangle_on_a_layer_that_is_turned_and_a_selected_one():
    layer = Image(np.zeros((40, 60)), **TURNED)
    inside = np.array([[10, 20], [10, 30], [15, 30], [15, 20]], float)
    world = np.array([layer.data_to_world(corner) for corner in inside])
    drawn = Shapes([world, world + 100])
    drawn.selected_data = {0}
    assert region_of_shape(drawn, layer, (0, 1)) == ((10, 16), (20, 31))


def test_a_rectangle_counts_on_every_plane_and_is_cut_off_at_the_border():
    layer = Image(np.zeros((5, 2, 40, 60)))
    drawn = Shapes([[[-9, 50], [-9, 99], [8, 99], [8, 50]]])
    assert region_of_shape(drawn, layer, picture_axes(4, (0, 1))) == ((0, 9), (50, 60))


@pytest.mark.parametrize(
    ("corners", "message"),
    [([], "expected a rectangle in 'drawn', got none"), ([[-9, 0], [-9, 5], [-3, 5], [-3, 0]], "which lies beside it")],
)
def test_no_rectangle_and_one_elsewhere_are_refused(corners, message):
    layer = Image(np.zeros((40, 60)), name="stack")
    with pytest.raises(ValueError, match=message):
        region_of_shape(Shapes([corners] if corners else None, ndim=2, name="drawn"), layer, (0, 1))


def test_what_is_seen_of_a_multiscale_layer_is_counted_at_full_resolution():
    layer = Image([np.zeros((3, 64, 64)), np.zeros((3, 32, 32))], multiscale=True)
    layer._data_level = 1
    layer.corner_pixels = np.array([[1, 4, 8], [1, 15, 31]])
    assert region_in_view(layer, (1, 2), (1, 2)) == ((8, 31), (16, 63))
    with pytest.raises(ValueError, match="expected rows and columns on the screen"):
        region_in_view(layer, (1, 2), (0, 1, 2))


def test_the_margins_of_a_slider_are_planes():
    layer = Image(np.zeros((30, 8, 9)), scale=(0.5, 1, 1), translate=(10, 0, 0))
    dims = Dims(ndim=4, range=[(0, 4, 1), (10, 24.5, 0.5), (0, 7, 1), (0, 8, 1)])
    dims.point = (2, 16, 0, 0)
    assert planes_in_margins(layer, 0, dims) is None
    dims.margin_left, dims.margin_right = (0, 3.5, 0, 0), (0, 4, 0, 0)
    assert planes_in_margins(layer, 0, dims) == (5, 20)
    dims.point = (2, 10.5, 0, 0)
    assert planes_in_margins(layer, 0, dims) == (0, 9)


def test_where_the_sliders_stand():
    layer = Image(np.zeros((5, 3, 8, 9)), scale=(2, 1, 1, 1))
    dims = Dims(ndim=4, range=[(0, 8, 2), (0, 2, 1), (0, 7, 1), (0, 8, 1)])
    dims.point = (6, 1, 0, 0)
    assert steps_in_view(layer, (0,), dims) == {0: 3}
    wider = SimpleNamespace(point=(99, -4, 0, 0))
    assert steps_in_view(layer, (0, 1), wider) == {0: 4, 1: 0}


def test_a_part_is_a_view_or_read_later():
    data = np.arange(2 * 3 * 8 * 9).reshape(2, 3, 8, 9)
    part = Part(((2, 5), (0, 4)), {0: 1})
    assert np.shares_memory(part.of(data, (2, 3)), data)
    np.testing.assert_array_equal(part.of(data, (2, 3)), data[1:2, :, 2:5, :4])
    assert Part().of(data, (2, 3)) is data

    class Lazy:
        shape, dtype, ndim = data.shape, data.dtype, data.ndim

        def __getitem__(self, key):
            return data[key]

    later = part.of(Lazy(), (2, 3))
    assert later.shape == (1, 3, 3, 4)
    np.testing.assert_array_equal(later[0, 2, 1:, :2], data[1, 2, 3:5, :2])


def test_the_world_may_be_in_other_units_than_the_layer():
    registry = pytest.importorskip("pint").get_application_registry()
    layer = Image(np.zeros((5, 30, 8, 9)), scale=(2, 0.5, 0.1, 0.1), units=("s", "um", "um", "um"))
    ms, nm = registry.Unit("ms"), registry.Unit("nm")
    drawn = Shapes([[[200, 300], [200, 500], [600, 500], [600, 300]]], units=("nm", "nm"))
    dims = SimpleNamespace(ndim=4, point=(6000, 4000, 0, 0), units=(ms, nm, nm, nm))
    dims.margin_left = dims.margin_right = (0, 1500, 0, 0)
    assert steps_in_view(layer, (0,), dims) == {0: 3}
    assert planes_in_margins(layer, 1, dims) == (5, 11)
    assert region_of_shape(drawn, layer, (2, 3), dims.units) == ((2, 7), (3, 6))


PLACES = [
    {"scale": (3, 0.5, 0.25), "translate": (12, 3, -2)},
    {"rotate": [[1, 0, 0], [0, 0.6, -0.8], [0, 0.8, 0.6]], "scale": (3, 0.5, 0.25), "translate": (12, 3, -2)},
    {"shear": (0, 0, 0.3), "scale": (3, 0.5, 0.25), "affine": [[1, 0, 0, 5], [0, 0, 2, 1], [0, 1, 0, 4], [0, 0, 0, 1]]},
]


@pytest.mark.parametrize("place", PLACES)
def test_the_result_of_a_part_lies_in_its_place(place):
    layer = Image(np.zeros((12, 40, 60)), **place)
    sources = read_stack(layer, 0, part=Part(((5, 25), (10, 50))), planes=(2, 8))
    assert sources.options["planes"] == (2, 8)
    assert sources.options["region"] == ((5, 25), (10, 50))
    assert sources.options["plane_origin"] == layer.data_to_world((0, 0, 0))[0]
    made = Image(np.zeros((20, 40)), **{name: sources.attributes[name] for name in ("translate", "scale", *MORE)})
    for row, column in ((0, 0), (19, 39)):
        there = layer.data_to_world((0, row + 5, column + 10))[1:]
        np.testing.assert_allclose(made.data_to_world((row, column)), there)


@pytest.mark.parametrize("place", PLACES)
def test_slabs_lie_in_the_middle_of_their_planes(place):
    layer = Image(np.zeros((12, 40, 60)), **place)
    sources = read_stack(layer, 0, part=Part(((5, 25), (10, 50))), planes=(2, 11), slab=4)
    assert sources.shape == (4, 40 - 20, 60 - 20)
    made = Image(np.zeros(sources.shape), **{name: sources.attributes[name] for name in ("translate", "scale", *MORE)})
    for slab, row, column in ((0, 0, 0), (3, 19, 39)):  # planes 2 to 5, 4 to 7, 6 to 9, 8 to 11
        there = layer.data_to_world((3.5 + 2 * slab, row + 5, column + 10))
        np.testing.assert_allclose(made.data_to_world((slab, row, column)), there)


MORE = ("rotate", "shear", "affine")


def test_one_time_point_keeps_its_axis_and_its_place():
    data = np.arange(3 * 4 * 8 * 9).reshape(3, 4, 8, 9)
    layer = Image(data, scale=(10, 3, 1, 1), translate=(100, 0, 0, 0))
    sources = read_stack(layer, 1, part=Part(((1, 5), (0, 9)), {0: 2}))
    np.testing.assert_array_equal(sources.images[0], data[2:])
    assert np.shares_memory(sources.images[0], data)
    assert sources.shape == (1, 4, 9)
    assert tuple(sources.attributes["translate"]) == (120, 1, 0)
    assert sources.part == {"steps": {"0": 2}}


def test_of_a_pair_both_are_cut():
    first, second = (Image(np.arange(480).reshape(2, 12, 20) + k, scale=(1, 2, 3)) for k in (0, 9))
    sources = read_pair(first, second, part=Part(((3, 9), (5, 20)), {0: 1}))
    for image, layer in zip(sources.images, (first, second), strict=True):
        np.testing.assert_array_equal(image, layer.data[1:, 3:9, 5:])
    for attributes in (sources.attributes, sources.map_attributes):
        assert tuple(attributes["translate"]) == (1, 6, 15)
    assert sources.shape == (1, 6, 15)
    assert sources.part == {"region": [[3, 9], [5, 20]], "steps": {"0": 1}}


def test_of_colours_rows_and_columns_are_cut():
    layer = Image(np.zeros((4, 12, 20, 3), np.uint8), rgb=True)
    sources = read_stack(layer, 0, part=Part(((3, 9), (5, 20))))
    assert sources.shape == (6, 15, 3)
    assert tuple(sources.attributes["translate"]) == (3, 5)

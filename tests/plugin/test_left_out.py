"""What painted labels, drawn shapes and masks leave out of napari's own layers."""

import numpy as np
import pytest

napari = pytest.importorskip("napari", reason="napari is not in this environment")

from napari.layers import Image, Labels, Shapes  # noqa: E402

from napari_rpsnn.plugin.layers import read_pair, read_stack  # noqa: E402
from napari_rpsnn.plugin.part import Part  # noqa: E402
from napari_rpsnn.plugin.rows.left_out import LeftOut, has_data  # noqa: E402


def stack(shape=(4, 20, 30), **more):
    return Image(np.zeros(shape), name="stack", **more)


@pytest.mark.parametrize("shape", [(4, 20, 30), (20, 30)])
def test_labels_of_the_layer_or_of_its_last_axes(shape):
    painted = np.zeros(shape, np.uint8)
    painted[..., 3:5, 7] = 9
    for inside in (True, False):
        mask, note = has_data(LeftOut(Labels(painted), inside), stack(), (1, 2))
        np.testing.assert_array_equal(mask, (painted == 0) == inside)
        assert note is None


def test_a_mask_that_is_an_image():
    covered = np.zeros((20, 30), bool)
    covered[5:] = True
    np.testing.assert_array_equal(has_data(LeftOut(Image(covered), False), stack(), (1, 2))[0], covered)


def test_another_shape_and_another_place_are_refused_with_both_values():
    with pytest.raises(ValueError, match=r"shape \(4, 20, 30\) of 'stack', .* got \(4, 20, 31\) \('painted'\)"):
        has_data(LeftOut(Labels(np.zeros((4, 20, 31), int), name="painted"), True), stack(), (1, 2))
    moved = Labels(np.zeros((20, 30), int), name="painted", scale=(0.5, 0.5), translate=(0, 3), units="um")
    there = stack(scale=(2, 0.5, 0.5), units="um")
    with pytest.raises(
        ValueError, match=r"same translate, got \[0.0, 0.0\] \('stack'\) and \[0.0, 3.0\] \('painted'\)"
    ):
        has_data(LeftOut(moved, True), there, (1, 2))
    bare = Labels(np.zeros((20, 30), int), name="painted")
    assert has_data(LeftOut(bare, True), there, (1, 2))[1].startswith("'painted' has no scale and units")


def test_a_shape_is_left_out_on_the_planes_on_which_it_is_seen():
    box = np.array([[2, 5], [2, 9], [8, 9], [8, 5]], float)
    flat = Shapes([box], name="flat")
    on_two = Shapes([np.column_stack([[k] * 4, box]) for k in (1, 2)])
    for drawn, planes in ((flat, [0, 1, 2, 3]), (on_two, [1, 2])):
        mask = np.broadcast_to(has_data(LeftOut(drawn, True), stack(), (1, 2))[0], (4, 20, 30))
        assert sorted(set(np.nonzero(~mask)[0])) == planes
        assert not mask[planes, 3:8, 6:9].any()
        assert mask[:, 9:].all()
        assert mask[..., 10:].all()
    flat.data = []
    with pytest.raises(ValueError, match="expected shapes in 'flat', got none"):
        has_data(LeftOut(flat, True), stack(), (1, 2))


def test_shapes_may_be_in_other_units_than_the_layer():
    registry = pytest.importorskip("pint").get_application_registry()
    drawn = Shapes([[[2000, 200, 500], [2000, 200, 900], [2000, 800, 900], [2000, 800, 500]]], units=("nm",) * 3)
    layer = stack(scale=(1, 0.1, 0.1), units=("um",) * 3)
    mask = has_data(LeftOut(drawn, True), layer, (1, 2), (registry.Unit("nm"),) * 3)[0]
    assert not mask[2, 3:8, 6:9].any()
    assert mask[[0, 1, 3]].all()
    assert mask[:, 9:].all()


def test_an_ellipse_on_a_layer_that_is_turned_with_its_planes_last():
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    layer = stack((20, 30, 4), rotate=turn, scale=(0.5, 0.5, 2))
    inside = np.array([[4, 6, 2], [4, 14, 2], [12, 14, 2], [12, 6, 2]], float)
    drawn = Shapes([[layer.data_to_world(corner) for corner in inside]], shape_type="ellipse", ndim=3)
    mask = has_data(LeftOut(drawn, True), layer, (0, 1))[0]
    rows, columns = np.indices((20, 30))
    distance = np.hypot(rows - 8, columns - 10)
    assert mask.shape == (20, 30, 4)
    assert not mask[..., 2][distance < 3.5].any()
    assert mask[..., 2][distance > 4.5].all()
    assert mask[..., [0, 1, 3]].all()


def test_a_part_and_channels_that_share_a_decision():
    layer = Image(np.zeros((3, 5, 2, 20, 30)), name="movie")
    mask = np.ones((5, 2, 20, 30), bool)
    mask[1, 0, 4] = mask[2, 1, 6] = False
    read = read_stack(layer, 1, 2, 0, Part(((2, 12), (0, 30)), {0: 1}), mask=mask)
    np.testing.assert_array_equal(read.options["mask"], mask.all(1)[None])
    first = np.ones((20, 30), bool)
    first[:5] = False
    a, b = (Image(np.zeros((20, 30, 3), np.uint8), name=name, rgb=True) for name in "ab")
    both = read_pair(a, b, part=Part(((2, 12), (0, 30)), {}), masks=(first, None)).options["mask"]
    np.testing.assert_array_equal(both, [first[2:12], np.ones((10, 30), bool)])

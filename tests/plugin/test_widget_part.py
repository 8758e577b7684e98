"""Trying on a part first, in the real napari window."""

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not in this environment")

from napari_rpsnn.fusion import fuse
from napari_rpsnn.stack import fuse_stack


@pytest.fixture
def stack(viewer, open_panel, small_stack):
    """The panel, and a stack of eight planes 2 µm apart, the first of which lies at 12 µm."""
    planes = np.concatenate([small_stack[0], small_stack[0][::-1]])
    place = {"scale": (2, 0.5, 0.5), "translate": (12, 1, 2), "units": ("um", "um", "um")}
    layer = viewer.add_image(planes, name="stack", axis_labels=("z", "y", "x"), **place)
    return open_panel("Fuse a stack"), layer


def run_to_end(widget, qtbot):
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=90_000)


def test_planes_within_the_margins_of_the_slider(viewer, stack, qtbot, notices):
    widget, layer = stack
    widget.part.margins.native.click()
    assert "no margins" in notices[-1][1]
    viewer.dims.point = (20, 0, 0)  # plane 4
    viewer.dims.margin_left, viewer.dims.margin_right = (4, 0, 0), (2, 0, 0)
    widget.part.margins.native.click()
    assert widget.part.span.value == "2-5"
    assert widget.said.value == "4 planes (2 to 5) of 96×128 → 1 image"  # noqa: RUF001
    assert widget.part.fold.text() == "▸ Part (planes 2-5)"
    widget.return_index.value = widget.return_height.value = True
    run_to_end(widget, qtbot)
    options = {"planes": (2, 5), "plane_spacing": 2, "plane_origin": 12, "return_index": True, "return_height": True}
    made = [viewer.layers[name] for name in ("stack fused", "stack plane index", "stack height [µm]")]
    for one, expected in zip(made, fuse_stack(layer.data, **options), strict=True):
        np.testing.assert_array_equal(one.data, expected)
        assert tuple(one.translate) == (1, 2)
    assert made[1].contrast_limits == [2, 5]
    assert made[2].contrast_limits == [16, 22]
    assert made[0].metadata["napari-rpsnn"]["options"]["planes"] == [2, 5]


def test_a_region_of_a_rectangle_lies_in_its_place_and_grows_there(viewer, stack, qtbot):
    widget, layer = stack
    drawn = viewer.add_shapes([[[9.0, 10], [9.0, 50], [41, 50], [41, 10]]], name="corner")
    names = [widget.part.region.native.itemText(i) for i in range(widget.part.region.native.count())]
    assert names == ["all", "visible part", "shapes: corner"]
    widget.part.region.value = drawn
    assert "of a region of" in widget.said.value
    grown = []
    viewer.layers.events.inserted.connect(lambda event: grown.append(event.value.data.shape))
    run_to_end(widget, qtbot)
    region = ((16, 81), (16, 97))  # (9 - 1) / 0.5 to (41 - 1) / 0.5, and so on
    fused = viewer.layers["stack fused"]
    np.testing.assert_array_equal(fused.data, fuse_stack(layer.data, region=region))
    np.testing.assert_allclose(fused.data_to_world((0, 0)), layer.data_to_world((0, 16, 16))[1:])
    assert set(grown) == {(65, 81)}
    viewer.layers.remove(drawn)
    assert widget.part.region.value is None


def test_the_visible_part(viewer, stack, qtbot):
    widget, layer = stack
    viewer.camera.zoom *= 4
    viewer.camera.center = (0, 1 + 0.5 * 40, 2 + 0.5 * 60)
    qtbot.wait(300)
    widget.part.region.value = "visible part"
    run_to_end(widget, qtbot)
    rows, columns = widget.part.part(None).region
    assert 0 < rows[0] < 40 < rows[1] < 96
    assert 0 < columns[0] < 60 < columns[1] < 128
    fused = viewer.layers["stack fused"]
    np.testing.assert_array_equal(fused.data, fuse_stack(layer.data, region=(rows, columns)))
    np.testing.assert_allclose(fused.data_to_world((0, 0)), layer.data_to_world((0, rows[0], columns[0]))[1:])
    viewer.dims.ndisplay = 3
    widget.fuse_button.native.click()
    assert "expected rows and columns on the screen" in widget.status.value


def test_one_time_point_is_shown_where_it_is(viewer, open_panel, qtbot, small_stack):
    series = np.stack([small_stack[0], small_stack[0] // 2, small_stack[0] // 3])
    layer = viewer.add_image(series, name="series", axis_labels=("t", "z", "y", "x"), scale=(5, 1, 1, 1))
    widget = open_panel("Fuse a stack")
    viewer.dims.set_current_step(0, 1)
    widget.part.here.value = True
    assert widget.said.value == "4 planes of 96×128 → 1 image"  # noqa: RUF001
    run_to_end(widget, qtbot)
    fused = viewer.layers["series fused"]
    np.testing.assert_array_equal(fused.data, fuse_stack(layer.data[1])[None])
    assert tuple(fused.translate) == (5, 0, 0)
    assert tuple(fused.scale) == (5, 1, 1)
    assert fused.metadata["napari-rpsnn"]["part"] == {"steps": {"0": 1}}


def test_slabs_are_a_stack_in_its_place(viewer, stack, qtbot):
    widget, layer = stack
    widget.slab.value = 4
    assert widget.said.value == "8 planes of 96×128 → 1 stack of 3 slabs"  # noqa: RUF001
    widget.return_height.value = True
    run_to_end(widget, qtbot)
    fused, heights = viewer.layers["stack fused"], viewer.layers["stack height [µm]"]
    expected = fuse_stack(layer.data, slab=4, return_height=True, plane_spacing=2, plane_origin=12)
    for made, values in zip((fused, heights), expected, strict=True):
        np.testing.assert_array_equal(made.data, values)
        assert tuple(made.scale) == (4, 0.5, 0.5)
        assert tuple(made.translate) == (15, 1, 2)  # in the middle of planes 0 to 3, at 12 to 18 µm
    assert not widget.report_button.enabled
    assert not widget.retouch_button.enabled


def test_heights_begin_where_the_layer_lies_in_the_unit_that_is_read(stack, viewer, qtbot):
    widget, layer = stack
    widget.return_height.value = True
    widget.spacing_unit.value = "nm"
    run_to_end(widget, qtbot)
    heights = viewer.layers["stack height [nm]"]
    expected = fuse_stack(layer.data, return_height=True, plane_spacing=2000, plane_origin=12000)[1]
    np.testing.assert_allclose(heights.data, expected, rtol=1e-6)
    assert heights.contrast_limits == pytest.approx([12000, 26000])


@pytest.mark.parametrize("step", [3, -3])
def test_heights_are_in_the_world_where_an_affine_map_says_how_far_planes_lie_apart(stack, viewer, qtbot, step):
    widget, layer = stack
    layer.affine = np.diag([step, 2, 2, 1])
    assert widget.plane_spacing.value == 6
    widget.return_height.value = True
    run_to_end(widget, qtbot)
    first, last = (layer.data_to_world((k, 0, 0))[0] for k in (0, 7))
    heights = viewer.layers["stack height [µm]"]
    assert heights.contrast_limits == ([first, last] if step > 0 else [0, first - last])
    assert heights.metadata["napari-rpsnn"]["options"]["plane_spacing"] == 6
    assert ("negative scale" in widget.status.value) == (step < 0)


def test_planes_that_cannot_be_are_refused_and_another_stack_begins_with_all(viewer, stack, small_stack):
    widget, _ = stack
    for text in ("7-7", "5-8", "5", "-1-3"):
        widget.part.span.value = text
        widget.fuse_button.native.click()
        assert "expected the first and the last plane, two of 0 to 7, as 0-7, got" in widget.status.value
        assert f"'{text}'" in widget.status.value
    other = viewer.add_image(small_stack[0], name="other")
    widget.image.value = other
    assert widget.part.span.value == ""
    assert widget.part.planes is None


def test_a_region_of_a_pair(viewer, open_panel, qtbot, grey_pair):
    near, far, _ = grey_pair
    for name, image in (("near", near), ("far", far)):
        viewer.add_image(image, name=name, scale=(2, 2))
    drawn = viewer.add_shapes([[[20.0, 40], [20.0, 220], [150, 220], [150, 40]]])
    widget = open_panel()
    widget.part.region.value = drawn
    assert not widget.part.here.visible
    run_to_end(widget, qtbot)
    fused = viewer.layers["near + far fused"]
    np.testing.assert_array_equal(fused.data, fuse(near[10:76, 20:111], far[10:76, 20:111]))
    assert tuple(fused.translate) == (20, 40)
    assert fused.metadata["napari-rpsnn"]["part"] == {"region": [[10, 76], [20, 111]]}

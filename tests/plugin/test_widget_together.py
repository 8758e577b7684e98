"""Layers as people have them, in the real napari window: one for each channel, one for each plane."""

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not in this environment")

from napari_rpsnn.stack import fuse_stack


def run_to_end(widget, qtbot):
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=90_000)


@pytest.fixture
def channels(viewer, small_stack):
    planes = small_stack[0]
    data = np.stack([planes, planes[::-1], planes[:, ::-1]], axis=1)
    names, maps = ["DAPI", "GFP", "mCherry"], ["blue", "green", "magenta"]
    viewer.add_image(data, channel_axis=1, name=names, colormap=maps, scale=(2, 0.5, 0.5), axis_labels="zyx")
    viewer.layers["GFP"].contrast_limits = (7, 99)
    return data


def test_channel_layers_follow_one_decision_and_keep_how_they_look(viewer, open_panel, qtbot, channels):
    widget = open_panel("Fuse a stack")
    assert not widget.together.native.isVisible()
    viewer.layers.selection.clear()
    viewer.layers.selection.update(viewer.layers)
    qtbot.waitUntil(widget.together.native.isVisible, timeout=5_000)
    texts = [widget.together.native.itemText(i) for i in range(widget.together.native.count())]
    follow = [f"all follow: {name}" for name in ("DAPI", "GFP", "mCherry")]
    assert texts == ["this layer alone", "3, each by itself", *follow]
    assert widget.said.value.startswith("3 layers, all follow")
    widget.together.value = 1
    widget.return_index.value = True
    run_to_end(widget, qtbot)
    expected, index = fuse_stack(channels, channel_axis=1, guide_channel=1, return_index=True)
    for number, (name, colours) in enumerate((("DAPI", "blue"), ("GFP", "green"), ("mCherry", "magenta"))):
        fused = viewer.layers[f"{name} fused"]
        np.testing.assert_array_equal(fused.data, expected[number])
        assert fused.colormap.name == colours
        assert tuple(fused.scale) == (0.5, 0.5)
        assert fused.metadata["napari-rpsnn"]["sources"] == ["DAPI", "GFP", "mCherry"]
    assert tuple(viewer.layers["GFP fused"].contrast_limits) == (7, 99)
    np.testing.assert_array_equal(viewer.layers["GFP plane index"].data, index)
    assert len(viewer.layers) == 7


def test_each_by_itself_has_maps_of_its_own(viewer, open_panel, qtbot, channels):
    viewer.layers.selection.clear()
    viewer.layers.selection.update([viewer.layers["DAPI"], viewer.layers["mCherry"]])
    widget = open_panel("Fuse a stack")
    widget.together.value = "each"
    widget.return_index.value = True
    run_to_end(widget, qtbot)
    for name, number in (("DAPI", 0), ("mCherry", 2)):
        expected, index = fuse_stack(channels[:, number], return_index=True)
        np.testing.assert_array_equal(viewer.layers[f"{name} fused"].data, expected)
        np.testing.assert_array_equal(viewer.layers[f"{name} plane index"].data, index)
    assert widget.together.value == "each"  # for the next run
    widget.together.value = 0
    viewer.layers.selection.active = viewer.layers["GFP"]
    assert widget.together.value == "alone"
    viewer.layers.selection.update([viewer.layers["DAPI"]])
    assert widget.together.native.currentText() == "all follow: DAPI"
    viewer.layers.selection.clear()
    viewer.layers.selection.update([viewer.layers["DAPI"], viewer.layers["mCherry"]])
    assert widget.together.value == 0


def test_single_planes_are_a_stack_in_the_order_of_their_names(viewer, open_panel, qtbot, small_stack):
    planes = np.concatenate([small_stack[0], small_stack[0] // 2 + 50, small_stack[0][:2]])
    for k in (9, 3, 0, 1, 2, 4, 5, 6, 7, 8):
        viewer.add_image(planes[k], name=f"plane {k + 1}", scale=(0.5, 0.5), units=("um", "um"))
    viewer.layers.select_all()
    widget = open_panel("Fuse a stack")
    assert "10 planes of 96" in widget.said.value
    assert widget.said.value.endswith("plane 1 … plane 10")
    assert widget.spacing_unit.choices == ("pixel", "nm", "µm", "mm")
    widget.return_height.value, widget.plane_spacing.value, widget.spacing_unit.value = True, 0.5, "µm"
    run_to_end(widget, qtbot)
    assert tuple(viewer.layers["plane 1 to plane 10 height [µm]"].contrast_limits) == (0, 4.5)
    fused = viewer.layers["plane 1 to plane 10 fused"]
    np.testing.assert_array_equal(fused.data, fuse_stack(planes))
    assert tuple(fused.scale) == (0.5, 0.5)
    assert fused.metadata["napari-rpsnn"]["sources"][-1] == "plane 10"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.zeros((50, 128), np.uint8)}, "same shape, got (96, 128) ('plane 0') and (50, 128) ('plane 2')"),
        ({"data": np.zeros((96, 128))}, "same dtype, got uint8 ('plane 0') and float64 ('plane 2')"),
        ({"scale": (3, 3)}, "same scale, got [2.0, 2.0] ('plane 0') and [3.0, 3.0] ('plane 2')"),
    ],
)
def test_of_selected_planes_the_one_that_does_not_fit_is_named(viewer, open_panel, small_stack, change, message):
    for k, plane in enumerate(small_stack[0]):
        viewer.add_image(plane, name=f"plane {k}", scale=(2, 2))
    viewer.layers.select_all()
    widget = open_panel("Fuse a stack")
    for name, value in change.items():
        setattr(viewer.layers["plane 2"], name, value)
    widget.fuse_button.native.click()
    assert widget.status.value == f"Expected layers of the {message}."


@pytest.mark.parametrize("of_each", [False, True])
def test_of_single_planes_a_region_is_taken_and_pixels_are_left_out(viewer, open_panel, qtbot, small_stack, of_each):
    planes = small_stack[0]
    for k, plane in enumerate(planes):
        viewer.add_image(plane, name=f"plane {k}", scale=(0.5, 0.5), units=("um", "um"))
    painted = np.zeros(planes.shape if of_each else planes.shape[1:], np.uint8)
    painted[..., 30:60, 20:60] = 1
    if of_each:
        painted[1:] = 0
    viewer.add_labels(painted, name="scratch", scale=(0.5,) * painted.ndim, units=("um",) * painted.ndim)
    corner = np.array([[10, 4], [10, 100], [90, 100], [90, 4]]) * 0.5
    viewer.add_shapes([corner], name="here", units=("um", "um"))
    widget = open_panel("Fuse a stack")
    viewer.layers.selection = {layer for layer in viewer.layers if layer.name.startswith("plane")}
    widget.part.left_out[0].native.setCurrentText("in scratch")
    widget.part.region.value = viewer.layers["here"]
    assert "4 planes of a region of 96" in widget.said.value
    widget.return_index.value = True
    run_to_end(widget, qtbot)
    fused = viewer.layers["plane 0 to plane 3 fused"]
    region = ((10, 91), (4, 101))
    mask = np.broadcast_to(painted == 0, planes.shape)
    expected, index = fuse_stack(planes, mask=mask, region=region, return_index=True)
    assert (np.ma.getmaskarray(expected)[20:50, 16:56].all(), of_each) in ((True, False), (False, True))
    np.testing.assert_array_equal(fused.data, np.ma.filled(expected, 0))
    np.testing.assert_array_equal(viewer.layers["plane 0 to plane 3 plane index"].data, index)
    assert tuple(fused.translate) == (5, 2)
    widget.slab.value = 2
    widget.fuse_button.native.click()
    assert widget.status.value.startswith("From-to, Slabs: expected none for layers that are single planes")


def test_a_panel_starts_with_the_selected_layer_and_what_does_not_fit_is_fused_alone(
    viewer, open_panel, qtbot, small_stack
):
    for name, stack in (("first", small_stack[0]), ("second", small_stack[0][:3])):
        viewer.add_image(stack, name=name)
    viewer.layers.selection.active = viewer.layers["first"]
    widget = open_panel("Fuse a stack")
    assert widget.image.value is viewer.layers["first"]
    viewer.layers.selection.active = viewer.layers["second"]
    viewer.layers.select_all()
    assert widget.together.choices == ("alone",)
    assert widget.read().sources.names == ("first",)
    viewer.layers.clear()
    qtbot.waitUntil(lambda: widget.said.value == "", timeout=5_000)


def test_a_surface_is_added_in_the_place_of_the_stack(viewer, open_panel, qtbot, small_stack):
    place = {"scale": (2, 0.5, 0.5), "translate": (9, 1, 2), "units": ("um",) * 3}
    viewer.add_image(small_stack[0], name="stack", colormap="green", **place)
    widget = open_panel("Fuse a stack")
    widget.surface.value = True
    run_to_end(widget, qtbot)
    surface, height = viewer.layers["stack surface"], viewer.layers["stack height [µm]"]
    assert "stack surface" in widget.status.value
    assert surface.colormap.name == "green"
    assert not surface.visible
    low, high = surface.extent.world[:, 0]
    assert low == pytest.approx(height.data.min(), abs=0.01)
    assert high == pytest.approx(height.data.max(), abs=0.01)
    viewer.dims.ndisplay = 3
    surface.visible = True
    qtbot.wait(50)

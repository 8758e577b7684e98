"""The panel for a stack in the real napari window, on a virtual display."""

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not in this environment")

from napari_rpsnn.stack import fuse_stack


@pytest.fixture
def open_stack(viewer, open_panel, small_stack):
    """Add a stack of 2 µm between planes and open the panel."""

    def open_it(**attributes):
        place = {"scale": (2, 0.5, 0.5), "translate": (9, 1, 2), "units": ("um", "um", "um")}
        layer = viewer.add_image(small_stack[0], name="stack", **place | attributes)
        return open_panel("Fuse a stack"), layer

    return open_it


def run_to_end(widget, qtbot):
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=90_000)


def test_a_stack_becomes_an_image_an_index_and_a_height(viewer, open_stack, qtbot, small_stack):
    affine = np.eye(4)
    affine[2, 3] = 4
    widget, layer = open_stack(affine=affine, axis_labels=("z", "y", "x"), colormap="green", gamma=0.7)
    assert widget.plane_spacing.value == 2
    assert not widget.plane_spacing.native.isVisible()
    widget.return_index.value = widget.return_height.value = True
    qtbot.waitUntil(widget.plane_spacing.native.isVisible, timeout=5_000)
    assert "µm" in widget.plane_spacing.tooltip
    run_to_end(widget, qtbot)
    options = {"plane_spacing": 2, "plane_origin": 9}  # heights begin where the layer lies
    expected, index, height = fuse_stack(small_stack[0], return_index=True, return_height=True, **options)
    fused, planes, heights = (viewer.layers[name] for name in ("stack fused", "stack plane index", "stack height [µm]"))
    np.testing.assert_array_equal(fused.data, expected)
    np.testing.assert_array_equal(planes.data, index)
    np.testing.assert_array_equal(heights.data, height)
    for made in (fused, planes, heights):
        assert tuple(made.scale) == (0.5, 0.5)
        assert tuple(made.translate) == (1, 2)
        assert [str(unit) for unit in made.units] == ["micrometer"] * 2
        assert made.axis_labels == ("y", "x")
        np.testing.assert_array_equal(made.affine.affine_matrix, affine[1:, 1:])
    assert (fused.colormap.name, fused.gamma, fused.contrast_limits) == ("green", 0.7, layer.contrast_limits)
    assert heights.contrast_limits == [9, 15]
    for made in (heights, planes):  # a colour bar has no title of its own: the name stands below it, with the unit
        assert made.colorbar.visible
        assert made.name_overlay.visible
        assert (made.colorbar.position, made.name_overlay.position) == ("top_right", "bottom_right")
    assert not fused.name_overlay.visible
    said = heights.metadata["napari-rpsnn"]
    assert said["unit"] == "µm"
    assert said["options"]["plane_spacing"] == 2
    assert said["options"]["axis"] == 0


def test_the_result_sharpens_plane_by_plane(viewer, open_panel, qtbot, small_stack):
    # Large enough for the window to show the first planes before the last one is fused.
    stack, truth = (np.tile(images, (6, 6)) for images in small_stack)
    viewer.add_image(stack, name="stack")
    shown = []
    viewer.layers.events.inserted.connect(lambda event: shown.append((event.value.name, event.value.data.copy())))
    run_to_end(open_panel("Fuse a stack"), qtbot)
    (name, first), *more = shown
    assert name == "stack fused"
    assert not more
    errors = [np.abs(image - truth.astype(float)).mean() for image in (viewer.layers[name].data, first)]
    assert 0 < errors[0] < errors[1]


def test_the_axis_of_the_planes_goes_by_its_label_else_by_what_is_not_displayed(viewer, open_stack, small_stack):
    planes, _ = small_stack
    widget, _ = open_stack()
    assert widget.planes.value == 0
    series = viewer.add_image(np.stack([planes, planes]), name="series", axis_labels=("t", "z", "y", "x"))
    widget.image.value = series
    assert widget.planes.value == 1
    assert [widget.planes.native.itemText(i) for i in range(2)] == ["t (2)", "z (4)"]
    assert widget.channels.native.count() == 2  # none and t
    plain = viewer.add_image(np.moveaxis(planes, 0, -1), name="plain", rgb=False)
    viewer.dims.order = (0, 3, 1, 2)
    widget.image.value = plain
    assert widget.planes.value == 2
    widget.image.value = series
    series.axis_labels = ("z", "t", "y", "x")
    assert widget.planes.value == 0


def test_a_time_series_with_planes_on_a_later_axis_as_zarr(viewer, open_panel, qtbot, tmp_path, small_stack):
    zarr = pytest.importorskip("zarr")
    planes, _ = small_stack
    data = np.stack([planes[:2], planes[2:]])
    array = zarr.create_array(str(tmp_path / "series.zarr"), shape=data.shape, chunks=(1, 1, 64, 64), dtype=data.dtype)
    array[...] = data
    viewer.add_image(array, name="series", axis_labels=("t", "z", "y", "x"), contrast_limits=(0, 255))
    widget = open_panel("Fuse a stack")
    widget.order.value = "tree"
    widget.register.value = None
    run_to_end(widget, qtbot)
    np.testing.assert_array_equal(viewer.layers["series fused"].data, fuse_stack(data, axis=1, order="tree"))


def test_rgba_planes_are_aligned_on_request(viewer, open_panel, qtbot, small_stack):
    pytest.importorskip("SimpleITK")
    planes, _ = small_stack
    moved = np.stack([np.roll(plane, k, axis=1) for k, plane in enumerate(planes[:3])])
    colours = np.stack([moved, moved, moved, np.full_like(moved, 255)], axis=-1)
    viewer.add_image(colours, name="tissue", rgb=True)
    widget = open_panel("Fuse a stack")
    widget.register.value = "translation"
    widget.guide.value = 1
    run_to_end(widget, qtbot)
    fused = viewer.layers["tissue fused"]
    assert fused.rgb
    expected = fuse_stack(colours, channel_axis=-1, guide_channel=1, register="translation")
    np.testing.assert_array_equal(fused.data, expected)


def test_a_plane_that_cannot_be_aligned_is_told(viewer, open_panel, qtbot, small_stack, notices):
    pytest.importorskip("SimpleITK")
    viewer.add_image(np.stack([small_stack[0][0], small_stack[0][1], 255 - small_stack[0][2]]), name="stack")
    widget = open_panel("Fuse a stack")
    widget.register.value = "translation"
    run_to_end(widget, qtbot)
    said = "register: Layer 'stack': could not be aligned: plane 2 (correlation -"
    assert said in widget.status.value
    assert [message for _, message in notices if message.startswith(said)]
    assert said in viewer.layers["stack fused"].metadata["napari-rpsnn"]["notes"][0]


def test_cancel_takes_the_live_result_away(viewer, open_panel, qtbot, small_stack):
    viewer.add_image(np.stack([small_stack[0]] * 40), name="series", axis_labels=("t", "z", "y", "x"))
    widget = open_panel("Fuse a stack")
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: "series fused" in viewer.layers, timeout=60_000)
    assert widget.cancel_button.enabled
    widget.cancel_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=10_000)
    assert [layer.name for layer in viewer.layers] == ["series"]


def test_nothing_is_lost_when_layers_go_on_the_way(viewer, open_panel, qtbot, small_stack):
    data = np.stack([small_stack[0]] * 3)
    viewer.add_image(data, name="series", axis_labels=("t", "z", "y", "x"))
    widget = open_panel("Fuse a stack")
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: "series fused" in viewer.layers, timeout=60_000)
    viewer.layers.clear()  # the source, and the live result
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=60_000)
    assert viewer.layers["series fused"].data.shape == (3, 96, 128)
    np.testing.assert_array_equal(viewer.layers["series fused"].data[2], fuse_stack(data[2]))


def test_the_viewer_may_be_closed_while_planes_are_shown(viewer, open_panel, qtbot, small_stack):
    viewer.add_image(np.stack([small_stack[0]] * 40), name="series", axis_labels=("t", "z", "y", "x"))
    widget = open_panel("Fuse a stack")
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: "series fused" in viewer.layers, timeout=60_000)
    worker = widget._run.worker
    with qtbot.captureExceptions() as errors:
        viewer.close()
        qtbot.waitUntil(lambda: not worker.is_running, timeout=30_000)
        qtbot.wait(200)
    assert not errors


def test_what_is_no_stack_is_refused(viewer, open_panel, notices):
    widget = open_panel("Fuse a stack")
    widget.fuse_button.native.click()
    viewer.add_image(np.zeros((8, 8)), name="flat")
    widget.fuse_button.native.click()
    viewer.add_image(np.zeros((1, 8, 8)), name="thin")
    widget.image.value = viewer.layers["thin"]
    widget.fuse_button.native.click()
    messages = [message for severity, message in notices if severity == "error"]
    assert "Expected an image layer with planes, got none" in messages[0]
    assert "Expected a layer with an axis of planes beside rows and columns, got 'flat' of shape (8, 8)" in messages[1]
    assert "Expected at least two planes, got 1 on that axis of 'thin'" in messages[2]
    assert len(messages) == 3


def test_infinite_values_are_refused_naming_layer_and_plane(viewer, open_panel, qtbot, notices, small_stack):
    planes = small_stack[0].astype(np.float32)
    planes[2, 5, 5] = np.inf
    viewer.add_image(planes, name="stack", contrast_limits=(0, 255))
    widget = open_panel("Fuse a stack")
    run_to_end(widget, qtbot)
    assert notices == [
        ("error", "Layer 'stack', plane 2: expected finite values, or NaN for no data, got 1 that are infinite")
    ]

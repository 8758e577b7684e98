"""The panels follow what layers say of themselves, in the real napari window."""

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not in this environment")

from napari_rpsnn.fusion import fuse
from napari_rpsnn.stack import fuse_stack


def run_to_end(widget, qtbot):
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=90_000)


def test_channels_of_a_pair_go_with_its_data_and_labels(viewer, open_panel, qtbot, small_stack):
    planes = small_stack[0]
    for name, k in (("near", 0), ("far", 1)):
        viewer.add_image(planes[k:][:2], name=name)
    widget = open_panel()
    for layer in viewer.layers:
        layer.axis_labels = ("c", "y", "x")
    assert widget.channels.value == 0
    widget.guide.value = 1
    for k, layer in enumerate(viewer.layers):
        layer.data = planes[k]
    assert (widget.channels.value, widget.guide.value) == (None, None)
    run_to_end(widget, qtbot)
    np.testing.assert_array_equal(viewer.layers["near + far fused"].data, fuse(planes[0], planes[1]))


def test_layers_that_are_selected_are_looked_at_anew_when_they_change(viewer, open_panel, qtbot, small_stack):
    planes = small_stack[0]
    for name in ("DAPI", "GFP", "RFP"):
        viewer.add_image(planes, name=name)
    widget = open_panel("Fuse a stack")
    viewer.layers.selection = set(viewer.layers)
    widget.together.value = 1
    viewer.layers["GFP"].name = "green"
    assert widget.together.native.currentText() == "all follow: green"
    assert widget.said.value.startswith("3 layers, all follow green")
    viewer.layers.move(1, 0)
    viewer.add_points(name="others")
    viewer.layers.selection = set(viewer.layers)
    assert widget.together.native.currentText() == "all follow: green"
    viewer.layers["RFP"].translate = (0, 5, 5)
    assert (widget.together.value, widget._together.layers) == ("alone", [])
    viewer.layers["RFP"].translate = (0, 0, 0)
    assert widget.said.value.startswith("3 layers, all follow")
    viewer.layers["RFP"].data = planes[:3]
    widget.image.value = viewer.layers["RFP"]
    run_to_end(widget, qtbot)
    np.testing.assert_array_equal(viewer.layers["RFP fused"].data, fuse_stack(planes[:3]))


def test_single_planes_that_are_renamed_are_in_their_new_order(viewer, open_panel, small_stack):
    for k, plane in enumerate(small_stack[0]):
        viewer.add_image(plane, name=f"plane {k}")
    widget = open_panel("Fuse a stack")
    viewer.layers.selection = set(viewer.layers)
    viewer.layers[0].name = "plane 9"
    assert widget.said.value.endswith("plane 1 … plane 9")
    assert widget._together.layers[-1].name == "plane 9"


def test_a_time_point_that_a_layer_does_not_have_is_not_told_of(viewer, open_panel, small_stack):
    viewer.add_image(np.stack([small_stack[0]] * 2), name="series")
    widget = open_panel("Fuse a stack")
    widget.part.here.value = True
    assert widget.part.fold.text() == "▸ Part (this time point)"
    viewer.layers["series"].data = small_stack[0]
    assert widget.part.fold.text() == "▸ Part"


def test_a_panel_that_was_closed_hears_nothing_of_its_layers(viewer, open_panel, qtbot, small_stack, notices):
    layer = viewer.add_image(small_stack[0], name="stack")
    viewer.add_image(small_stack[0], name="other")
    for title in ("Fuse two layers", "Fuse a stack"):
        widget = open_panel(title)
        with qtbot.waitSignal(widget.native.destroyed):
            viewer.window.remove_dock_widget(widget.native)
            widget.native.deleteLater()
        layer.data = layer.data[:-1]
        layer.name = f"{layer.name} again"
    assert not notices


def test_a_result_that_is_removed_while_its_maps_are_added_ends_the_run(
    viewer, open_panel, qtbot, small_stack, notices
):
    viewer.add_image(small_stack[0], name="stack")
    widget = open_panel("Fuse a stack")
    widget.return_index.value = True

    def remove(event):
        if event.value.name == "stack plane index":
            viewer.layers.remove("stack fused")

    viewer.layers.events.inserted.connect(remove)
    with qtbot.captureExceptions() as errors:
        run_to_end(widget, qtbot)
    assert not errors
    assert widget.status.value.startswith("Done")
    assert [layer.name for layer in viewer.layers] == ["stack", "stack plane index"]
    assert not widget.retouch_button.enabled


def test_what_cannot_be_read_of_the_layers_is_told_in_the_panel(viewer, open_panel, qtbot, small_stack, monkeypatch):
    viewer.add_image(small_stack[0], name="stack")
    widget = open_panel("Fuse a stack")
    for error, told in (
        (OSError("mask.zarr is gone"), "mask.zarr is gone"),
        (MemoryError(), "The fusion failed: MemoryError"),
    ):

        def read(error=error):
            raise error

        monkeypatch.setattr(widget.part, "masks", lambda *_, read=read: read())
        run_to_end(widget, qtbot)
        assert widget.status.value == told

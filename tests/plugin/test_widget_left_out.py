"""Leaving out what is no data, in the real napari window."""

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not in this environment")

from napari_rpsnn.fusion import fuse
from napari_rpsnn.stack import fuse_stack


def run_to_end(widget, qtbot):
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=90_000)


def offered(row):
    return [row.native.itemText(i) for i in range(row.native.count())]


def test_planes_compete_where_nothing_is_painted(viewer, open_panel, qtbot, small_stack):
    place = {"scale": (2, 0.5, 0.5), "translate": (12, 1, 2), "units": ("um", "um", "um")}
    layer = viewer.add_image(small_stack[0], name="stack", axis_labels=("z", "y", "x"), **place)
    widget = open_panel("Fuse a stack")
    (row,) = widget.part.left_out
    assert offered(row) == ["nothing"]
    viewer.layers.selection.active = layer
    viewer.layers._new_labels() if hasattr(viewer.layers, "_new_labels") else viewer._new_labels()
    painted = viewer.layers[-1]
    painted.data[0, :, :40] = painted.data[:, 70:, 90:] = 1
    assert offered(row) == ["nothing", f"in {painted.name}", f"outside {painted.name}"]
    row.native.setCurrentIndex(1)
    assert widget.part.fold.text() == "▸ Part (some left out)"
    widget.return_index.value = widget.surface.value = True
    run_to_end(widget, qtbot)
    expected, index = fuse_stack(layer.data, mask=painted.data == 0, return_index=True)
    assert expected.mask.any()
    made = viewer.layers["stack fused"]
    assert type(made.data) is np.ndarray
    np.testing.assert_array_equal(made.data, expected.data)
    np.testing.assert_array_equal(viewer.layers["stack plane index"].data, index)
    assert made.metadata["napari-rpsnn"]["options"]["mask"] is True
    assert "Where the mask leaves no image any data, the result is 0." in widget.status.value
    vertices, faces, _ = viewer.layers["stack surface"].data
    assert np.isfinite(vertices).all()
    assert set(np.unique(faces)).isdisjoint(np.flatnonzero(expected.mask))
    viewer.layers.remove(painted)
    assert row.value is None


def test_each_image_of_a_pair_lacks_its_own(viewer, open_panel, qtbot, rgb_pair):
    near, far, _ = rgb_pair
    for name, image in (("near", near), ("far", far)):
        viewer.add_image(image, name=name)
    whole = np.zeros(near.shape[:2], bool)
    whole[:, 90:] = True
    viewer.add_image(whole, name="mask", visible=False)
    viewer.add_shapes([[[9.5, 9.5], [9.5, 40.5], [60.5, 40.5], [60.5, 9.5]]], name="scratch")
    widget = open_panel()
    widget.image0.value, widget.image1.value = viewer.layers["near"], viewer.layers["far"]
    first, second = widget.part.left_out
    first.native.setCurrentText("in scratch")
    second.native.setCurrentText("in mask")
    run_to_end(widget, qtbot)
    has = np.ones((2, *near.shape[:2]), bool)
    has[0, 10:61, 10:41] = has[1, :, 90:] = False
    np.testing.assert_array_equal(
        viewer.layers["near + far fused"].data, fuse(near, far, mask=has, channel_axis=-1).data
    )
    np.testing.assert_array_equal(viewer.layers["near + far fused"].data[20:50, 15:35], far[20:50, 15:35])
    viewer.layers["mask"].data = whole[:-3]
    widget.fuse_button.native.click()
    assert widget.status.value == (
        "Leave out: expected the shape (96, 128) of 'far', or the last axes of it, got (93, 128) ('mask')."
    )

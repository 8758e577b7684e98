"""Retouching in the real napari window: a stroke of the brush on the canvas's own Labels layer."""

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not in this environment")

from napari_rpsnn.plugin.retouch.offer import RetouchOffer
from napari_rpsnn.plugin.retouch.painting import SOFT_PX


def run_to_end(widget, qtbot):
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=90_000)


def test_the_plane_of_the_slider_is_taken_whatever_units_the_axes_have(viewer, open_panel, qtbot, small_stack):
    viewer.add_image(small_stack[0], name="stack", scale=(2, 100, 100), units=("um", "nm", "nm"), axis_labels="zyx")
    widget = open_panel("Fuse a stack")
    run_to_end(widget, qtbot)
    widget.retouch_button.native.click()
    for plane in (2, 1):
        viewer.dims.set_current_step(0, plane)
        assert viewer.layers["stack retouch"].selected_label == plane + 1


def test_painting_takes_the_plane_of_the_slider_erasing_and_undo_give_it_back(viewer, open_panel, qtbot, small_stack):
    planes = np.tile(small_stack[0], (1, 2, 2))
    viewer.add_image(planes, name="stack", scale=(2, 0.5, 0.5), translate=(9, 1, 2), axis_labels="zyx")
    widget = open_panel("Fuse a stack")
    widget.return_index.value = widget.return_height.value = True
    assert not widget.retouch_button.enabled
    run_to_end(widget, qtbot)
    fused, index, height = (viewer.layers[f"stack {n}"] for n in ("fused", "plane index", "height [pixel]"))
    before, before_index = fused.data.copy(), index.data.copy()
    widget.retouch_button.native.click()
    labels = viewer.layers["stack retouch"]
    assert viewer.layers.selection.active is labels
    assert (labels.mode, tuple(labels.scale), tuple(labels.translate)) == ("paint", (0.5, 0.5), (1, 2))
    for plane in (2, 1):
        viewer.dims.set_current_step(0, plane)
        assert labels.selected_label == plane + 1
    start = time.perf_counter()
    labels.paint((100, 200), 2)
    stroke_s = time.perf_counter() - start
    painted = labels.data == 2
    assert painted.sum() > 100
    inner = np.zeros_like(painted)
    inner[100 - 5 : 105, 200 - 5 : 205] = True
    np.testing.assert_array_equal(fused.data[inner], planes[1][inner])
    np.testing.assert_array_equal(fused.data[~painted], before[~painted])
    assert (index.data[painted] == 1).all()
    assert (height.data[painted] == 9 + 2).all()  # of plane 1, where it lies in the world
    said = fused.metadata["napari-rpsnn"]
    assert said["retouched"] == index.metadata["napari-rpsnn"]["retouched"] == {"1": int(painted.sum())}
    assert said["options"]["return_index"]
    assert stroke_s < 0.5
    labels.undo()
    np.testing.assert_array_equal(fused.data, before)
    np.testing.assert_array_equal(index.data, before_index)
    assert "retouched" not in fused.metadata["napari-rpsnn"]
    labels.redo()
    assert (index.data[painted] == 1).all()
    labels.paint((100, 200), 0)
    np.testing.assert_array_equal(fused.data, before)
    toggle = next(call for key, call in labels.keymap.items() if str(key) == "R")
    toggle(labels)
    assert (fused.visible, viewer.layers["stack"].visible) == (False, True)
    toggle(labels)
    assert fused.visible
    labels.paint((100, 200), 2)
    assert not widget.retouch_button.enabled
    viewer.layers.remove(labels)
    assert widget.retouch_button.enabled  # it goes on where it was left
    widget.retouch_button.native.click()
    again = viewer.layers["stack retouch"]
    assert again is not labels
    assert (index.data[painted] == 1).all()
    np.testing.assert_array_equal(again.data == 2, painted)
    again.paint((60, 60), 3)
    assert set(fused.metadata["napari-rpsnn"]["retouched"]) == {"1", "2"}
    for place in ((100, 200), (60, 60)):
        again.paint(place, 0)
    np.testing.assert_array_equal(fused.data, before)
    assert "retouched" not in fused.metadata["napari-rpsnn"]
    viewer.layers.remove(again)
    viewer.dims.set_current_step(0, 0)
    viewer.layers.remove(fused)
    assert not widget.retouch_button.enabled
    assert SOFT_PX > 0


def test_of_a_pair_the_image_that_is_shown_is_painted(viewer, open_panel, qtbot, grey_pair):
    near, far, _ = grey_pair
    for name, image in (("near", near), ("far", far)):
        viewer.add_image(image, name=name)
    widget = open_panel()
    run_to_end(widget, qtbot)
    widget.retouch_button.native.click()
    labels, fused = viewer.layers["near + far retouch"], viewer.layers["near + far fused"]
    assert labels.selected_label == 1
    toggle = next(call for key, call in labels.keymap.items() if str(key) == "R")
    seen = []
    for _ in range(3):
        toggle(labels)
        seen.append([layer.name for layer in viewer.layers if layer.visible and layer is not labels])
        if seen[-1] == ["far"]:
            assert labels.selected_label == 2
    assert seen == [["near"], ["far"], ["near + far fused"]]
    labels.fill((50, 60), 2)
    np.testing.assert_array_equal(fused.data, far)


def test_of_single_planes_the_one_that_is_shown_is_painted(viewer, open_panel, qtbot, small_stack):
    planes = small_stack[0]
    for k in (2, 0, 3, 1):
        viewer.add_image(planes[k], name=f"plane {k}")
    viewer.layers.select_all()
    widget = open_panel("Fuse a stack")
    run_to_end(widget, qtbot)
    widget.retouch_button.native.click()
    assert "from the image that is shown" in widget.status.value
    labels, fused = viewer.layers["plane 0 to plane 3 retouch"], viewer.layers["plane 0 to plane 3 fused"]
    toggle = next(call for key, call in labels.keymap.items() if str(key) == "R")
    for k in range(4):
        toggle(labels)
        assert [layer.name for layer in viewer.layers if layer.visible and layer is not labels] == [f"plane {k}"]
        assert labels.selected_label == k + 1
    labels.fill((50, 60), 3)
    np.testing.assert_array_equal(fused.data, planes[2])


def test_where_planes_cannot_be_aligned_for_it_it_may_be_tried_again(viewer, qtbot, monkeypatch):
    said = []
    offer = RetouchOffer(viewer, lambda text, error=False: said.append((text, error)))
    sources = SimpleNamespace(are_in=lambda _: True, part={}, split=())
    offer.offer(SimpleNamespace(sources=sources, options=SimpleNamespace(register="affine"), makes_slabs=False), [])
    monkeypatch.setattr("napari_rpsnn.plugin.retouch.offer.Sources", lambda _: Path("gone").read_bytes())
    with qtbot.captureExceptions() as errors:  # which napari shows
        offer.button.native.click()
        assert not offer.button.enabled
        qtbot.waitUntil(lambda: offer.button.enabled, timeout=10_000)
    assert isinstance(errors[0][1], FileNotFoundError)
    assert said[-1] == (str(errors[0][1]), True)
    offer.withdraw()

"""The widget in the real napari window, on a virtual display."""

import gc
import weakref

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not in this environment")

from napari_rpsnn.fusion import Progress, fuse


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def open_widget(viewer):
    """Open the plugin's dock as the menu does, and return its widget."""

    def open_it():
        return viewer.window.add_plugin_dock_widget("napari-rpsnn", "Fuse two layers")[1]

    return open_it


def add_pair(viewer, near, far, **attributes):
    return viewer.add_image(near, name="near", **attributes), viewer.add_image(far, name="far", **attributes)


def test_two_layers_become_a_third(viewer, open_widget, qtbot, grey_pair):
    near, far, _ = grey_pair
    scale = {"scale": (0.1, 0.1), "translate": (5, 7), "units": ("um", "um"), "colormap": "magenta"}
    add_pair(viewer, near, far, **scale)
    widget = open_widget()
    assert (widget.image0.value.name, widget.image1.value.name) == ("near", "far")
    widget.fuse_button.native.click()
    assert widget.cancel_button.enabled
    assert not widget.fuse_button.enabled
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=60_000)
    fused = viewer.layers["near + far fused"]
    np.testing.assert_array_equal(fused.data, fuse(near, far))
    assert tuple(fused.scale) == (0.1, 0.1)
    assert tuple(fused.translate) == (5, 7)
    assert [str(u) for u in fused.units] == ["micrometer"] * 2
    assert fused.colormap.name == "magenta"
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=5_000)
    assert not widget.cancel_button.enabled
    picture = viewer.screenshot(canvas_only=True, flash=False)
    assert picture[..., :3].std() > 5  # something is to be seen


def test_rgb_layers(viewer, open_widget, qtbot, rgb_pair):
    near, far, _ = rgb_pair
    add_pair(viewer, near, far)
    open_widget().fuse_button.native.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == 3, timeout=60_000)
    assert viewer.layers[-1].rgb
    np.testing.assert_array_equal(viewer.layers[-1].data, fuse(near, far, channel_axis=-1))


def test_a_layer_may_go_while_it_is_fused(viewer, open_widget, qtbot, grey_pair):
    near, far, _ = grey_pair
    add_pair(viewer, np.stack([near] * 6), np.stack([far] * 6))
    open_widget().fuse_button.native.click()
    viewer.layers.remove("near")
    qtbot.waitUntil(lambda: "near + far fused" in viewer.layers, timeout=60_000)


def test_cancel_stops_and_adds_nothing(viewer, open_widget, qtbot, grey_pair):
    near, far, _ = grey_pair
    add_pair(viewer, np.stack([near] * 200), np.stack([far] * 200))
    widget = open_widget()
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.progress.value > 0, timeout=60_000)
    widget.cancel_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=10_000)
    assert len(viewer.layers) == 2


def test_layers_that_do_not_fit_are_refused_and_the_widget_stays_usable(viewer, open_widget, monkeypatch, grey_pair):
    messages = []
    monkeypatch.setattr("napari_rpsnn.widget.show_error", messages.append)
    widget = open_widget()
    widget.fuse_button.native.click()
    add_pair(viewer, grey_pair[0], grey_pair[1][:-1])
    widget.fuse_button.native.click()
    assert "Expected two image layers" in messages[0]
    assert "Expected layers of the same shape, got (96, 128) ('near') and (95, 128) ('far')" in messages[1]
    assert widget.fuse_button.enabled


def test_an_error_in_the_work_is_shown_once_and_ends_the_busy_state(viewer, open_widget, qtbot, grey_pair):
    near, far, _ = (x.astype(float) for x in grey_pair)
    near[3, 4] = np.nan
    add_pair(viewer, near, far)
    widget = open_widget()
    with qtbot.captureExceptions() as errors:
        widget.fuse_button.native.click()
        qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=60_000)
    assert [str(error) for _, error, _ in errors] == ["image0: expected finite values, got 1 that are NaN or infinite"]
    assert len(viewer.layers) == 2


def test_an_error_of_torch_is_shown_and_ends_the_busy_state(viewer, open_widget, qtbot, monkeypatch, grey_pair):
    def out_of_memory(*_, **__):
        yield Progress(0, 1)
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr("napari_rpsnn.widget.iter_fuse", out_of_memory)
    add_pair(viewer, *grey_pair[:2])
    widget = open_widget()
    with qtbot.captureExceptions() as errors:
        widget.fuse_button.native.click()
        qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=60_000)
    assert [str(error) for _, error, _ in errors] == ["The fusion failed: CUDA out of memory"]


def test_a_second_run_follows_the_first(viewer, open_widget, qtbot, grey_pair):
    add_pair(viewer, *grey_pair[:2])
    widget = open_widget()
    for count in (3, 4):
        widget.fuse_button.native.click()
        qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=60_000)
        assert len(viewer.layers) == count


def test_runs_keep_no_image_alive(viewer, open_widget, qtbot, grey_pair):
    near, far, _ = (x.copy() for x in grey_pair)
    alive = weakref.ref(near)
    add_pair(viewer, near, far)
    widget = open_widget()
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=60_000)
    viewer.layers.clear()
    del near, far, _
    gc.collect()
    assert alive() is None


def test_the_dock_may_be_closed_while_it_works(viewer, open_widget, qtbot, grey_pair):
    near, far, _ = grey_pair
    add_pair(viewer, np.stack([near] * 200), np.stack([far] * 200))
    widget = open_widget()
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.progress.value > 0, timeout=60_000)
    worker = widget._worker
    with qtbot.captureExceptions() as errors:
        viewer.window.remove_dock_widget(widget.native)
        qtbot.waitUntil(lambda: not worker.is_running, timeout=30_000)
        qtbot.wait(200)
    assert not errors
    assert len(viewer.layers) == 2


def test_choices_follow_the_layer_list(viewer, open_widget):
    widget = open_widget()
    viewer.add_image(np.zeros((4, 4)), name="one")
    assert widget.image0.value.name == "one"
    viewer.add_image(np.ones((4, 4)), name="two")
    assert widget.image1.value.name == "two"

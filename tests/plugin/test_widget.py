"""The panel for two layers in the real napari window, on a virtual display."""

import gc
import logging
import re
import threading
import time
import weakref

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not in this environment")

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication

from napari_rpsnn.engine.results import Progress
from napari_rpsnn.fusion import fuse
from napari_rpsnn.images.image_view import ImageView
from napari_rpsnn.images.layout import WHOLE
from napari_rpsnn.io.provenance import sha256
from napari_rpsnn.model.catalog import FOLDER
from napari_rpsnn.plugin import worker as background
from napari_rpsnn.plugin import working


def add_pair(viewer, near, far, **attributes):
    return viewer.add_image(near, name="near", **attributes), viewer.add_image(far, name="far", **attributes)


def add_long_pair(viewer, near, far, pictures=200):
    return add_pair(viewer, np.stack([near] * pictures), np.stack([far] * pictures))


def run_to_end(widget, qtbot):
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=60_000)


def begin(widget, qtbot):
    """Press Fuse, wait until it is well at work."""
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.progress.value > 0, timeout=60_000)


def test_two_layers_become_a_third(viewer, open_panel, qtbot, grey_pair):
    near, far, _ = grey_pair
    place = {"scale": (0.1, 0.1), "translate": (5, 7), "rotate": 30, "shear": [0.2], "units": ("um", "um")}
    affine = np.array([[1, 0.1, 3], [0, 1, 4], [0, 0, 1]])
    look = {"colormap": "magenta", "gamma": 0.8, "blending": "additive", "contrast_limits": (3, 200)}
    first, _ = add_pair(viewer, near, far, affine=affine, axis_labels=("row", "column"), **place, **look)
    widget = open_panel()
    assert (widget.image0.value.name, widget.image1.value.name) == ("near", "far")
    widget.return_map.value = True
    widget.fuse_button.native.click()
    assert widget.cancel_button.enabled
    assert not widget.fuse_button.enabled
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=60_000)
    assert not widget.cancel_button.enabled
    fused, share = viewer.layers["near + far fused"], viewer.layers["near + far decision map"]
    expected, expected_share = fuse(near, far, return_map=True)
    np.testing.assert_array_equal(fused.data, expected)
    np.testing.assert_array_equal(share.data, expected_share)
    for layer in (fused, share):
        for name in ("scale", "translate", "rotate", "shear"):
            np.testing.assert_allclose(getattr(layer, name), getattr(first, name), err_msg=name)
        np.testing.assert_allclose(layer.affine.affine_matrix, affine)
        assert layer.units == first.units
        assert layer.axis_labels == ("row", "column")
    assert fused.colormap.name == "magenta"
    assert (fused.gamma, fused.blending, fused.contrast_limits) == (0.8, "additive", [3, 200])
    assert "near + far decision map" in widget.status.value
    picture = viewer.screenshot(canvas_only=True, flash=False)
    assert picture[..., :3].std() > 5  # something is to be seen


def test_the_result_says_what_made_it(viewer, open_panel, qtbot, grey_pair):
    add_pair(viewer, *grey_pair[:2])
    widget = open_panel()
    widget.tile.value = 128
    widget.precision.value = "float32"
    run_to_end(widget, qtbot)
    said = viewer.layers[-1].metadata["napari-rpsnn"]
    assert said["sources"] == ["near", "far"]
    assert said["model"] in ("rpsnn", "rpsnn-lite")
    assert said["model_sha256"] == sha256(FOLDER / f"{said['model']}.safetensors")
    assert said["options"]["tile"] == 128
    assert said["options"]["precision"] == "float32"
    assert said["options"]["method"] == "decision"
    assert said["version"]
    assert said["versions"].keys() == {"numpy", "scipy", "torch"}
    assert said["seconds"] > 0


def test_rgb_layers_by_regression(viewer, open_panel, qtbot, rgb_pair):
    near, far, _ = rgb_pair
    add_pair(viewer, near, far)
    widget = open_panel()
    widget.method.value = "regression"
    assert not widget.return_map.enabled
    run_to_end(widget, qtbot)
    assert viewer.layers[-1].rgb
    np.testing.assert_array_equal(viewer.layers[-1].data, fuse(near, far, channel_axis=-1, method="regression"))


def test_one_channel_decides_for_all(viewer, open_panel, qtbot, grey_pair):
    near, far, _ = grey_pair
    near, far = np.stack([near, near // 2]), np.stack([far, far // 2])
    add_pair(viewer, near, far, axis_labels=("c", "y", "x"), scale=(1, 0.5, 0.5))
    widget = open_panel()
    assert widget.channels.value == 0
    widget.guide.value = 1
    widget.return_map.value = True
    run_to_end(widget, qtbot)
    expected, share = fuse(near, far, channel_axis=0, guide_channel=1, return_map=True)
    np.testing.assert_array_equal(viewer.layers["near + far fused"].data, expected)
    shown = viewer.layers["near + far decision map"]
    np.testing.assert_array_equal(shown.data, share)
    assert tuple(shown.scale) == (0.5, 0.5)


def test_dask_multiscale_and_float_layers(viewer, open_panel, qtbot, grey_pair):
    da = pytest.importorskip("dask.array")
    near, far = (np.stack([x, x[::-1]]).astype(np.float32) / 255 for x in grey_pair[:2])
    largest = []

    def watched(images):
        def block(part, block_info=None):
            return part

        lazy = da.from_array(images, chunks=(1, *images.shape[1:])).map_blocks(block, dtype=images.dtype)
        original = type(lazy).__array__

        def record(self, *args, **kwargs):
            largest.append(self.shape)
            return original(self, *args, **kwargs)

        return lazy, record, type(lazy)

    lazy_near, record, kind = watched(near)
    lazy_far = watched(far)[0]
    pairs = [[x, x[:, ::2, ::2]] for x in (lazy_near, lazy_far)]
    for name, levels in zip(("near", "far"), pairs, strict=True):
        viewer.add_image(levels, name=name, multiscale=True, contrast_limits=(0, 1))
    widget = open_panel()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kind, "__array__", record)
        run_to_end(widget, qtbot)
    np.testing.assert_array_equal(viewer.layers["near + far fused"].data, fuse(near, far))
    # Picture by picture, never the whole.
    assert largest.count(near.shape[1:]) >= 4
    assert near.shape not in largest


@pytest.mark.parametrize("kind", ["dask", "zarr"])
def test_a_lazy_pair_is_read_by_tile(kind, viewer, open_panel, qtbot, tmp_path, monkeypatch):
    pytest.importorskip(kind)
    images = dict(zip(("near", "far"), np.random.default_rng(0).random((2, 500, 520), np.float32), strict=True))
    for name, image in images.items():
        if kind == "dask":
            import dask.array as da

            layer = da.from_array(image, chunks=(125, 130))
        else:
            import zarr

            layer = zarr.create_array(str(tmp_path / name), shape=image.shape, chunks=(125, 130), dtype=image.dtype)
            layer[...] = image
        viewer.add_image(layer, name=name, contrast_limits=(0, 1))
    widget = open_panel()
    widget.tile.value = 128
    monkeypatch.setattr("napari_rpsnn.fusion.LOOK_PX", 128)
    windows = []
    read = ImageView.read

    def watched(self, window=WHOLE):
        part = read(self, window)
        windows.append(part.shape)
        return part

    monkeypatch.setattr(ImageView, "read", watched)
    run_to_end(widget, qtbot)
    np.testing.assert_array_equal(viewer.layers["near + far fused"].data, fuse(*images.values(), tile=128))
    assert max(rows for rows, *_ in windows) < 500
    assert max(columns for _, columns, *_ in windows) < 520


def test_a_layer_may_go_while_it_is_fused(viewer, open_panel, qtbot, grey_pair):
    near, far, _ = grey_pair
    _, second = add_long_pair(viewer, near, far, pictures=6)
    widget = open_panel()
    widget.fuse_button.native.click()
    viewer.layers.remove("near")
    second.name, second.data, second.scale = "other", np.zeros((3, 3)), (9, 9)
    qtbot.waitUntil(lambda: "near + far fused" in viewer.layers, timeout=60_000)
    np.testing.assert_array_equal(viewer.layers["near + far fused"].data[5], fuse(near, far))
    assert tuple(viewer.layers["near + far fused"].scale) == (1, 1, 1)


def test_cancel_stops_and_adds_nothing(viewer, open_panel, qtbot, notices, grey_pair):
    add_long_pair(viewer, *grey_pair[:2])
    widget = open_panel()
    begin(widget, qtbot)
    qtbot.waitUntil(lambda: "left" in widget.status.value, timeout=60_000)
    assert re.match(r"Image \d+ of 200: (fusing tile|deciding window), .* left", widget.status.value)
    widget.cancel_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=10_000)
    assert len(viewer.layers) == 2
    assert ("info", "Fusion cancelled.") in notices
    assert widget.status.value == "Cancelled."


def test_a_second_run_waits_for_the_first(viewer, open_panel, qtbot, notices, grey_pair):
    add_long_pair(viewer, *grey_pair[:2], pictures=4)
    widget = open_panel()
    widget.fuse_button.native.click()
    widget.start()  # the button is disabled; a script may still call
    assert any("at work" in message for _, message in notices)
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=60_000)
    assert len(viewer.layers) == 3
    run_to_end(widget, qtbot)
    assert len(viewer.layers) == 4


def test_layers_that_do_not_fit_are_refused_and_the_panel_stays_usable(viewer, open_panel, notices, grey_pair):
    widget = open_panel()
    widget.fuse_button.native.click()
    add_pair(viewer, grey_pair[0], grey_pair[1][:-1])
    widget.fuse_button.native.click()
    widget.image1.value = widget.image0.value
    widget.fuse_button.native.click()
    viewer.layers["far"].data = grey_pair[1]
    widget.image1.value = viewer.layers["far"]
    widget.model.value = "file…"
    widget.model_file.value = "nowhere.pth"
    widget.fuse_button.native.click()
    messages = [message for severity, message in notices if severity == "error"]
    assert "Expected two image layers" in messages[0]
    assert "Expected layers of the same shape, got (96, 128) ('near') and (95, 128) ('far')" in messages[1]
    assert "Expected two different layers, got 'near' twice" in messages[2]
    assert "expected a weights file, got" in messages[3]
    assert "nowhere.pth'" in messages[3]
    assert len(messages) == 4
    assert widget.fuse_button.enabled


def test_infinity_is_refused_once_naming_the_layer_with_the_details_in_the_log(
    viewer, open_panel, qtbot, notices, caplog, grey_pair
):
    near, far, _ = (x.astype(float) for x in grey_pair)
    far[3, 4] = np.inf
    add_pair(viewer, near, far)
    widget = open_panel()
    with caplog.at_level(logging.ERROR, "napari_rpsnn"):
        run_to_end(widget, qtbot)
    assert notices == [("error", "Layer 'far': expected finite values, or NaN for no data, got 1 that are infinite")]
    assert "Traceback" in caplog.text
    assert "refuse_infinite" in caplog.text
    assert len(viewer.layers) == 2
    assert widget.status.value == notices[-1][1]


def test_an_error_of_torch_is_told_and_ends_the_busy_state(viewer, open_panel, qtbot, monkeypatch, notices, grey_pair):
    told = threading.Event()

    def out_of_memory(*_, **__):
        yield Progress(0, 1)
        yield Progress(0, 1, note="Tile halved: GPU memory was short.")
        told.wait(10)
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr("napari_rpsnn.plugin.run.iter_fuse", out_of_memory)
    add_pair(viewer, *grey_pair[:2])
    widget = open_panel()
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: "Tile halved" in widget.status.value, timeout=60_000)
    told.set()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=60_000)
    assert notices == [
        ("info", "Tile halved: GPU memory was short."),
        ("error", "The fusion failed: CUDA out of memory"),
    ]


def test_the_busy_state_ends_when_the_result_cannot_be_added(
    viewer, open_panel, qtbot, monkeypatch, notices, grey_pair
):
    def refuse(*_, **__):
        raise ValueError("no room")

    add_pair(viewer, *grey_pair[:2])
    widget = open_panel()
    monkeypatch.setattr(type(viewer), "add_image", refuse)
    run_to_end(widget, qtbot)
    assert notices == [("error", "no room")]


def test_a_weights_file_of_the_users_own(viewer, open_panel, qtbot, tmp_path, grey_pair):
    path = tmp_path / "mine.safetensors"
    path.write_bytes((FOLDER / "rpsnn-lite.safetensors").read_bytes())
    add_pair(viewer, *grey_pair[:2])
    widget = open_panel()
    assert not widget.model_file.native.isVisible()
    widget.model.value = "file…"
    qtbot.waitUntil(widget.model_file.native.isVisible, timeout=5_000)
    widget.model_file.value = path
    run_to_end(widget, qtbot)
    assert viewer.layers[-1].metadata["napari-rpsnn"]["model"] == "mine.safetensors"


def test_runs_keep_no_image_alive(viewer, open_panel, qtbot, grey_pair):
    near, far, _ = (x.copy() for x in grey_pair)
    alive = weakref.ref(near)
    add_pair(viewer, near, far)
    widget = open_panel()
    run_to_end(widget, qtbot)
    viewer.layers.clear()
    del near, far, _
    gc.collect()
    assert alive() is None


def test_a_panel_at_rest_gives_memory_back(viewer, open_panel, qtbot, monkeypatch, grey_pair):
    given = []
    monkeypatch.setattr(working, "give_back", lambda: given.append(True))
    monkeypatch.setattr(working, "IDLE_MS", 1000)
    add_pair(viewer, *grey_pair[:2])
    run_to_end(open_panel(), qtbot)
    assert not given
    qtbot.waitUntil(lambda: bool(given), timeout=10_000)


def test_the_dock_may_be_closed_while_it_works(viewer, open_panel, qtbot, grey_pair):
    add_long_pair(viewer, *grey_pair[:2])
    widget = open_panel()
    begin(widget, qtbot)
    worker = widget._run.worker
    with qtbot.captureExceptions() as errors:
        viewer.window.remove_dock_widget(widget.native)
        qtbot.waitUntil(lambda: not worker.is_running, timeout=30_000)
        qtbot.wait(200)
        viewer.add_image(np.zeros((4, 4)))  # what the panel followed goes on without it
        viewer.layers["near"].scale = (2, 2, 2)
    assert not errors
    assert len(viewer.layers) == 3


def test_the_viewer_may_be_closed_while_it_works(viewer, open_panel, qtbot, monkeypatch, grey_pair):
    given = []
    for module in (background, working):  # the run may end before the panel goes
        monkeypatch.setattr(module, "give_back", lambda: given.append(True))
    add_long_pair(viewer, *grey_pair[:2])
    widget = open_panel()
    begin(widget, qtbot)
    worker = widget._run.worker
    with qtbot.captureExceptions() as errors:
        viewer.close()
        qtbot.waitUntil(lambda: not worker.is_running, timeout=30_000)
        qtbot.waitUntil(lambda: bool(given), timeout=30_000)  # the memory of the run is given back
    assert not errors


def test_a_panel_that_goes_just_as_its_run_ends_gives_memory_back(viewer, open_panel, qtbot, monkeypatch, grey_pair):
    given = []
    monkeypatch.setattr(background, "give_back", lambda: given.append(True))
    add_long_pair(viewer, *grey_pair[:2])
    widget = open_panel()
    begin(widget, qtbot)
    worker = widget._run.worker
    worker.quit()
    while worker.is_running:  # its end is said, and not yet heard
        time.sleep(0.01)
    widget.native.deleteLater()
    QApplication.sendPostedEvents(widget.native, QEvent.Type.DeferredDelete.value)
    assert given


def test_choices_follow_the_layer_list(viewer, open_panel):
    widget = open_panel()
    viewer.add_image(np.zeros((4, 4)), name="one")
    assert widget.image0.value.name == "one"
    viewer.add_image(np.ones((4, 4)), name="two")
    assert widget.image1.value.name == "two"
    viewer.layers["two"].name = "renamed"
    assert "renamed" in [widget.image1.native.itemText(i) for i in range(widget.image1.native.count())]


def test_the_second_layer_is_one_that_is_seen(viewer, open_panel):
    for name in ("near", "far", "truth"):
        viewer.add_image(np.zeros((4, 4)), name=name, visible=name != "truth")
    widget = open_panel()
    assert [widget.image0.value.name, widget.image1.value.name] == ["near", "far"]
    viewer.add_image(np.zeros((4, 4)), name="other")
    viewer.layers.remove("far")
    assert [widget.image0.value.name, widget.image1.value.name] == ["near", "other"]
    viewer.layers.remove("near")
    assert widget.image0.value is not widget.image1.value

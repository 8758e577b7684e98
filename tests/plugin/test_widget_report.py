"""The button for a quality report, in the real napari window."""

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not in this environment")

from napari_rpsnn.plugin import panel as panels


def fuse(widget, qtbot):
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=90_000)


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """Pages are saved here, and what is shown is listed."""
    shown = []
    monkeypatch.setattr(panels, "ask_for_page", lambda parent, title: tmp_path / f"{title}.html")
    monkeypatch.setattr(panels, "open_in_browser", shown.append)
    return shown


def test_a_report_of_the_stack_that_was_fused_last(viewer, open_panel, qtbot, small_stack, pages, tmp_path):
    planes = np.concatenate([small_stack[0]] * 2)
    planes[6:] = np.roll(planes[6:], 3, 2)
    viewer.add_image(planes, name="stack")
    widget = open_panel("Fuse a stack")
    assert not widget.report_button.enabled
    fuse(widget, qtbot)
    assert widget.report_button.enabled
    widget.report_button.native.click()
    assert not widget.report_button.enabled
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=90_000)
    assert widget.report_button.enabled
    assert "stack.html" in widget.status.value
    viewer.layers.clear()  # no image is kept alive for a report
    assert not widget.report_button.enabled
    assert pages == [tmp_path / "stack.html"]
    page = pages[0].read_text(encoding="utf-8")
    assert "How good is stack, fused?" in page
    assert "in 8 planes" in page.lower()
    assert widget.status.value == widget.hint


def test_of_what_was_removed_meanwhile_no_report_is_offered_and_no_retouching(viewer, open_panel, qtbot, small_stack):
    viewer.add_image(small_stack[0], name="stack")
    widget = open_panel("Fuse a stack")
    widget.fuse_button.native.click()
    viewer.layers.remove("stack")
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=90_000)
    assert "stack fused" in viewer.layers
    assert not widget.report_button.enabled
    assert not widget.retouch_button.enabled


def test_a_report_of_two_layers_and_nowhere_to_save_it(
    viewer, open_panel, qtbot, rgb_pair, pages, tmp_path, monkeypatch
):
    for name, image in zip(("near", "far"), rgb_pair[:2], strict=True):
        viewer.add_image(image, name=name)
    widget = open_panel()
    fuse(widget, qtbot)
    monkeypatch.setattr(panels, "ask_for_page", lambda parent, title: None)
    before = widget.status.value
    widget.report_button.native.click()
    assert (widget.status.value, widget.fuse_button.enabled) == (before, True)
    monkeypatch.setattr(panels, "ask_for_page", lambda parent, title: tmp_path / "no" / "page.html")
    widget.report_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=90_000)
    assert widget.status.value.startswith("No report:")
    assert not pages

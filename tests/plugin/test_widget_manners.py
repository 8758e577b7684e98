"""How the panels behave towards layers of all kinds and towards who works beside them, in the real napari window."""

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not in this environment")


from napari_rpsnn.fusion import fuse
from napari_rpsnn.options import Options
from napari_rpsnn.plugin.results.growing import Growing
from napari_rpsnn.plugin.run import NewLayer


def run_to_end(widget, qtbot):
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=90_000)


def test_both_panels_fit_onto_a_small_screen(viewer, open_panel, qtbot):
    panels = [open_panel(title) for title in ("Fuse two layers", "Fuse a stack")]
    window = viewer.window._qt_window
    assert window.minimumSizeHint().height() <= 640
    window.resize(1280, 680)
    qtbot.wait(200)
    for panel in panels:
        panel.say("A long message " * 40)
    qtbot.wait(100)
    for panel in panels:
        rows = panel.native.layout().itemAt(0).widget()
        assert panel.fuse_button.native.parent().geometry().top() > rows.geometry().bottom()
        bottom = panel.fuse_button.native.mapTo(window, panel.fuse_button.native.rect().bottomLeft()).y()
        assert bottom < 680
        assert rows.height() >= 100
        dock = panel.native.parent()
        assert dock.title.title.width() >= dock.title.title.sizeHint().width()


def test_an_error_stands_in_the_panel_in_place_of_what_was_done(viewer, open_panel, qtbot, notices, grey_pair):
    near, far, _ = grey_pair
    for name, image in (("near", near), ("far", far), ("short", near[:50])):
        viewer.add_image(image, name=name)
    widget = open_panel()
    widget.image0.value, widget.image1.value = viewer.layers["near"], viewer.layers["far"]
    run_to_end(widget, qtbot)
    assert widget.status.value.startswith("Done")
    widget.image1.value = viewer.layers["short"]
    widget.fuse_button.native.click()
    assert widget.status.value.startswith("Expected layers of the same shape, got (96, 128) ('near') and (50, 128)")
    assert widget.progress.value == 0
    assert "border-left" in widget.status.native.styleSheet()
    widget.image1.value = viewer.layers["far"]
    run_to_end(widget, qtbot)
    assert widget.status.value.startswith("Done")
    assert not widget.status.native.styleSheet()


def test_an_empty_panel_says_what_to_open(viewer, open_panel, grey_pair):
    pair, stack = open_panel(), open_panel("Fuse a stack")
    assert pair.status.value.startswith("Open two images")
    assert stack.status.value.startswith("Open a z-stack")
    viewer.add_image(grey_pair[0])
    assert pair.status.value.startswith("Open two images")
    assert stack.status.value == ""
    viewer.add_image(grey_pair[1])
    assert pair.status.value == ""


def test_advanced_choices_are_told_of_when_they_are_hidden_and_defaults_come_back(viewer, open_panel, qtbot):
    widget = open_panel("Fuse a stack")
    qtbot.waitUntil(lambda: "cpu" in widget.device.choices, timeout=60_000)
    assert widget.advanced.text() == "▸ Advanced"
    widget.tile.value, widget.order.value, widget.method.value = 256, "tree", "regression"
    assert widget.advanced.text() == "▸ Advanced (2 changed)"
    widget.advanced.expand(animate=False)
    assert widget.advanced.text() == "▾ Advanced"
    widget.restore_button.native.click()
    widget.advanced.collapse(animate=False)
    assert widget.advanced.text() == "▸ Advanced"
    assert (widget.tile.value, widget.order.value, widget.method.value) == ("auto", "cascade", "decision")
    assert "Report a problem" in widget.links.value


def test_methods_have_words_and_what_a_machine_does_not_have_is_not_offered(viewer, open_panel, qtbot):
    from torch import cuda

    widget = open_panel()
    qtbot.waitUntil(lambda: "cpu" in widget.device.choices, timeout=60_000)
    texts = [widget.method.native.itemText(i) for i in range(2)]
    assert texts == ["Sharpest source (keeps intensities)", "Network's image"]
    widget.device.value = "cpu"
    assert set(widget.precision.choices) <= {"auto", "float32", "bfloat16"}
    assert ("float16" in widget._precisions["auto"]) == cuda.is_available()


@pytest.mark.parametrize(
    ("one", "other", "note"),
    [
        ({"scale": (0.1, 0.1)}, {"scale": (0.1, 0.1 * (1 + 1e-9))}, None),
        ({"scale": (0.1, 0.1), "units": ("um", "um")}, {"scale": (100, 100), "units": ("nm", "nm")}, None),
        ({"axis_labels": ("y", "x")}, {}, None),
        ({}, {"scale": (0.1, 0.1), "units": ("um", "um")}, "'a' has no scale and units"),
        ({"scale": (0.1, 0.1)}, {"scale": (0.1, 0.1), "units": ("um", "um")}, "'a' has no units"),
    ],
)
def test_layers_of_one_place_are_a_pair_however_it_is_written(viewer, open_panel, one, other, note, grey_pair):
    for name, image, place in (("a", grey_pair[0], one), ("b", grey_pair[1], other)):
        viewer.add_image(image, name=name, **place)
    sources = open_panel().read().sources
    assert (sources.note or "").startswith(note or "")
    assert bool(sources.note) == bool(note)
    known = other if note else one
    assert tuple(sources.attributes["scale"]) == known.get("scale", (1, 1))
    assert str(sources.attributes["units"][0]) == ("micrometer" if "units" in known else "pixel")
    assert sources.attributes["axis_labels"] == known.get("axis_labels", ("-2", "-1"))


@pytest.mark.parametrize("step", [0.12345, 2.5e-7, 1e10, -2])
def test_the_plane_distance_is_the_exact_scale_until_it_is_edited(viewer, open_panel, small_stack, step):
    viewer.add_image(small_stack[0], name="stack", scale=(step, 1, 1), units=("um",) * 3)
    widget = open_panel("Fuse a stack")
    widget.return_height.value = True
    task = widget.read()
    assert (task.options.plane_spacing, task.sources.unit) == (abs(step), "µm")
    assert bool(task.sources.note) == (step < 0)
    widget.spacing_unit.value = "nm"
    assert widget.read().options.plane_spacing == pytest.approx(1000 * abs(step))
    assert widget.read().sources.unit == "nm"
    widget.plane_spacing.native.setText("0,5")
    assert widget.read().options.plane_spacing == 0.5
    widget.plane_spacing.native.setText("wide")
    with pytest.raises(ValueError, match="Plane distance: expected a positive number, got 'wide'"):
        widget.read()


def test_rolling_the_axes_and_labels_of_the_viewer_choose_the_planes_and_a_choice_stays(viewer, open_panel):
    viewer.add_image(np.zeros((16, 20, 24), np.uint8), name="plain")
    widget = open_panel("Fuse a stack")
    assert widget.planes.value == 0
    assert "16 planes of 20" in widget.said.value
    viewer.dims.order = (2, 0, 1)
    assert widget.planes.value == 2
    viewer.dims.axis_labels = ("t", "z", "x")
    viewer.dims.order = (0, 1, 2)
    assert widget.planes.value == 1
    widget.planes.value = 0
    viewer.dims.order = (2, 0, 1)
    assert widget.planes.value == 0


def test_names_of_axes_stand_in_their_order_whatever_stood_there_before(viewer, open_panel):
    widget = open_panel("Fuse a stack")
    for shape in ((2, 6, 8, 8), (6, 8, 8), (4, 2, 6, 8, 8)):
        viewer.layers.clear()
        viewer.add_image(np.zeros(shape, np.uint8))
        texts = [widget.planes.native.itemText(i) for i in range(len(shape))]
        assert texts == [f"axis {i} ({n})" for i, n in enumerate(shape)]


def test_a_guide_that_does_not_count_is_none(viewer, open_panel, small_stack):
    viewer.add_image(np.stack([small_stack[0]] * 2), name="cells", axis_labels="czyx")
    widget = open_panel("Fuse a stack")
    widget.guide.value = 1
    assert "→ 1 image of 2 channels" in widget.said.value
    widget.method.value = "regression"
    assert widget.read().options.guide_channel is None
    assert "→ 2 images, one for each channel" in widget.said.value


def test_who_paints_keeps_the_layer_and_others_see_the_result_selected(viewer, open_panel, qtbot, grey_pair):
    near, far, _ = grey_pair
    for name, image in (("near", near), ("far", far)):
        viewer.add_image(image, name=name)
    widget = open_panel()
    widget.return_map.value = True
    run_to_end(widget, qtbot)
    assert viewer.layers.selection == {viewer.layers["near + far fused"]}
    np.testing.assert_array_equal(viewer.layers["near + far fused"].data, fuse(near, far))
    labels = viewer.add_labels(np.zeros_like(near), name="mine")
    labels.mode = "paint"
    widget.image0.value, widget.image1.value = viewer.layers["near"], viewer.layers["far"]
    run_to_end(widget, qtbot)
    assert len(viewer.layers) == 7
    assert viewer.layers.selection == {labels}
    assert viewer.layers.selection.active is labels
    assert labels.mode == "paint"


def test_layers_are_added_one_by_one_and_a_stumble_is_told(viewer, open_panel, qtbot, notices, monkeypatch, grey_pair):
    for name, image in (("near", grey_pair[0]), ("far", grey_pair[1])):
        viewer.add_image(image, name=name)
    widget = open_panel()
    assert isinstance(widget.read().options, Options)
    widget.return_map.value = True
    begun, ended = [], []
    add = Growing.add
    monkeypatch.setattr(Growing, "add", lambda self, item: (begun.append(len(ended)), add(self, item))[1])
    widget._later = lambda ms, call, later=widget._later: later(ms, lambda: (ended.append(1), call()))
    run_to_end(widget, qtbot)
    assert begun[1] > begun[0]

    def fail(self, item: NewLayer):
        raise RuntimeError("no room")

    monkeypatch.setattr(Growing, "add", fail)
    run_to_end(widget, qtbot)
    assert "The fusion failed: no room" in widget.status.value
    assert ("error", "The fusion failed: no room") in notices


def test_a_panel_that_was_closed_hears_nothing_of_the_viewer(viewer, open_panel, qtbot, small_stack):
    layer = viewer.add_image(np.stack([small_stack[0]] * 2), name="stack")
    panels = [open_panel(title) for title in ("Fuse two layers", "Fuse a stack")]
    for panel in panels:
        viewer.window.remove_dock_widget(panel.native)
        panel.native.deleteLater()
    qtbot.wait(100)
    with qtbot.captureExceptions() as errors:
        viewer.dims.order = (1, 0, 2, 3)
        viewer.add_image(small_stack[0], name="other")
        viewer.layers.select_all()
        viewer.layers.remove(layer)
        qtbot.wait(50)
    assert not errors


def test_a_layer_that_is_renamed_stays_chosen(viewer, open_panel, small_stack):
    for name in ("one", "other"):
        viewer.add_image(small_stack[0], name=name)
        viewer.add_labels(np.ones((96, 128), np.uint8), name=f"{name} labels")
    stack, pair = open_panel("Fuse a stack"), open_panel()
    stack.image.value = pair.image0.value = viewer.layers["other"]
    pair.image1.value = viewer.layers["one"]
    stack.part.left_out[0].value = stack.part.left_out[0].choices[-1]
    stack.plane_spacing.value = 7
    viewer.layers["other"].name, viewer.layers["other labels"].name = "renamed", "renamed labels"
    viewer.add_image(small_stack[0], name="new")
    assert [row.value.name for row in (stack.image, pair.image0, pair.image1)] == ["renamed", "renamed", "one"]
    assert [row.native.currentText() for row in (stack.image, pair.image0)] == ["renamed", "renamed"]
    assert stack.part.left_out[0].native.currentText() == "outside renamed labels"
    assert stack.plane_spacing.value == 7


def test_what_is_chosen_stays_when_the_data_of_the_layer_change(viewer, open_panel, small_stack):
    layer = viewer.add_image(np.stack([small_stack[0]] * 3), name="stack", scale=(1, 2, 1, 1))
    widget = open_panel("Fuse a stack")
    assert (widget.planes.value, widget.channels.value) == (1, None)
    widget.channels.value = 0
    widget.guide.value = 1
    widget.plane_spacing.value = 0.25
    layer.data = layer.data + 1
    assert (widget.channels.value, widget.guide.value, widget.plane_spacing.value) == (0, 1, 0.25)
    layer.scale = (1, 3, 1, 1)
    assert (widget.channels.value, widget.guide.value, widget.plane_spacing.value) == (0, 1, 3)
    layer.data = layer.data[:1]
    assert (widget.channels.value, widget.guide.value) == (0, None)
    viewer.add_image(np.stack([small_stack[0]] * 3), name="other")
    widget.image.value = viewer.layers["other"]
    assert (widget.channels.value, widget.guide.value, widget.plane_spacing.value) == (None, None, 1)


def test_a_name_that_looks_like_a_tag_is_shown_as_it_is(open_panel):
    widget = open_panel("Fuse a stack")
    for label in (widget.status.native, widget.said.native):
        label.setText("<b>one</b>")
        plain = label.minimumSizeHint().width()
        label.setText("one")
        assert plain > label.minimumSizeHint().width() * 2

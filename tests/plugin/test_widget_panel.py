"""What both panels have in common, in the real napari window: menu, devices, settings, looks, both at work at once."""

import time

import numpy as np
import pytest

pytest.importorskip("napari", reason="napari is not in this environment")

from napari_rpsnn.fusion import fuse
from napari_rpsnn.plugin.choices import Choices
from napari_rpsnn.stack import fuse_stack

TITLES = ("Fuse two layers", "Fuse a stack")


def test_both_are_in_the_layers_menu_and_open_from_there(viewer):
    from napari._app_model import get_app_model  # napari has no public way to its menus

    items = get_app_model().menus.get_menu("napari/layers/project")
    for title in TITLES:
        (command,) = (item.command for item in items if item.command.title.startswith(title))
        get_app_model().commands.execute_command(command.id)
    docks = [str(name) for name in viewer.window.dock_widgets]
    assert all(any(title in dock for dock in docks) for title in TITLES)


@pytest.mark.parametrize("title", TITLES)
def test_the_panel_opens_at_once(viewer, open_panel, title):
    open_panel(title)  # the first one of a session imports its modules
    times = []
    for _ in range(3):
        start = time.perf_counter()
        open_panel(title)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.3


def test_devices_are_named_when_they_are_known(viewer, open_panel, qtbot):
    widget = open_panel()
    assert widget.device.choices == ("auto",)
    qtbot.waitUntil(lambda: "cpu" in widget.device.choices, timeout=60_000)
    names = [widget.device.native.itemText(i) for i in range(widget.device.native.count())]
    assert names[0] == "auto"
    assert names[-1].startswith("CPU: ")
    assert "threads" in names[-1]


def test_what_is_found_out_reaches_no_panel_that_is_gone(viewer, open_panel):
    widget = open_panel()
    widget._look_around()  # by itself it may be over before anybody looks
    worker = widget._lookout
    worker.yielded.disconnect()  # as Qt does it where the thread ends in this moment
    widget._abandon()
    worker.returned.emit(({"gone": "a device"}, {}))
    assert widget.device.choices == ("auto",)


def test_choices_are_remembered(viewer, open_panel, qtbot, grey_pair):
    from napari.settings import _clear_plugin_settings_cache, get_plugin_settings

    near, far, _ = grey_pair
    for name, image in (("near", near), ("far", far)):
        viewer.add_image(image, name=name)
    widget = open_panel()
    qtbot.waitUntil(lambda: "cpu" in widget.device.choices, timeout=60_000)
    widget.device.value = "cpu"
    widget.tile.value = 256
    widget.method.value = "regression"
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=60_000)
    assert "tile: '256'" in get_plugin_settings("napari-rpsnn").config_path.read_text()
    _clear_plugin_settings_cache()  # as in a new session
    viewer.window.remove_dock_widget(widget.native)
    other = open_panel("Fuse a stack")
    qtbot.waitUntil(lambda: other.device.value == "cpu", timeout=60_000)
    assert (other.tile.value, other.method.value) == (256, "regression")
    assert other.choices == Choices(device="cpu", tile=256, method="regression")


def test_every_widget_has_a_tooltip_and_a_name_and_tab_goes_from_top_to_bottom(viewer, open_panel, qtbot):
    from magicgui.widgets.bases import Widget
    from qtpy.QtCore import Qt

    for title in TITLES:
        widget = open_panel(title)
        widget.advanced.expand(animate=False)
        named = [*(w for w in vars(widget).values() if isinstance(w, Widget) and w.name), widget.fuse_button]
        assert len(named) > 10
        for part in named:
            assert part.tooltip, part.name
            assert part.native.accessibleName(), part.name
        qtbot.wait(100)
        seen = []
        here = first = widget.method.native
        while True:
            if here.isVisible() and here.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.native.isAncestorOf(here):
                seen.append(here.mapTo(widget.native, here.rect().topLeft()).y())
            here = here.nextInFocusChain()
            if here is first or here is widget.fuse_button.native:
                break
        assert len(seen) >= 5
        assert seen == sorted(seen)


def test_where_there_is_room_nothing_scrolls_however_many_panels_were_opened_before(viewer, open_panel, qtbot):
    from qtpy.QtWidgets import QScrollArea

    viewer.window.resize(1300, 850)
    for title in (*TITLES, TITLES[0]):
        widget = open_panel(title)
        qtbot.wait(100)
        areas = widget.native.findChildren(QScrollArea)
        assert len(areas) == 2
        assert not [area for area in areas if area.verticalScrollBar().isVisible()]
        viewer.window.remove_dock_widget(widget.native)


def test_a_panel_becomes_a_tab_where_the_window_would_grow_for_it(viewer, open_panel, qtbot):
    viewer.window.resize(1280, 720)
    qtbot.wait(100)
    panels = []
    for title, seen in zip((*TITLES, "Fuse files"), ([True], [True, True], [True, False, True]), strict=True):
        panels.append(open_panel(title).native)
        qtbot.wait(300)
        assert panels[0].window().height() == 720
        assert [not panel.visibleRegion().isEmpty() for panel in panels] == seen
    docks = [panel.parent() for panel in panels]
    assert panels[0].window().tabifiedDockWidgets(docks[2]) == [docks[1]]
    for panel in (panels[0], panels[2]):
        assert panel.height() >= panel.minimumSizeHint().height() > 230
        assert panel.minimumHeight() == 0


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_fits_into_260_pixels(viewer, open_panel, qtbot, theme):
    viewer.theme = theme
    viewer.add_image(
        np.zeros((3, 3, 8, 8)), name="a layer with a name that is too long for any dock", axis_labels="czyx"
    )
    for title in TITLES:
        widget = open_panel(title)
        widget.advanced.expand(animate=False)
        qtbot.wait(100)
        assert widget.native.minimumSizeHint().width() <= 260
        widget.native.setFixedWidth(260)
        qtbot.wait(100)
        for row in widget._rows.values():
            if row.native.isVisible():
                assert row.native.mapTo(widget.native, row.native.rect().topRight()).x() <= 260
                label = row[0].native
                assert label.width() >= label.sizeHint().width() or len(row) == 1
        # Text stands out from what it stands on.
        picture = widget.native.grab().toImage()
        lights = [picture.pixelColor(x, y).lightness() for x in range(5, 70) for y in range(5, 60)]
        assert max(lights) - min(lights) > 100


def test_no_text_is_cut_off_where_it_is_large(viewer, open_panel, qtbot, request):
    from napari.settings import get_settings
    from qtpy.QtWidgets import QLabel, QPushButton

    appearance = get_settings().appearance
    request.addfinalizer(lambda size=appearance.font_size: setattr(appearance, "font_size", size))
    viewer.window.resize(1400, 900)
    viewer.add_image(np.zeros((3, 3, 8, 8)), name="stack", axis_labels="czyx", scale=(1, 2, 1, 1))
    appearance.font_size = 16
    for title in (*TITLES, "Fuse files"):
        widget = open_panel(title)
        qtbot.wait(500)
        widget.advanced.expand(animate=False)
        if widget.part is not None:
            widget.part.fold.expand(animate=False)
        qtbot.wait(500)
        texts = [w for kind in (QLabel, QPushButton) for w in widget.native.findChildren(kind)]
        texts = [w for w in texts if w.isVisible() and w.text() and "<" not in w.text()]
        texts = [w for w in texts if not (isinstance(w, QLabel) and w.wordWrap())]
        assert len(texts) > 10
        for text in texts:
            wide = max(text.fontMetrics().horizontalAdvance(part) for part in text.text().split("\n"))
            assert wide <= text.width(), text.text()
        rows = [row.native for row in widget._rows.values() if row.native.isVisible()]
        qtbot.waitUntil(
            lambda rows=rows: all(
                row.visibleRegion().isEmpty() or row.visibleRegion().boundingRect().width() == row.width()
                for row in rows
            ),
            timeout=10_000,
        )
        viewer.window.remove_dock_widget(widget.native)


def test_both_panels_may_work_at_once(viewer, open_panel, qtbot, grey_pair, small_stack):
    near, far, _ = grey_pair
    for name, image in (("near", near), ("far", far), ("stack", small_stack[0])):
        viewer.add_image(image, name=name)
    pair, stack = (open_panel(title) for title in TITLES)
    pair.image0.value, pair.image1.value = viewer.layers["near"], viewer.layers["far"]
    stack.image.value = viewer.layers["stack"]
    for widget in (pair, stack):
        widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: pair.fuse_button.enabled and stack.fuse_button.enabled, timeout=90_000)
    np.testing.assert_array_equal(viewer.layers["near + far fused"].data, fuse(near, far))
    np.testing.assert_array_equal(viewer.layers["stack fused"].data, fuse_stack(small_stack[0]))


@pytest.mark.parametrize("title", [*TITLES, "Fuse files"])
def test_no_row_is_squeezed_when_a_fold_is_opened(viewer, open_panel, qtbot, title):
    """Rows scroll, or the panel takes the room that there is."""
    viewer.add_image(np.zeros((8, 20, 30)), axis_labels="zyx")
    widget = open_panel(title)
    rows = widget.native.layout().itemAt(0).widget().widget()
    last = widget.links.native

    def is_whole():
        shown = [row.native for row in (widget.method, widget.device, widget.tile)]
        high = all(row.height() >= row.sizeHint().height() - 1 for row in shown)
        return high and last.mapTo(rows, last.rect().bottomLeft()).y() <= rows.height()

    for size in ((1280, 720), (1400, 900)):
        viewer.window.resize(*size)
        widget.advanced.expand(animate=False)
        qtbot.waitUntil(is_whole, timeout=10_000)
        widget.advanced.collapse(animate=False)
        qtbot.waitUntil(lambda: not last.isVisible() or last.height() == 0, timeout=10_000)

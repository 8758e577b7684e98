"""The panel for files in the real napari window: what is shown first, what becomes of it, and results opened."""

import re
from itertools import pairwise

import numpy as np
import pytest
import tifffile

pytest.importorskip("napari", reason="napari is not in this environment")

from napari_rpsnn.engine.stages import Stage
from napari_rpsnn.io import read_image
from napari_rpsnn.plugin.batch.remaining import BatchRemaining
from napari_rpsnn.stack import fuse_stack


@pytest.fixture
def folder(tmp_path, small_stack):
    """Two stacks, planes in a folder, two channels, a damaged file, and a flat image."""
    planes = small_stack[0]
    said = {"axes": "ZYX", "PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "µm"}
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / f"{name}.ome.tif", planes, metadata=said)
    tifffile.imwrite(tmp_path / "c.ome.tif", np.stack([planes, planes[::-1]]), metadata={"axes": "CZYX"})
    (tmp_path / "bad.ome.tif").write_bytes((tmp_path / "a.ome.tif").read_bytes()[:100])
    tifffile.imwrite(tmp_path / "flat.tif", planes[0])
    (tmp_path / "photos").mkdir()
    for k, plane in enumerate(planes):
        tifffile.imwrite(tmp_path / "photos" / f"p{k}.tif", plane)
    return tmp_path


@pytest.fixture
def panel(open_panel, folder, qtbot):
    """The panel, with the folder looked at."""
    widget = open_panel("Fuse files")
    assert widget.status.value.startswith("Choose a folder")
    widget.folder.value = folder
    looked(widget, qtbot)
    return widget


def looked(widget, qtbot):
    qtbot.waitUntil(lambda: widget._survey is not None, timeout=10_000)
    qtbot.waitUntil(lambda: widget._survey is None, timeout=60_000)


def fused(widget, qtbot):
    widget.fuse_button.native.click()
    qtbot.waitUntil(lambda: widget.fuse_button.enabled, timeout=120_000)


def table(widget):
    """What is seen: a tuple of texts for each row, by its first."""
    native = widget.table.native
    rows = [tuple(native.item(row, column).text() for column in range(5)) for row in range(native.rowCount())]
    return {row[0]: row[1:] for row in rows}


def test_the_table_says_first_what_will_be_fused_and_what_not(panel, folder):
    seen = table(panel)
    assert list(seen) == ["a", "b", "bad", "c", "flat", "photos"]
    assert seen["a"] == seen["photos"] == ("4", "96\N{MULTIPLICATION SIGN}128", "1", "will be fused")
    assert seen["c"] == ("4", "96\N{MULTIPLICATION SIGN}128", "2", "will be fused")
    assert seen["bad"][3].startswith("✗ cannot be read as an image")
    assert seen["flat"][3] == "✗ expected an axis Z, of the planes, got the axes Y (96), X (128); name them under Axes"
    assert panel.status.value == "6 stacks: 4 to be fused, 2 refused."
    assert str(panel.out.value) == str(folder / "fused")
    assert not (folder / "fused").exists()


def test_results_are_those_of_the_shell_are_kept_are_made_anew_and_open(viewer, panel, folder, qtbot, small_stack):
    panel.return_height.value = True
    panel.axes.value = "CZYX"  # nothing here but c has four axes
    looked(panel, qtbot)
    assert panel.status.value == "6 stacks: 1 to be fused, 5 refused."
    panel.axes.value = ""
    looked(panel, qtbot)
    panel.guide.value = 1
    looked(panel, qtbot)
    panel.fuse_button.native.click()
    qtbot.waitUntil(lambda: re.match(r"Stack [2-4] of 4: .*, .* left", panel.status.value), timeout=60_000)
    qtbot.waitUntil(lambda: panel.fuse_button.enabled, timeout=120_000)
    assert "6 stacks: 4 fused, 2 refused." in panel.status.value
    image = read_image(folder / "fused" / "a.ome.tif")
    np.testing.assert_array_equal(image.data[...], fuse_stack(small_stack[0]))
    assert image.scale["X"] == 0.2
    np.testing.assert_array_equal(read_image(folder / "fused" / "photos.tif").data[...], image.data[...])
    both = np.stack([small_stack[0], small_stack[0][::-1]])
    guided = fuse_stack(both, axis=1, channel_axis=0, guide_channel=1)
    np.testing.assert_array_equal(read_image(folder / "fused" / "c.ome.tif").data[...], guided)
    assert (folder / "fused" / "heights" / "a.ome.tif").exists()
    assert all(seen[3].startswith("✓ fused in") for name, seen in table(panel).items() if name in "abc")

    number = list(table(panel)).index("a")
    panel.table.native.cellDoubleClicked.emit(number, 0)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2, timeout=30_000)
    assert [layer.name for layer in viewer.layers] == ["a height", "a"]
    np.testing.assert_array_equal(viewer.layers["a"].data, image.data[...])
    assert [layer.visible for layer in viewer.layers] == [False, True]

    written = (folder / "fused" / "a.ome.tif").stat().st_mtime_ns
    panel.table.native.selectRow(list(table(panel)).index("flat"))
    assert panel.status.value.startswith("flat: expected an axis Z")
    panel.return_index.value = True  # the maps are not there yet, so all of it is made anew
    looked(panel, qtbot)
    panel.return_index.value = False
    looked(panel, qtbot)
    assert table(panel)["a"][3] == "is there, and is kept"
    fused(panel, qtbot)
    assert panel.status.value.startswith("Expected stacks to be fused, got none")
    panel.replace.value = True
    looked(panel, qtbot)
    assert table(panel)["a"][3] == "is there, and will be replaced"
    (folder / "b.ome.tif").write_bytes(b"changed meanwhile")
    fused(panel, qtbot)
    assert "6 stacks: 3 fused, 3 refused." in panel.status.value
    assert "b: cannot be read as an image" in panel.status.value
    assert (folder / "fused" / "a.ome.tif").stat().st_mtime_ns > written
    assert read_image(folder / "fused" / "b.ome.tif").data.shape == (96, 128)  # the old one


def test_cancel_keeps_what_is_done(panel, folder, qtbot):
    panel.fuse_button.native.click()
    qtbot.waitUntil(lambda: panel.status.value.startswith("Stack 2"), timeout=60_000)
    panel.cancel_button.native.click()
    qtbot.waitUntil(lambda: panel.fuse_button.enabled, timeout=60_000)
    assert panel.status.value.startswith("Cancelled. 6 stacks:")
    there = [path.name for path in sorted((folder / "fused").iterdir())]
    assert there[0] == "a.ome.tif"
    assert len(there) < 4
    seen = table(panel)
    assert seen["a"][3].startswith("✓ fused in")
    assert seen["photos"][3] == "will be fused"


def test_what_is_fused_is_what_the_table_says_of_the_folder_that_is_chosen(panel, folder, qtbot, notices, small_stack):
    (folder / "more").mkdir()
    tifffile.imwrite(folder / "more" / "d.ome.tif", small_stack[0], metadata={"axes": "ZYX"})
    panel.folder.value = folder / "more"
    panel.fuse_button.native.click()  # while the table is still of the other folder
    assert notices[-1] == ("info", "The folder is being looked at; wait for the table to be complete.")
    assert not (folder / "fused").exists()
    looked(panel, qtbot)
    panel.fuse_button.native.click()
    panel.folder.value = folder / "photos"  # while it works
    qtbot.waitUntil(lambda: panel.fuse_button.enabled, timeout=120_000)
    assert (folder / "more" / "fused" / "d.ome.tif").exists()
    looked(panel, qtbot)
    assert list(table(panel)) == ["p0", "p1", "p2", "p3"]


def test_what_cannot_be_is_said(panel, folder, qtbot):
    panel.folder.value = folder / "none"
    looked(panel, qtbot)
    assert panel.status.value.startswith("Folder: expected a folder of stacks, found none")
    assert table(panel) == {}
    (folder / "none").mkdir()
    panel.fuse_button.native.click()
    assert panel.status.value.startswith("Folder: expected a folder of stacks, found none")
    panel.replace.value = True  # look once more
    looked(panel, qtbot)
    assert panel.status.value.startswith("Folder: expected images or folders of planes, found none in")
    panel.model.value = "file…"
    fused(panel, qtbot)
    assert "expected a weights file" in panel.status.value


def test_paths_are_as_people_type_them_and_results_never_lie_where_napari_was_started(
    panel, folder, qtbot, monkeypatch, tmp_path_factory
):
    monkeypatch.chdir(tmp_path_factory.mktemp("started"))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    panel.out.line_edit.value = ""
    qtbot.waitUntil(lambda: panel.status.value == "Results to: expected a folder, got none.", timeout=5_000)
    panel.fuse_button.native.click()
    assert panel.status.value == "Results to: expected a folder, got none."
    for typed in ("", "~", "~/photos", f' "{folder / "photos"}" '):  # as it is typed and pasted
        panel.folder.line_edit.value = typed
    looked(panel, qtbot)
    assert panel.out.line_edit.value == str(folder / "photos" / "fused")
    assert list(table(panel)) == ["p0", "p1", "p2", "p3"]
    panel.out.line_edit.value = str(folder / "photos")
    looked(panel, qtbot)
    panel.fuse_button.native.click()
    assert panel.status.value.startswith("expected outputs that are no inputs")


def test_it_is_all_there_for_the_keyboard_and_screen_readers(panel, folder, qtbot, viewer):
    from qtpy.QtCore import Qt
    from qtpy.QtWidgets import QLineEdit

    lines = panel.native.findChildren(QLineEdit)
    assert {line.accessibleName() for line in lines} == {"Folder", "Results to", "Axes", "Weights file"}
    done = folder / "fused"
    done.mkdir()
    tifffile.imwrite(done / "a.ome.tif", np.zeros((8, 8), np.uint8))
    number = list(table(panel)).index("a")
    panel.table.native.setCurrentCell(number, 0)
    qtbot.keyClick(panel.table.native, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1, timeout=20_000)


def test_it_is_usable_on_a_small_screen(viewer, panel, qtbot):
    viewer.window.resize(1280, 720)
    qtbot.wait(200)
    window = viewer.window._qt_window
    for button in (panel.fuse_button, panel.cancel_button, panel.status):
        place = button.native.mapTo(window, button.native.rect().bottomRight())
        assert 0 < place.x() <= 1280
        assert 0 < place.y() <= 720
    assert panel.native.minimumSizeHint().height() < 420


def test_the_time_left_of_a_batch_counts_stacks_by_their_size():
    left = BatchRemaining([1.0, 3.0, 2.0], 0.0)
    stages = [Stage("Fusing window", 10, 1.0)]
    assert left.said(0.0) == "Stack 1 of 3"
    told = []
    for number, seconds in enumerate((10.0, 30.0, 20.0)):
        begun = sum((10.0, 30.0, 20.0)[:number])
        left.begin(stages, begun)
        for step in range(1, 11):
            now = begun + seconds * step / 10
            left.after(step, now)
            told.append((left.share, 60 - now, left.said(now)))
        left.next(now)
    assert told[11][2] == "Stack 2 of 3: fusing window 3 of 10, 44 s left"
    assert all(0 < one[0] < other[0] <= 1 for one, other in pairwise(told))
    assert {said.rpartition(", ")[2] for _, truly, said in told if truly < 6} == {"a few seconds left"}
    for _, truly, said in told[3:]:
        if truly > 6:
            seconds = int(said.rpartition(", ")[2].split()[0])
            assert abs(seconds - truly) <= 0.3 * truly, (said, truly)

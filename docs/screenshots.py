"""Make the pictures of the window for the docs, in the real napari: run it with ``make screenshots``.

A pair, a stack and a folder are fused through the panels as a user would do it, by clicks, in the dark and in the light
theme; the window is saved before, while the work goes on, and after it. With a folder, ``python docs/screenshots.py
FOLDER``, every state of the panels is saved there, as a small and as a larger screen has it, to be looked at.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data

# Settings of its own, so that what the user has chosen does not show in the pictures.
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")

import napari
from napari._qt.dialogs.qt_notification import NapariQtNotification
from qtpy.QtWidgets import QApplication

from napari_rpsnn.cli.demo import make_pair

#: Of the pictures in the docs, and of those to be looked at.
DOCS, DOCS_PX = Path(__file__).parent / "napari", (1100, 720)
SIZES_PX = (1280, 720), (1400, 900)
#: States that the docs show, by the theme they show them in.
SHOWN = {f"{kind}-{when}": ("dark", "light") for kind in ("pair", "stack") for when in ("before", "during", "after")}
SHOWN |= {"files-before": ("dark",), "files-after": ("dark",)}
#: Where a folder of stacks lies for as long as it is looked at: its name is seen.
PLACE = (Path("/") if os.access("/", os.W_OK) else Path.home()) / "microscopy"
TIMEOUT_S = 300


def make_stack(planes: int = 8) -> Any:
    """Planes of a picture that scikit-image ships, on a surface that rises from left to right and has a hill."""
    sharp = data.immunohistochemistry()[:320, 100:420, 1].astype(float)
    rows, columns = np.indices(sharp.shape) / len(sharp)
    surface = (planes - 1) * (0.7 * columns + 0.3 * np.exp(-((rows - 0.5) ** 2 + (columns - 0.4) ** 2) / 0.03))
    blurred = np.stack([sharp, *(gaussian_filter(sharp, 0.9 * step) for step in range(1, planes))])
    result = []
    for k in range(planes):
        away = np.abs(surface - k).clip(0, planes - 1.001)
        below = away.astype(int)
        part = away - below
        nearer, further = (np.take_along_axis(blurred, i[None], 0)[0] for i in (below, below + 1))
        result.append(np.rint((1 - part) * nearer + part * further).astype(np.uint8))
    return np.stack(result)


def make_folder(folder: Path) -> Path:
    """Stacks of two embryos, a folder of planes, and what cannot be fused."""
    folder.mkdir()
    planes = make_stack(6)
    for name, part in (("embryo 1", planes), ("embryo 2", planes[:, ::-1])):
        said = {"axes": "ZYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
        tifffile.imwrite(folder / f"{name}.ome.tif", part, metadata=said)
    tifffile.imwrite(folder / "overview.ome.tif", planes[0], metadata={"axes": "YX"})
    (folder / "section").mkdir()
    for k, plane in enumerate(planes):
        tifffile.imwrite(folder / "section" / f"plane{k}.tif", plane)
    return folder


def wait(condition: Callable[[], Any]) -> None:
    """Run the event loop until the condition holds."""
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        QApplication.processEvents()
        time.sleep(0.005)
        if time.monotonic() > end:
            sys.exit("It did not come to an end.")


def rest(seconds: float = 1.0) -> None:
    """Run the event loop for some time, so that all is drawn."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end)


@dataclass(frozen=True)
class Window:
    """A window of napari, and where its pictures go.

    Attributes
    ----------
    folder : path
    theme : str
    size : tuple of int
        In pixels.
    """

    folder: Path
    theme: str
    size: tuple[int, int]

    def open(self, title: str) -> tuple[napari.Viewer, Callable[[], Any]]:
        """A window, and what opens the panel in it."""
        viewer = napari.Viewer(show=True)
        viewer.theme = self.theme
        viewer.window.resize(*self.size)
        return viewer, lambda: viewer.window.add_plugin_dock_widget("napari-rpsnn", title)[1]

    def save(self, viewer: napari.Viewer, name: str) -> None:
        """Write the window to a small PNG; to the docs only what they show."""
        if self.folder == DOCS and self.theme not in SHOWN.get(name, ()):
            return
        QApplication.processEvents()
        size = "" if self.folder == DOCS else f"-{self.size[0]}"
        path = self.folder / f"{name}-{self.theme}{size}.png"
        picture = Image.fromarray(viewer.window.screenshot(flash=False, canvas_only=False)).convert("RGB")
        picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size // 1024} kB", flush=True)


def side_by_side(viewer: napari.Viewer, columns: int) -> None:
    """All layers beside each other."""
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.shape = (-1, columns)
    viewer.canvas.grid.stride = -1
    viewer.reset_view()


def show_pair(window: Window) -> None:
    """Two layers become a third."""
    viewer, open_panel = window.open("Fuse two layers")
    near, far, _ = make_pair()
    widget = open_panel()
    wait(lambda: "cpu" in widget.device.choices)
    if window.folder != DOCS:
        rest()
        window.save(viewer, "pair-empty")
        viewer.add_image(near[:50], name="cut")
        viewer.add_image(far, name="far")
        rest()
        widget.fuse_button.native.click()
        rest()
        window.save(viewer, "pair-refused")
        for notice in viewer.window._qt_window.findChildren(NapariQtNotification):
            notice.close()  # it would lie over the next pictures
        viewer.layers.clear()
        widget.say("")
    for name, image in (("near", near), ("far", far)):
        viewer.add_image(image, name=name, scale=(0.5, 0.5), units=("um", "um"))
    side_by_side(viewer, 2)
    rest()
    window.save(viewer, "pair-before")
    widget.tile.value = 128  # many tiles, so that there is something to see on the way
    widget.return_map.value = True
    widget.fuse_button.native.click()
    wait(lambda: "left" in widget.status.value and widget.progress.value >= 0.2 * widget.progress.max)
    window.save(viewer, "pair-during")
    wait(lambda: widget.fuse_button.enabled)
    viewer.layers["near + far decision map"].visible = True
    side_by_side(viewer, 2)
    rest()
    window.save(viewer, "pair-after")
    widget.advanced.expand(animate=False)
    widget.part.fold.expand(animate=False)
    rest()
    window.save(viewer, "pair-advanced")
    viewer.close()


def show_stack(window: Window) -> None:
    """A stack becomes an image and a height map, live."""
    viewer, open_panel = window.open("Fuse a stack")
    labels = ("z", "y", "x")
    viewer.add_image(make_stack(), name="stack", scale=(2, 0.5, 0.5), units=("um",) * 3, axis_labels=labels)
    widget = open_panel()
    wait(lambda: "cpu" in widget.device.choices)
    widget.return_height.value = True
    widget.tile.value = "auto"
    rest()
    window.save(viewer, "stack-before")
    widget.fuse_button.native.click()
    wait(lambda: "stack fused" in viewer.layers and "left" in widget.status.value)
    rest(0.2)
    window.save(viewer, "stack-during")
    wait(lambda: widget.fuse_button.enabled)
    viewer.layers["stack height [µm]"].visible = True
    viewer.layers["stack"].visible = False
    side_by_side(viewer, 2)
    widget.advanced.expand(animate=False)
    rest()
    window.save(viewer, "stack-after")
    if window.folder != DOCS:
        show_more_of_a_stack(window, viewer, widget)
    viewer.close()


def show_more_of_a_stack(window: Window, viewer: napari.Viewer, widget: Any) -> None:
    """Retouching, a surface, a part, channels together, and all three panels at once."""
    viewer.canvas.grid.enabled = False
    widget.advanced.collapse(animate=False)
    widget.retouch_button.native.click()
    rest()
    window.save(viewer, "stack-retouch")
    viewer.layers.remove("stack retouch")
    widget.surface.value = True
    widget.part.fold.expand(animate=False)
    widget.part.span.value = "2-6"
    rest()
    window.save(viewer, "stack-part")
    widget.part.span.value = ""
    widget.part.fold.collapse(animate=False)
    widget.fuse_button.native.click()
    wait(lambda: widget.fuse_button.enabled)
    for layer in viewer.layers:
        layer.visible = layer.name == "stack surface"
    viewer.dims.ndisplay = 3
    viewer.scene.camera.angles = (10, -35, 55)
    rest()
    window.save(viewer, "stack-surface")
    viewer.dims.ndisplay = 2
    viewer.layers.clear()
    channels = np.stack([make_stack(), make_stack()[:, ::-1]])
    viewer.add_image(channels, channel_axis=0, name=["DAPI", "GFP"])
    viewer.layers.selection.update(viewer.layers)
    rest()
    window.save(viewer, "stack-channels")
    for title in ("Fuse two layers", "Fuse files"):
        viewer.window.add_plugin_dock_widget("napari-rpsnn", title)
    rest()
    window.save(viewer, "all-panels")


def show_files(window: Window) -> None:
    """A folder is looked at, fused, and a result opened."""
    viewer, open_panel = window.open("Fuse files")
    widget = open_panel()
    wait(lambda: "cpu" in widget.device.choices)
    rest()
    window.save(viewer, "files-empty")
    PLACE.mkdir()
    try:
        widget.folder.value = make_folder(PLACE / "embryos")
        wait(lambda: widget.status.value.startswith("4 stacks"))
        rest()
        window.save(viewer, "files-before")
        widget.fuse_button.native.click()
        wait(lambda: "left" in widget.status.value)
        window.save(viewer, "files-during")
        wait(lambda: widget.fuse_button.enabled)
        widget.table.native.cellDoubleClicked.emit(0, 0)
        wait(lambda: len(viewer.layers))
        rest()
        window.save(viewer, "files-after")
        viewer.close()
    finally:
        shutil.rmtree(PLACE)


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description="Make pictures of the window.")
    parser.add_argument("folder", nargs="?", type=Path, default=DOCS, help="of every state; else those of the docs")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for size in (DOCS_PX,) if folder == DOCS else SIZES_PX:
        for theme in ("dark", "light"):
            for show in (show_pair, show_stack, show_files):
                show(Window(folder, theme, size))


if __name__ == "__main__":
    main()

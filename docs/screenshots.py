"""Make the pictures of the window for the docs, in the real napari: run it with ``make screenshots``.

A pair and a stack are fused through the panels as a user would do it, by clicks, in the dark and in the light theme;
the window is saved before, while the work goes on, and after it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage import data

# Settings of its own, so that what the user has chosen does not show in the pictures.
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")

import napari
from qtpy.QtWidgets import QApplication

from napari_rpsnn.cli.demo import make_pair

OUT = Path(__file__).parent / "napari"
SIZE_PX = (1100, 720)
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


def save(viewer: napari.Viewer, name: str) -> None:
    """Write the window to a small PNG."""
    QApplication.processEvents()
    picture = Image.fromarray(viewer.window.screenshot(flash=False, canvas_only=False)).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(OUT / f"{name}.png", optimize=True)
    print(f"{name}.png: {(OUT / f'{name}.png').stat().st_size // 1024} kB")


def side_by_side(viewer: napari.Viewer, columns: int) -> None:
    """All layers beside each other."""
    viewer.canvas.grid.enabled = True
    viewer.canvas.grid.shape = (-1, columns)
    viewer.canvas.grid.stride = -1
    viewer.reset_view()


def open_window(theme: str, title: str) -> tuple[napari.Viewer, Callable[[], Any]]:
    """A window, and what opens the panel in it."""
    viewer = napari.Viewer(show=True)
    viewer.theme = theme
    viewer.window.resize(*SIZE_PX)
    return viewer, lambda: viewer.window.add_plugin_dock_widget("napari-rpsnn", title)[1]


def show_pair(theme: str) -> None:
    """Two layers become a third."""
    viewer, open_panel = open_window(theme, "Fuse two layers")
    near, far, _ = make_pair()
    for name, image in (("near", near), ("far", far)):
        viewer.add_image(image, name=name, scale=(0.5, 0.5), units=("um", "um"))
    side_by_side(viewer, 2)
    widget = open_panel()
    wait(lambda: "cpu" in widget.device.choices)
    rest()
    save(viewer, f"pair-before-{theme}")
    widget.tile.value = "128"  # many tiles, so that there is something to see on the way
    widget.return_map.value = True
    widget.fuse_button.native.click()
    wait(lambda: widget.progress.value >= 4)
    save(viewer, f"pair-during-{theme}")
    wait(lambda: widget.fuse_button.enabled)
    viewer.layers["near + far decision map"].visible = True
    side_by_side(viewer, 2)
    rest()
    save(viewer, f"pair-after-{theme}")
    viewer.close()


def show_stack(theme: str) -> None:
    """A stack becomes an image and a height map, live."""
    viewer, open_panel = open_window(theme, "Fuse a stack")
    labels = ("z", "y", "x")
    viewer.add_image(make_stack(), name="stack", scale=(2, 0.5, 0.5), units=("um",) * 3, axis_labels=labels)
    widget = open_panel()
    wait(lambda: "cpu" in widget.device.choices)
    widget.return_height.value = True
    widget.tile.value = "auto"
    rest()
    save(viewer, f"stack-before-{theme}")
    widget.fuse_button.native.click()
    wait(lambda: "stack fused" in viewer.layers and widget.progress.value > 0.5 * widget.progress.max)
    rest(0.2)
    save(viewer, f"stack-during-{theme}")
    wait(lambda: widget.fuse_button.enabled)
    viewer.layers["stack height [µm]"].visible = True
    viewer.layers["stack"].visible = False
    side_by_side(viewer, 2)
    widget.advanced.expand(animate=False)
    rest()
    save(viewer, f"stack-after-{theme}")
    viewer.close()


def main() -> None:
    """Make all pictures."""
    OUT.mkdir(exist_ok=True)
    for theme in ("dark", "light"):
        show_pair(theme)
        show_stack(theme)


if __name__ == "__main__":
    main()

"""Make the pictures of the window for the docs, in the real napari: run it with ``make screenshots``."""

from __future__ import annotations

import sys
from pathlib import Path

import napari
from qtpy.QtCore import QTimer

from napari_rpsnn.demo import make_pair

OUT = Path(__file__).parent / "widget.png"
TIMEOUT_MS = 120_000


def main() -> None:
    """Fuse two layers through the widget and save the window."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1300, 800)
    near, far, _ = make_pair()
    for name, image in (("near", near), ("far", far)):
        viewer.add_image(image, name=name, scale=(0.5, 0.5), units=("um", "um"))
    _, widget = viewer.window.add_plugin_dock_widget("napari-rpsnn", "Fuse two layers")
    viewer.layers.events.inserted.connect(lambda: QTimer.singleShot(500, finish))

    def finish() -> None:
        # Side by side, as far as the layers reach.
        viewer.grid.enabled = True
        viewer.grid.shape = (1, 3)
        viewer.grid.stride = -1
        viewer.reset_view()
        QTimer.singleShot(1000, save)

    def save() -> None:
        viewer.window.screenshot(path=str(OUT), flash=False)
        viewer.close()

    QTimer.singleShot(1500, widget.fuse_button.native.click)
    QTimer.singleShot(TIMEOUT_MS, lambda: sys.exit("The fused layer did not come."))
    napari.run()


if __name__ == "__main__":
    main()

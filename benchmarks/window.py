"""How long napari's window stands still while two layers are fused in it, and what the window costs the fusion.

    xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" python benchmarks/window.py [--side 2048] [--repeat 2]

A timer that is due every 5 ms runs in the real window, from before *Fuse* is pressed until the new layer is drawn; the
gaps between its calls, less those 5 ms, are the stalls of the event loop. Those in which napari adds and draws the new
layer are given apart, beside what napari needs to add the same picture while nothing else goes on.

In turns with it the pair is fused in the window without that timer, which takes time itself, and by `fuse` in a process
of its own, as from a script: OpenMP keeps threads for each thread that calls it, and those of a second one in the same
process would make both slower. These two are compared.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtWidgets import QApplication
from scipy.ndimage import gaussian_filter

from napari_rpsnn import fuse

TICK_S = 0.005
#: Seconds between looks at whether a run has ended.
LOOK_S = 0.1
#: A layer that was added is drawn within this time.
DRAWN_S = 0.3


def make_pair(side: int) -> tuple[Any, Any]:
    """Two noisy textures, each blurred in one half."""
    sharp = gaussian_filter(np.random.default_rng(0).random((side, side), np.float32), 1)
    sharp = np.clip((sharp - 0.35) / 0.3 * 255, 0, 255).astype(np.uint8)
    blurred = gaussian_filter(sharp, 3)
    near, far = sharp.copy(), sharp.copy()
    near[:, side // 2 :] = blurred[:, side // 2 :]
    far[:, : side // 2] = blurred[:, : side // 2]
    return near, far


class Stalls:
    """Gaps between the calls of a timer in the event loop."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self.adding: list[float] = []
        self.added = float("-inf")
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(int(1000 * TICK_S))

    def _tick(self) -> None:
        now = time.perf_counter()
        (self.adding if self._last - self.added < DRAWN_S else self.gaps).append(max(now - self._last - TICK_S, 0))
        self._last = now

    def mark(self) -> None:
        """A layer is added in this gap, and drawn in it or in the next ones."""
        self.added = time.perf_counter()

    def stop(self) -> tuple[list[float], float]:
        """The gaps in ascending order, and the longest in which a layer was added or drawn."""
        self._timer.stop()
        return sorted(self.gaps), max(self.adding)


def wait(condition: Any, limit_s: float = 600) -> None:
    """Run the event loop, as the application does, until the condition holds."""
    end = time.perf_counter() + limit_s
    loop, watch = QEventLoop(), QTimer()

    def look() -> None:
        if condition():
            loop.exit(0)
        elif time.perf_counter() > end:
            loop.exit(1)

    watch.timeout.connect(look)
    watch.start(int(1000 * LOOK_S))
    if loop.exec():
        sys.exit("It did not come to an end.")


def run_in_window(viewer: napari.Viewer, widget: Any) -> float:
    """Seconds of the worker; the layer is removed again."""
    count = len(viewer.layers)
    widget.fuse_button.native.click()
    wait(lambda: len(viewer.layers) > count and widget.fuse_button.enabled)
    rest(0.5)
    seconds: float = viewer.layers.pop().metadata["napari-rpsnn"]["seconds"]
    return seconds


def watch_window(viewer: napari.Viewer, widget: Any) -> tuple[list[float], float]:
    """Stalls of a run, from before the button is pressed until the layer is drawn."""
    stalls = Stalls()
    viewer.layers.events.inserted.connect(stalls.mark)
    run_in_window(viewer, widget)
    viewer.layers.events.inserted.disconnect(stalls.mark)
    return stalls.stop()


def add_alone(viewer: napari.Viewer, image: Any) -> float:
    """The stall of adding an image while nothing else goes on."""
    stalls = Stalls()
    viewer.layers.events.inserted.connect(stalls.mark)
    viewer.add_image(image, contrast_limits=(0, 255))
    rest(0.5)
    viewer.layers.events.inserted.disconnect(stalls.mark)
    viewer.layers.pop()
    return stalls.stop()[1]


def rest(seconds: float) -> None:
    """Run the event loop for some time."""
    end = time.perf_counter() + seconds
    wait(lambda: time.perf_counter() > end)


def run_in_script(near: Any, far: Any) -> float:
    """Seconds of `fuse`, in the process that this is called in."""
    start = time.perf_counter()
    fuse(near, far)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=2048, help="of the square pair, in pixels")
    parser.add_argument("--repeat", type=int, default=2, help="runs in the window, between runs of `fuse`")
    args = parser.parse_args()
    near, far = make_pair(args.side)
    viewer = napari.Viewer(show=True)
    for name, image in (("near", near), ("far", far)):
        viewer.add_image(image, name=name)
    QApplication.processEvents()
    start = time.perf_counter()
    _, widget = viewer.window.add_plugin_dock_widget("napari-rpsnn", "Fuse two layers")
    print(f"The panel opens in {time.perf_counter() - start:.3f} s.")
    rest(1)
    scripts: list[float] = []
    windows: list[float] = []
    script = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    for number in range(args.repeat + 1):
        # The first run of each loads the network; its time does not count.
        gaps, adding = watch_window(viewer, widget)
        alone = add_alone(viewer, near)
        worst = ", ".join(f"{1000 * gap:.0f}" for gap in gaps[-5:])
        print(
            f"Run {number}: stalls of {1000 * np.median(gaps):.1f} ms (median), {worst} ms (worst five); "
            f"adding the layer {1000 * adding:.0f} ms, alone {1000 * alone:.0f} ms."
        )
        seconds = run_in_window(viewer, widget), script.submit(run_in_script, near, far).result()
        if number:
            windows.append(seconds[0])
            scripts.append(seconds[1])
    ratio = np.median(windows) / np.median(scripts)
    print(f"Worker {np.median(windows):.2f} s, `fuse` {np.median(scripts):.2f} s: {100 * (ratio - 1):+.1f} %.")
    script.shutdown()
    viewer.close()


if __name__ == "__main__":
    main()

"""Pairs with known truth that the tests share."""

import os

import numpy as np
import pytest
from scipy import ndimage as ndi
from skimage import data

# Kernels for GPUs run on the CPU. It must be known before the first `import triton`, torch's own for example.
os.environ["TRITON_INTERPRET"] = "1"


def blur_halves(truth):
    """Return near, sharp in the left half, and far, sharp in the right half."""
    blurred = ndi.gaussian_filter(truth.astype(float), (2, 2) + (0,) * (truth.ndim - 2))
    if truth.dtype.kind in "iu":
        blurred = np.rint(blurred)
    middle = truth.shape[1] // 2
    near, far = truth.copy(), truth.copy()
    near[:, middle:] = blurred[:, middle:]
    far[:, :middle] = blurred[:, :middle]
    return near, far


@pytest.fixture(scope="session")
def grey_pair():
    """Near, far and truth: uint8 of 96x128 pixels."""
    truth = data.camera()[128:224, 192:320]
    return (*blur_halves(truth), truth)


@pytest.fixture(scope="session")
def rgb_pair():
    """Near, far and truth: uint8 RGB of 96x128 pixels."""
    truth = data.immunohistochemistry()[100:196, 100:228]
    return (*blur_halves(truth), truth)


@pytest.fixture(scope="session")
def small_stack():
    """Four planes, each sharp in a strip of its own, and the truth: uint8 of 96x128 pixels."""
    truth = data.camera()[128:224, 192:320]
    planes = np.stack([np.rint(ndi.gaussian_filter(truth.astype(float), 2)).astype(np.uint8)] * 4)
    for k in range(4):
        planes[k, :, 32 * k : 32 * (k + 1)] = truth[:, 32 * k : 32 * (k + 1)]
    return planes, truth


@pytest.fixture
def no_threads_left():
    """No worker is left when the viewer, which is closed before, is gone."""
    yield
    from qtpy.QtCore import QThreadPool

    assert QThreadPool.globalInstance().waitForDone(30_000)


@pytest.fixture
def viewer(no_threads_left, plugin_settings, npe2pm, make_napari_viewer):
    """A shown viewer that knows this plugin alone, with settings of its own."""
    from npe2 import PluginManifest

    npe2pm.register(PluginManifest.from_distribution("napari-rpsnn"))
    return make_napari_viewer(show=True)


@pytest.fixture
def open_panel(viewer):
    """Open a dock of the plugin as the menu does, and return its widget."""

    def open_it(title="Fuse two layers"):
        return viewer.window.add_plugin_dock_widget("napari-rpsnn", title)[1]

    return open_it


@pytest.fixture
def notices():
    """Everything napari tells the user, as (severity, message)."""
    from napari.utils.notifications import notification_manager

    told = []

    def listen(event):
        told.append((str(event.severity), event.message))

    notification_manager.notification_ready.connect(listen)
    yield told
    notification_manager.notification_ready.disconnect(listen)

"""What `import napari_rpsnn` must not load, looked at in a fresh interpreter."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "napari", "qtpy", "PyQt6", "magicgui", "lightning_fabric", "skimage", "scipy", "dask", "distributed")


def loaded_after(code):
    """Names among HEAVY that a fresh interpreter has loaded after running `code`."""
    script = f"import sys, json; {code}; print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))"
    return json.loads(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True).stdout)


def test_the_package_loads_nothing_heavy():
    assert loaded_after("import napari_rpsnn") == []


def test_fuse_loads_torch_only_when_called():
    assert "torch" not in loaded_after("from napari_rpsnn import fuse")


def test_the_core_loads_neither_napari_nor_qt():
    loaded = loaded_after("import numpy as np; from napari_rpsnn import fuse; fuse(np.zeros((2, 2)), np.zeros((2, 2)))")
    assert "torch" in loaded
    assert not {"napari", "qtpy", "PyQt6", "magicgui", "lightning_fabric", "dask"} & set(loaded)


def test_a_model_is_loaded_without_torchs_compiler():
    """It takes seconds to import, and more stack than a thread of Qt has."""
    script = "import sys; from napari_rpsnn import load_model; load_model('rpsnn-lite'); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert {"napari_rpsnn.model.weights", "torch"} <= set(run.stdout.split())
    assert "torch._dynamo" not in run.stdout.split()


def test_what_a_run_is_made_of_needs_no_napari():
    rooms = [f"plugin.{room}" for room in ("layers", "placement", "choices", "run", "startup")]
    rooms += ["model.catalog", "io.provenance"]
    assert loaded_after("import " + ", ".join(f"napari_rpsnn.{room}" for room in rooms)) == []


def test_the_widget_opens_without_torch():
    pytest.importorskip("napari", reason="napari is not in this environment")
    assert "torch" not in loaded_after("import napari_rpsnn.plugin.widget")


def test_the_samples_load_torch_only_when_one_is_opened():
    assert not {"torch", "napari"} & set(loaded_after("import napari_rpsnn.plugin.sample_data"))

import subprocess
import sys

from napari_rpsnn.engine.device import choose_device
from napari_rpsnn.plugin import startup
from napari_rpsnn.plugin.startup import available_devices


def test_devices_are_what_fuse_takes_and_have_names():
    found = available_devices()
    assert list(found)[-1] == "cpu"
    for device, name in found.items():
        assert str(choose_device(device)) == device
        assert ":" in name


def in_a_fresh_interpreter(script):
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_torch_is_imported_without_a_look_for_garbage():
    script = """
import gc
seen = []
gc.callbacks.append(lambda phase, _: seen.append(phase))
from napari_rpsnn.plugin.startup import import_torch
del seen[:]
import_torch()
print(len(seen), gc.isenabled(), gc.get_freeze_count())
import torch
print(torch.ones(2).sum())
"""
    assert in_a_fresh_interpreter(script) == ["0", "True", "0", "tensor(2.)"]


def test_a_collector_that_is_off_stays_off():
    script = (
        "import gc; gc.disable()\n"
        "from napari_rpsnn.plugin.startup import import_torch; import_torch(); print(gc.isenabled())"
    )
    assert in_a_fresh_interpreter(script) == ["False"]


def test_libraries_that_are_not_found_are_left_to_the_import(monkeypatch):
    monkeypatch.setattr(startup, "find_spec", lambda name: None)
    startup._load_libraries()

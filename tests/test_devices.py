import subprocess
import sys

from napari_rpsnn.devices import available_devices
from napari_rpsnn.inference import choose_device


def test_devices_are_what_fuse_takes_and_have_names():
    devices = available_devices()
    assert list(devices)[-1] == "cpu"
    for device, name in devices.items():
        assert str(choose_device(device)) == device
        assert ":" in name


def test_torch_is_loaded_ahead_and_then_imported():
    script = "from napari_rpsnn.devices import preload_torch; preload_torch(); import torch; print(torch.ones(2).sum())"
    assert (
        "tensor(2.)"
        in subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    )


def test_without_torch_it_does_nothing(monkeypatch):
    from napari_rpsnn import devices

    monkeypatch.setattr(devices, "find_spec", lambda name: None)
    devices.preload_torch()

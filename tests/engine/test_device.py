from types import SimpleNamespace

import pytest
import torch

from napari_rpsnn.engine.device import choose_batch, choose_device, choose_model, choose_tile, model_name
from napari_rpsnn.model.network import RPSNN


def test_devices():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cuda", "mps", "cpu")
    with pytest.raises(ValueError, match=r"device: expected 'auto'.*got 'gpu'"):
        choose_device("gpu")
    with pytest.raises(ValueError, match="device: 'cuda:99' is not on this machine, which has"):
        choose_device("cuda:99")


def test_models():
    assert choose_model("auto", torch.device("cpu")) == "rpsnn-lite"
    assert choose_model("auto", torch.device("cuda")) == "rpsnn"
    assert choose_model("rpsnn", torch.device("cpu")) == "rpsnn"


def test_batches_are_for_gpus(monkeypatch):
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (16e9, 16e9))
    assert choose_batch(256, torch.device("cpu"), 16, torch.bfloat16) == 1
    assert choose_batch(256, torch.device("cuda"), 16, torch.bfloat16) == 124
    assert choose_batch(1024, torch.device("cuda"), 64, torch.bfloat16) == 2


def test_the_tile_fits_the_memory_that_is_free(monkeypatch):
    def side(free, width=16, dtype=torch.float32):
        monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=free))
        return choose_tile("auto", torch.device("cpu"), width, dtype)

    assert side(16e9) == side(8e9) == 960  # plenty of memory does not change a result
    assert side(8e9, width=64) == 448
    assert side(8e9, width=64, dtype=torch.bfloat16) == 640
    assert side(0.5e9) < 512
    assert side(0) == 128


def test_models_have_names():
    assert model_name("rpsnn-lite") == "rpsnn-lite"
    assert model_name("some/where/own.safetensors") == "own.safetensors"
    assert model_name(RPSNN(width=16)) == "RPSNN(width=16)"

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from networks import fuse_tiled, randomized

from napari_rpsnn.engine.inference import (
    choose_batch,
    choose_device,
    choose_model,
    choose_precision,
    choose_tile,
    true_float32,
)
from napari_rpsnn.model.float16 import half_network
from napari_rpsnn.model.network import RPSNN
from napari_rpsnn.model.weights import prepared_model


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    return rng.random((2, 150, 190, 3))


def test_tiled_equals_whole_at_a_halo_of_39_and_not_at_38(pair):
    network = randomized().double()
    whole = fuse_tiled(network, pair, 512)
    scale = np.abs(whole).max()
    assert np.abs(fuse_tiled(network, pair, 40) - whole).max() < 1e-13 * scale
    assert np.abs(fuse_tiled(network, pair, 40, halo=38) - whole).max() > 1e-12 * scale


def test_a_batch_of_tiles_gives_what_they_give_one_by_one(pair):
    network = randomized().double()
    one_by_one = fuse_tiled(network, pair, 40)
    for batch in (2, 5, 100):
        np.testing.assert_allclose(fuse_tiled(network, pair, 40, batch=batch), one_by_one, rtol=1e-12, atol=1e-12)


def test_bfloat16_is_close_to_float32(rgb_pair):
    network = prepared_model("rpsnn-lite", torch.device("cpu"))
    pair = [x.astype(np.float32) / 255 for x in rgb_pair[:2]]
    exact = fuse_tiled(network, pair, 512, dtype=torch.float32)
    fast = fuse_tiled(network, pair, 512, dtype=torch.bfloat16)
    assert 0 < np.abs(fast - exact).mean() < 0.01


def test_cuda_settings_keep_cudnn_on_and_float32_true():
    cudnn = torch.backends.cudnn
    before = cudnn.enabled, cudnn.allow_tf32
    with true_float32(torch.device("cuda")):
        assert (cudnn.enabled, cudnn.allow_tf32) == (before[0], False)
    assert (cudnn.enabled, cudnn.allow_tf32) == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_cuda_gives_what_the_cpu_gives(rgb_pair, dtype):
    pair = [x.astype(np.float32) / 255 for x in rgb_pair[:2]]
    on_cpu, on_gpu = (
        fuse_tiled(prepared_model("rpsnn", torch.device(d)), pair, 64, dtype=dtype) for d in ("cpu", "cuda")
    )
    assert np.abs(on_gpu - on_cpu).mean() < (1e-5 if dtype == torch.float32 else 0.01)


def test_devices():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cuda", "mps", "cpu")
    with pytest.raises(ValueError, match=r"device: expected 'auto'.*got 'gpu'"):
        choose_device("gpu")
    with pytest.raises(ValueError, match="device: 'cuda:99' is not on this machine, which has"):
        choose_device("cuda:99")


def test_precisions(monkeypatch):
    cpu, cuda, network = torch.device("cpu"), torch.device("cuda"), RPSNN(width=16)
    assert choose_precision("auto", cpu, network) in (torch.bfloat16, torch.float32)
    assert choose_precision("float32", cpu, network) == torch.float32
    with pytest.raises(ValueError, match=r"precision: expected 'auto', .*, got 'half'"):
        choose_precision("half", cpu, network)
    with pytest.raises(ValueError, match="precision: 'float16' is for CUDA devices, got the device 'cpu'"):
        choose_precision("float16", cpu, network)

    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: True)
    monkeypatch.setattr("napari_rpsnn.engine.inference.has_kernels", lambda device: device == cuda)
    assert choose_precision("auto", cuda, network) == choose_precision("float16", cuda, network) == torch.float16
    with torch.no_grad():
        for branch in network.branches:
            branch[0].conv[0].weight *= 1e5
    half_network.cache_clear()
    assert choose_precision("auto", cuda, network) == torch.bfloat16
    with pytest.raises(ValueError, match="precision: the values of this model leave the range of 'float16'"):
        choose_precision("float16", cuda, network)


def test_models():
    assert choose_model("auto", torch.device("cpu")) == "rpsnn-lite"
    assert choose_model("auto", torch.device("cuda")) == "rpsnn"
    assert choose_model("rpsnn", torch.device("cpu")) == "rpsnn"


def test_batches_are_for_gpus(monkeypatch):
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (16e9, 16e9))
    assert choose_batch(256, torch.device("cpu"), 16, torch.bfloat16) == 1
    assert choose_batch(256, torch.device("cuda"), 16, torch.bfloat16) == 124
    assert choose_batch(1024, torch.device("cuda"), 64, torch.bfloat16) == 2


@pytest.mark.parametrize("tile", [0, -1, 1.5, "big", True])
def test_bad_tiles_are_refused(tile):
    with pytest.raises(ValueError, match="tile: expected 'auto' or a number"):
        choose_tile(tile, torch.device("cpu"), 16, torch.float32)


def test_the_tile_fits_the_memory_that_is_free(monkeypatch):
    def side(free, width=16, dtype=torch.float32):
        monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=free))
        return choose_tile("auto", torch.device("cpu"), width, dtype)

    assert side(16e9) == side(8e9) == 960  # plenty of memory does not change a result
    assert side(8e9, width=64) == 448
    assert side(8e9, width=64, dtype=torch.bfloat16) == 640
    assert side(0.5e9) < 512
    assert side(0) == 128

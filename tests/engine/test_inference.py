import numpy as np
import pytest
import torch
from networks import fuse_tiled, randomized

from napari_rpsnn.engine.inference import true_float32
from napari_rpsnn.model.weights import prepared_model


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    return rng.random((2, 150, 190, 3))


def test_tiled_equals_whole_at_a_halo_of_39_and_not_at_38(pair):
    network = randomized(4).double()
    whole = fuse_tiled(network, pair, 512)
    scale = np.abs(whole).max()
    assert np.abs(fuse_tiled(network, pair, 40) - whole).max() < 1e-13 * scale
    assert np.abs(fuse_tiled(network, pair, 40, halo=38) - whole).max() > 1e-12 * scale


def test_a_batch_of_tiles_gives_what_they_give_one_by_one(pair):
    network = randomized(4).double()
    one_by_one = fuse_tiled(network, pair, 40)
    for batch in (2, 5, 100):
        np.testing.assert_allclose(fuse_tiled(network, pair, 40, batch=batch), one_by_one, rtol=1e-12, atol=1e-12)


def test_bfloat16_is_close_to_float32(rgb_pair):
    network = prepared_model("rpsnn-lite", torch.device("cpu"))
    pair = [x.astype(np.float32) / 255 for x in rgb_pair[:2]]
    exact = fuse_tiled(network, pair, 512, dtype=torch.float32)
    fast = fuse_tiled(network, pair, 512, dtype=torch.bfloat16)
    assert 0 < np.abs(fast - exact).mean() < 0.01


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_cuda_gives_what_the_cpu_gives(rgb_pair, dtype):
    pair = [x.astype(np.float32) / 255 for x in rgb_pair[:2]]
    on_cpu, on_gpu = (
        fuse_tiled(prepared_model("rpsnn", torch.device(d)), pair, 64, dtype=dtype) for d in ("cpu", "cuda")
    )
    assert np.abs(on_gpu - on_cpu).mean() < (1e-5 if dtype == torch.float32 else 0.01)


def test_cuda_settings_keep_cudnn_on_and_float32_true():
    cudnn = torch.backends.cudnn
    before = cudnn.enabled, cudnn.allow_tf32
    with true_float32(torch.device("cuda")):
        assert (cudnn.enabled, cudnn.allow_tf32) == (before[0], False)
    assert (cudnn.enabled, cudnn.allow_tf32) == before

"""The kernels for GPUs, run by Triton's interpreter on the CPU: what they compute, not how fast."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import fuse_tiled, randomized

from napari_rpsnn.model import arithmetic
from napari_rpsnn.model.network import RPSNN
from napari_rpsnn.model.weights import prepared_model

pytest.importorskip("triton", reason="Triton is not in this environment")
from napari_rpsnn.model import triton_network

CPU = torch.device("cpu")


@pytest.fixture
def everywhere(monkeypatch):
    """Take any device for one that the kernels are for, and try them with little: the interpreter is slow."""
    monkeypatch.setattr(arithmetic, "has_kernels", lambda device: True)
    monkeypatch.setattr(arithmetic, "NOISE", (4, 20))
    arithmetic.half_network.cache_clear()
    yield
    arithmetic.half_network.cache_clear()


def error_of(compute, network, *shape):
    pair = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        exact = network(*pair)
        made = compute(*pair)
    assert made.shape == exact.shape
    assert made.dtype == torch.float32
    return float((made - exact).abs().max() / exact.abs().max())


@pytest.mark.parametrize("model", ["rpsnn-lite", "rpsnn"])
def test_the_kernels_compute_the_network(model):
    network = prepared_model(model, CPU)
    compute = triton_network.FusedRPSNN(network)
    assert error_of(compute, network, 1, 3, 3, 141) < 5e-3


@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (1, 3, 11, 30), (2, 3, 1, 2)])
def test_pictures_of_any_size(shape):
    network = randomized(width=16)
    assert error_of(triton_network.FusedRPSNN(network), network, *shape) < 5e-3


def test_grey_pictures_are_expanded_not_copied():
    network = randomized(width=16)
    grey = torch.rand(2, 1, 1, 3, 20).expand(-1, -1, 3, -1, -1)
    with torch.inference_mode():
        torch.testing.assert_close(triton_network.FusedRPSNN(network)(*grey), network(*grey), rtol=0.01, atol=0.01)


def test_tiles_are_computed_by_kernels_where_there_are_some(everywhere):
    network = prepared_model("rpsnn-lite", CPU)
    assert isinstance(arithmetic.half_network(network), triton_network.FusedRPSNN)
    pair = np.random.default_rng(0).random((2, 4, 40, 3)).astype(np.float32)
    exact, fast = (fuse_tiled(network, pair, 32, dtype=dtype) for dtype in (torch.float32, torch.float16))
    assert 0 < np.abs(fast - exact).max() < 5e-3


def test_torch_computes_what_the_kernels_are_not_for(everywhere):
    network = randomized(width=20)
    assert error_of(arithmetic.half_network(network), network, 1, 3, 20, 20) < 5e-3


@pytest.mark.parametrize("wrong", ["error", "values"])
def test_torch_computes_where_the_kernels_fail(everywhere, monkeypatch, wrong):
    network = prepared_model("rpsnn-lite", CPU)

    class Failing:
        def __init__(self, network):
            if wrong == "error":
                raise RuntimeError("no C compiler")

        def __call__(self, image0, image1):
            return image0

    monkeypatch.setattr(triton_network, "FusedRPSNN", Failing)
    if wrong == "error":
        with pytest.warns(UserWarning, match="Triton failed: no C compiler"):
            compute = arithmetic.half_network(network)
    else:
        compute = arithmetic.half_network(network)
    assert not isinstance(compute, Failing)
    assert error_of(compute, network, 1, 3, 20, 20) < 5e-3


def test_networks_that_leave_the_range_of_float16_are_told(everywhere):
    network = RPSNN(width=16)
    with torch.no_grad():
        network.branches[0][0].conv[0].weight *= 1e5
        network.branches[1][0].conv[0].weight *= 1e5
    assert arithmetic.half_network(network.eval()) is None


def test_the_kernels_compile_for_the_gpu_that_they_are_for(tmp_path):
    script = Path(__file__).with_name("compile_kernels.py")
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, script], env=environment, check=True, capture_output=True, text=True)
    kernels = json.loads(done.stdout)
    assert len(kernels) == 8
    assert all(kernel["products"] and kernel["copies"] for kernel in kernels), kernels  # by tensor cores, copy engine
    assert max(kernel["shared"] for kernel in kernels) <= 232448  # bytes a program can have

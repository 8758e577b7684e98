import pytest
import torch

from napari_rpsnn.model.arithmetic import choose_dtype, half_network
from napari_rpsnn.model.network import RPSNN


def test_dtypes(monkeypatch):
    cpu, cuda, network = torch.device("cpu"), torch.device("cuda"), RPSNN(width=16)
    assert choose_dtype("auto", cpu, network) in (torch.bfloat16, torch.float32)
    assert choose_dtype("float32", cpu, network) == torch.float32
    with pytest.raises(ValueError, match="precision: 'float16' is for CUDA devices, got the device 'cpu'"):
        choose_dtype("float16", cpu, network)

    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: True)
    monkeypatch.setattr("napari_rpsnn.model.arithmetic.has_kernels", lambda device: device == cuda)
    assert choose_dtype("auto", cuda, network) == choose_dtype("float16", cuda, network) == torch.float16
    with torch.no_grad():
        for branch in network.branches:
            branch[0].conv[0].weight *= 1e5
    half_network.cache_clear()
    assert choose_dtype("auto", cuda, network) == torch.bfloat16
    with pytest.raises(ValueError, match="precision: 'float16' cannot hold its values"):
        choose_dtype("float16", cuda, network)

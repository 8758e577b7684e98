import platform

import pytest
import torch
from torch.nn import functional as F

from napari_rpsnn.model import onednn
from napari_rpsnn.model.onednn import convolve, convolve_onto

#: (channels in, out, kernel, padding, dilation)
CASES = [(3, 16, 7, (3, 3), 1), (16, 16, 3, (1, 1), 1), (16, 48, 3, (0, 8), 8), (48, 16, 1, (0, 0), 1)]


def tensors(case, rows=20, dtype=torch.float32, batch=1):
    c_in, c_out, size, padding, dilation = case
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, c_in, rows, 30, generator=generator).to(dtype, memory_format=torch.channels_last)
    weight = torch.randn(c_out, c_in, size, size, generator=generator).to(dtype) / (c_in * size**2) ** 0.5
    return x, weight, {"padding": padding, "dilation": dilation}


@pytest.fixture(params=sorted({False, onednn.HAS_STEPS}), ids="joined: {}".format)
def steps(request, monkeypatch):
    """Joined where this processor can, and one after the other."""
    monkeypatch.setattr(onednn, "HAS_STEPS", request.param)


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02), (torch.float64, 1e-12)]
)
@pytest.mark.parametrize("case", CASES)
@torch.inference_mode()
def test_is_a_convolution_and_what_follows(case, dtype, tolerance, batch):
    x, weight, where = tensors(case, dtype=dtype, batch=batch)
    expected = F.conv2d(x.double(), weight.double(), **where)
    linear, activated = convolve(x, weight, **where), convolve(x, weight, **where, activate=True)
    assert linear.dtype == activated.dtype == dtype
    assert (linear.double() - expected).abs().max() <= tolerance * expected.abs().max()
    assert (activated.double() - F.leaky_relu(expected, 0.1)).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_sums_go_to_rows_of_an_image_and_nowhere_else(dtype):
    x, weight, _ = tensors(CASES[3], rows=7, dtype=dtype)
    image = torch.randn(1, 16, 20, 30).to(dtype, memory_format=torch.channels_last)
    expected = image.clone()
    expected[:, :, 5:12] += F.conv2d(x, weight)
    result = convolve_onto(image[:, :, 5:12], x, weight)
    torch.testing.assert_close(image, expected, rtol=0.02 if dtype == torch.bfloat16 else 1e-5, atol=1e-2)
    assert torch.equal(result, image[:, :, 5:12])
    assert torch.equal(image[:, :, :5], expected[:, :, :5])
    assert torch.equal(image[:, :, 12:], expected[:, :, 12:])


@pytest.mark.usefixtures("steps")
@torch.inference_mode()
def test_autocast_chooses_the_type():
    x, weight, where = tensors(CASES[1])
    with torch.autocast("cpu", torch.bfloat16):
        y = convolve(x, weight, **where)
        assert y.dtype == torch.bfloat16
        assert convolve_onto(y, x, weight, padding=(1, 1)).dtype == torch.bfloat16
    assert convolve(x, weight, **where).dtype == torch.float32


def test_gradients_are_those_of_a_convolution():
    x, weight, where = tensors(CASES[1])
    weight.requires_grad_()
    sums = x.clone()
    y = convolve_onto(sums, convolve(x, weight, **where, activate=True), weight, padding=(1, 1))
    expected = x + F.conv2d(F.leaky_relu(F.conv2d(x, weight, **where), 0.1), weight, padding=1)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(*(torch.autograd.grad(v.square().sum(), weight) for v in (y, expected)))
    assert torch.equal(sums, x)


def test_torch_still_has_what_it_keeps_to_itself():
    """If this fails, the network is slower with this version of torch: look for the new names."""
    assert hasattr(torch.cpu, "_is_avx512_bf16_supported")
    assert onednn.HAS_STEPS or platform.machine() not in ("x86_64", "AMD64")


def test_a_torch_that_does_not_tell_has_no_bfloat16(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert not onednn.multiplies_bfloat16()

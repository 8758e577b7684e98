"""In which arithmetic the network computes: float32, bfloat16 where the hardware has it, or float16 on a GPU.

float16 has 10 bits of mantissa, as TF32, and ends at 65 504; values in the bundled networks end at 5. It is computed by
kernels of its own, or by torch where those do not run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec

import torch
from torch import Tensor

from napari_rpsnn.model.ambient import undisturbed
from napari_rpsnn.model.network import RPSNN
from napari_rpsnn.model.onednn import multiplies_bfloat16

#: The noise that networks are tried with: two images of these rows and columns, each pixel of which sees a border of
#: the picture or of what a program computes.
NOISE = (24, 140)
#: It ends here, not at 1. Networks have no biases, so all values in them are so many times as large, too: where none
#: leaves the range, none does in a picture that they see as much in.
MARGIN = 16
#: Of the image of noise, as a share of its largest value. Both bundled models have 0.003.
LARGEST_ERROR = 0.02

Network = Callable[[Tensor, Tensor], Tensor]


def choose_dtype(name: str, device: torch.device, network: RPSNN) -> torch.dtype:
    """Return the dtype of that name; "auto" takes the fastest one that the hardware has.

    That is float16 where there are kernels for it, then bfloat16, then float32.
    """
    if name == "auto":
        if has_kernels(device) and half_network(network):
            return torch.float16
        return torch.bfloat16 if has_bfloat16(device) else torch.float32
    if name == "float16" and (device.type != "cuda" or not half_network(network)):
        why = f"is for CUDA devices, got the device '{device}'" if device.type != "cuda" else "cannot hold its values"
        raise ValueError(f"precision: 'float16' {why}")
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # On Apple GPUs bfloat16 is emulated on the first chips: float32 is the safe choice there.
    return device.type == "cpu" and multiplies_bfloat16()


def has_kernels(device: torch.device) -> bool:
    """Whether the kernels are for this device: NVIDIA's Hopper, on which they were written and measured."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] == 9 and bool(find_spec("triton"))


@lru_cache(maxsize=4)
@undisturbed
@torch.inference_mode()
def half_network(network: RPSNN) -> Network | None:
    """Return what computes `network`, not to be changed any more, in float16; None if its values leave the range.

    By kernels where there are some that run and give what float32 gives, else by torch.
    """
    device = next(network.parameters()).device
    drawn = torch.rand(2, 1, 3, *NOISE, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    noise = MARGIN * drawn.to(device)
    exact = network(*noise)
    for make in (_by_kernels, _by_torch):
        made = make(network)
        # Not "larger than": what is not a number is neither.
        if made and (made(*noise) - exact).abs().max() <= LARGEST_ERROR * exact.abs().max():
            return made
    return None


def _by_kernels(network: RPSNN) -> Network | None:
    device = next(network.parameters()).device
    if not has_kernels(device):
        return None
    try:
        from napari_rpsnn.model.triton_network import WIDTHS, FusedRPSNN

        if network.width not in WIDTHS:
            return None
        made = FusedRPSNN(network)
        # Kernels are compiled when they are first used; a machine may lack the C compiler that starting them takes.
        made(*torch.zeros(2, 1, 3, 1, 1, dtype=torch.float32, device=device))
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        warnings.warn(f"the GPU takes about twice as long as it could, since Triton failed: {error}", stacklevel=2)
        return None
    return made


def _by_torch(network: RPSNN) -> Network:
    def compute(image0: Tensor, image1: Tensor) -> Tensor:
        with torch.autocast(image0.device.type, torch.float16):
            y: Tensor = network(image0, image1)
        return y

    return compute

"""A convolution and what follows it in the network, in one step where a CPU has one.

oneDNN adds to sums and cuts them off before it writes them, so that they are not read once more for it: a tenth to a
sixth of the network's time. torch has these steps for its compiler (`torch.ops.mkldnn`). Anywhere else the same is done
one after the other.

All that the package uses of torch's private names is here, and can be missing.
"""

from __future__ import annotations

import platform

import torch
from torch import Tensor
from torch.nn import functional as F

NEGATIVE_SLOPE = 0.1

#: Other processors have them too, but nobody has measured there whether they pay.
HAS_STEPS = platform.machine() in ("x86_64", "AMD64") and all(
    hasattr(torch.ops.mkldnn, step)
    for step in ("_convolution_pointwise", "_convolution_pointwise_", "_is_mkldnn_bf16_supported")
)


def multiplies_bfloat16() -> bool:
    """Whether this processor does; False where torch does not tell."""
    # torch has no public question for this that is older than 2.11.
    ask = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return ask is not None and bool(ask())


def convolve(
    x: Tensor, weight: Tensor, *, padding: tuple[int, int] = (0, 0), dilation: int = 1, activate: bool = False
) -> Tensor:
    """Return the convolution, with LeakyReLU if asked for."""
    x, weight = _cast(x, weight)
    if _in_one_step(x):
        after = ("leaky_relu", [NEGATIVE_SLOPE]) if activate else ("none", [])
        y: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, None, padding, (1, 1), (dilation, dilation), 1, *after, None
        )
        return y
    y = F.conv2d(x, weight, padding=padding, dilation=dilation)
    return activated(y) if activate else y


def convolve_onto(y: Tensor, x: Tensor, weight: Tensor, *, padding: tuple[int, int] = (0, 0)) -> Tensor:
    """Return `y` and the convolution of `x`, added up: where `overwrites(x)`, it is `y` itself."""
    x, weight = _cast(x, weight)
    if not overwrites(x):
        return F.conv2d(x, weight, padding=padding).add_(y)
    if _in_one_step(x) and y.dtype == x.dtype:
        torch.ops.mkldnn._convolution_pointwise_.binary(
            y, x, weight, None, padding, (1, 1), (1, 1), 1, "add", None, None, [], None
        )
        return y
    return y.add_(F.conv2d(x, weight, padding=padding))


def overwrites(x: Tensor) -> bool:
    """Whether sums with a convolution of `x` overwrite what is added to: on a CPU, where no gradients are wanted."""
    return x.device.type == "cpu" and not torch.is_grad_enabled()


def activated(x: Tensor) -> Tensor:
    """LeakyReLU, in place: its input is needed nowhere else, and new memory costs as much time as the arithmetic."""
    return F.leaky_relu(x, NEGATIVE_SLOPE, inplace=True)


def _cast(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both as autocast, which knows nothing of these steps, would hand them to a convolution."""
    if not torch.is_autocast_enabled(x.device.type):
        return x, weight
    dtype = torch.get_autocast_dtype(x.device.type)
    return x.to(dtype), weight.to(dtype)


def _in_one_step(x: Tensor) -> bool:
    if not HAS_STEPS or not overwrites(x):
        return False
    return x.dtype == torch.float32 or (x.dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())

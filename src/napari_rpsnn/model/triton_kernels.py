"""The network's convolutions for GPUs, each joined to what follows it: nothing but results reaches the memory.

cuDNN's convolutions are quick by themselves, but LeakyReLUs, sums and 1x1 convolutions between them move as many bytes
as the memory can and compute next to nothing: more than half of the network's time. Here they happen in the registers
that a convolution leaves its sums in. Pictures are `(n, rows, columns, channels)`. A program computes some pixels of
one row; the copy engine brings what each tap of the kernel sees of them, and zeros for what lies beyond the picture.

Written in Triton (P. Tillet, H. T. Kung, D. Cox, "Triton", MAPL 2019), which comes with torch for CUDA.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.tools.tensor_descriptor import TensorDescriptor

#: Pixels of a row that a program computes, its warps, and how many taps are on their way while one is computed.
#: Of 3 to 8 choices each, the fastest on an H100 (`STAGES` 2, 4 and 5, 64 and 256 pixels, 4 warps, programs that stay).
PIXELS, WARPS, STAGES = 128, 8, 3
#: Arguments of the kernels whose values are not worth a kernel of their own.
SIZES = ("rows", "columns", "apart")


def convolve(
    x: Tensor,
    weights: Tensor,
    size: tuple[int, int] = (3, 3),
    *,
    branches: int = 1,
    sources: int = 1,
    add: Tensor | None = None,
    mix: Tensor | None = None,
    activate: bool = False,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Convolution with zeros around, then all that is asked for: a sum, a 1x1 convolution, LeakyReLU.

    Parameters
    ----------
    x : Tensor of shape `(n, rows, columns, c)`
        Its strides but the last are multiples of 16 bytes.
    weights : Tensor of shape `(branches * size[0] * size[1] * sources * c, c_out)`
        One row for each branch, row and column of the kernel, source and channel.
    size : tuple of int, optional
        Rows and columns of the kernel, odd.
    branches : int, optional
        The first of so many equal parts of `x` is convolved with the first of the parts of `weights`, and so on.
    sources : int, optional
        So many equal parts of `x` are channels of the same pictures.
    add : Tensor of the result's shape, optional
    mix : Tensor of shape `(c_out, c_out)`, optional
        From input to output channels.
    activate : bool, optional
    dtype : torch.dtype, optional
        Of the result, if not that of `x`.
    """
    n, rows, columns, channels = x.shape
    y = x.new_empty((n // sources, rows, columns, weights.shape[1]), dtype=dtype or x.dtype)
    _convolve[_programs(y)](
        _pictures(x),
        _matrix(weights, channels),
        _pictures(y if add is None else add),
        _matrix(weights if mix is None else mix, weights.shape[1]),
        _pictures(y),
        rows,
        columns,
        n // branches if sources == 1 else n // sources,
        *size,
        sources,
        channels,
        weights.shape[1],
        add is not None,
        mix is not None,
        activate,
        PIXELS,
        num_warps=WARPS,
        num_stages=STAGES,
    )
    return y


def pyramid(x: Tensor, atrous: Tensor, mix: Tensor, branches: int) -> Tensor:
    """Residual atrous convolution pyramid: the features, nine times as many channels, never leave the registers.

    Parameters
    ----------
    x : Tensor of shape `(n, rows, columns, c)`
    atrous : Tensor of shape `(branches * 3 * 9 * 3 * c, c)`
        One row for each branch, dilation, tap, group and input channel.
    mix : Tensor of shape `(branches * 3 * 3 * c, c)`
        One row for each branch, dilation, group and feature.
    branches : int
        The first of so many equal parts of `x` is for the first of the parts of `atrous` and `mix`, and so on.
    """
    n, rows, columns, channels = x.shape
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    _pyramid[_programs(y)](
        _pictures(x),
        _matrix(atrous, channels),
        _matrix(mix, channels),
        _pictures(y),
        rows,
        columns,
        n // branches,
        channels,
        PIXELS,
        STAGES,
        num_warps=WARPS,
    )
    return y


def _pictures(x: Tensor) -> Any:
    return TensorDescriptor(x, list(x.shape), list(x.stride()), [1, 1, PIXELS, x.shape[3]])


def _matrix(weights: Tensor, rows: int) -> Any:
    return TensorDescriptor(weights, list(weights.shape), list(weights.stride()), [rows, weights.shape[1]])


def _programs(y: Tensor) -> tuple[int]:
    n, rows, columns, _ = y.shape
    return (n * rows * triton.cdiv(columns, PIXELS),)


@triton.jit
def _leaky(x):  # type: ignore[no-untyped-def]
    return tl.maximum(x, 0.1 * x)


@triton.jit(do_not_specialize=SIZES)  # type: ignore[untyped-decorator]
def _convolve(  # type: ignore[no-untyped-def]
    x,
    weights,
    add,
    mix,
    y,
    rows,
    columns,
    apart,  # pictures of one branch, or from a source to the next
    HIGH: tl.constexpr,
    WIDE: tl.constexpr,
    SOURCES: tl.constexpr,
    C_IN: tl.constexpr,
    C_OUT: tl.constexpr,
    ADD: tl.constexpr,
    MIX: tl.constexpr,
    ACTIVATE: tl.constexpr,
    PIXELS: tl.constexpr,
):
    program = tl.program_id(0)
    across = tl.cdiv(columns, PIXELS)
    column = program % across * PIXELS
    row = program // across % rows
    n = program // across // rows
    first = n // apart * (HIGH * WIDE * SOURCES * C_IN)
    total = tl.zeros((PIXELS, C_OUT), tl.float32)
    for k in range(HIGH * WIDE * SOURCES):
        tap = k // SOURCES
        place = [n + k % SOURCES * apart, row + tap // WIDE - HIGH // 2, column + tap % WIDE - WIDE // 2, 0]
        total = tl.dot(x.load(place).reshape(PIXELS, C_IN), weights.load([first + k * C_IN, 0]), total)
    if ADD:
        total += add.load([n, row, column, 0]).reshape(PIXELS, C_OUT).to(tl.float32)
    if MIX:
        total = tl.dot(total.to(mix.dtype), mix.load([0, 0]))
    if ACTIVATE:
        total = _leaky(total)
    y.store([n, row, column, 0], total.to(y.dtype).reshape(1, 1, PIXELS, C_OUT))


@triton.jit(do_not_specialize=SIZES)  # type: ignore[untyped-decorator]
def _pyramid(  # type: ignore[no-untyped-def]
    x,
    atrous,
    mix,
    y,
    rows,
    columns,
    apart,
    C: tl.constexpr,
    PIXELS: tl.constexpr,
    STAGES: tl.constexpr,
):
    program = tl.program_id(0)
    across = tl.cdiv(columns, PIXELS)
    column = program % across * PIXELS
    row = program // across % rows
    n = program // across // rows
    branch = n // apart
    total = x.load([n, row, column, 0]).reshape(PIXELS, C).to(tl.float32)
    group0 = tl.zeros((PIXELS, C), tl.float32)
    group1 = tl.zeros((PIXELS, C), tl.float32)
    group2 = tl.zeros((PIXELS, C), tl.float32)
    # One loop for all dilations: what the next one needs is on its way while this one is mixed.
    for k in tl.range(27, num_stages=STAGES):
        tap = k % 9
        pyramid = branch * 3 + k // 9
        dilation = tl.maximum(k // 9 * 4, 1)
        seen = x.load([n, row + (tap // 3 - 1) * dilation, column + (tap % 3 - 1) * dilation, 0]).reshape(PIXELS, C)
        first = (branch * 27 + k) * 3 * C
        group0 = tl.dot(seen, atrous.load([first, 0]), group0)
        group1 = tl.dot(seen, atrous.load([first + C, 0]), group1)
        group2 = tl.dot(seen, atrous.load([first + 2 * C, 0]), group2)
        if tap == 8:
            first = pyramid * 3 * C
            total = tl.dot(_leaky(group0).to(mix.dtype), mix.load([first, 0]), total)
            total = tl.dot(_leaky(group1).to(mix.dtype), mix.load([first + C, 0]), total)
            total = tl.dot(_leaky(group2).to(mix.dtype), mix.load([first + 2 * C, 0]), total)
            group0 = tl.zeros((PIXELS, C), tl.float32)
            group1 = tl.zeros((PIXELS, C), tl.float32)
            group2 = tl.zeros((PIXELS, C), tl.float32)
    y.store([n, row, column, 0], total.to(y.dtype).reshape(1, 1, PIXELS, C))

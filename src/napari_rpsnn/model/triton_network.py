"""R-PSNN's forward pass in float16 by `triton_kernels`: the graph of `network.py`, which has its reasons."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_rpsnn.model.network import DILATIONS, GROUPS, RACP, RPSNN
from napari_rpsnn.model.onednn import NEGATIVE_SLOPE
from napari_rpsnn.model.triton_kernels import convolve, pyramid

Step = Callable[..., Tensor]

#: Numbers of channels that the kernels have registers and shared memory for.
WIDTHS = (16, 32, 64)


class FusedRPSNN:
    """`RPSNN`'s forward pass; both branches at a time, a kernel for each convolution and one for each pyramid.

    Parameters
    ----------
    network : RPSNN
        Of a width in `WIDTHS`. Its weights are copied.
    """

    def __init__(self, network: RPSNN) -> None:
        branches: Any = network.branches
        generator: Any = network.generator
        stems, seconds, *blocks = zip(*branches, strict=True)
        self.stem = _rows(*(_for_two_pixels(stem.conv[0].weight) for stem in stems))
        self.second = _rows(*(second.conv[0].weight for second in seconds))
        self.blocks = [_pyramid(*both) if isinstance(both[0], RACP) else _residual(*both) for both in blocks]
        join, *residuals, mix, large, small = generator
        self.join = _rows(join.conv[0].weight)
        self.residuals = [_residual(block) for block in residuals]
        self.mix = _rows(mix.conv[0].weight)
        self.large = _rows(_by_rows(large.conv[0].weight))
        self.small = small.conv[0].weight.detach().float()

    def __call__(self, image0: Tensor, image1: Tensor) -> Tensor:
        """Return the image of two of shape `(n, 3, rows, columns)`, float32."""
        # The device of the tensors is not always torch's current one, which Triton takes.
        here = torch.cuda.device_of(image0)  # type: ignore[no-untyped-call]
        with here, torch.autocast(image0.device.type, enabled=False):
            x = convolve(self._branches(image0, image1), self.join, sources=2, activate=True)
            *first, last = self.residuals
            for step in first:
                x = step(x)
            x = last(x, mix=self.mix, activate=True)
            return self._end(x)

    def _branches(self, image0: Tensor, image1: Tensor) -> Tensor:
        n, _, rows, columns = image0.shape
        pairs = -(-columns // 2)
        # Three columns of zeros before, at least three behind, and a fourth channel.
        padded = image0.new_zeros((2 * n, rows, 2 * pairs + 6, 4), dtype=torch.float16)
        for image, part in zip((image0, image1), padded.chunk(2), strict=True):
            part[:, :, 3 : 3 + columns, :3] = image.movedim(1, -1)
        windows = padded.as_strided((2 * n, rows, pairs, 32), (*padded.stride()[:2], 8, 1))
        x = convolve(windows, self.stem, (7, 1), branches=2, activate=True)
        x = x.view(2 * n, rows, 2 * pairs, -1)[:, :, :columns]
        x = convolve(x, self.second, branches=2, activate=True)
        for step in self.blocks:
            x = step(x)
        return x

    def _end(self, x: Tensor) -> Tensor:
        n, rows, columns, _ = x.shape
        parts = F.pad(convolve(x, self.large, (1, 7), dtype=torch.float32), (0, 0, 0, 0, 3, 3))
        # Row i of the kernel is in channels 3 i to 3 i + 2, i rows below.
        picture, row, column, channel = parts.stride()
        shifted = parts.as_strided((n, 7, rows, columns, 3), (picture, row + 3, row, column, channel))
        y = F.leaky_relu(shifted.sum(1), NEGATIVE_SLOPE).movedim(-1, 1)
        return F.leaky_relu(F.conv2d(y, self.small, padding=1), NEGATIVE_SLOPE)


def _residual(*blocks: Any) -> Step:
    first, second = (_rows(*(block.res[i].weight for block in blocks)) for i in (0, 2))

    def step(x: Tensor, **after: Any) -> Tensor:
        y = convolve(x, first, branches=len(blocks), activate=True)
        return convolve(y, second, branches=len(blocks), add=x, **after)

    return step


def _pyramid(*blocks: RACP) -> Step:
    atrous: list[Tensor] = []
    mix: list[Tensor] = []
    for block in blocks:
        for i in range(1, len(DILATIONS) + 1):
            taps = [block.get_parameter(f"conv{g}_{i}.0.weight").permute(2, 3, 1, 0).flatten(0, 1) for g in GROUPS]
            atrous += chain.from_iterable(zip(*taps, strict=True))
            mix += [block.get_parameter(f"conv{g}.weight").chunk(len(DILATIONS), 1)[i - 1][..., 0, 0].T for g in GROUPS]
    weights = torch.cat(atrous).detach().half(), torch.cat(mix).detach().half()
    return lambda x: pyramid(x, *weights, branches=len(blocks))


def _rows(*weights: Tensor) -> Tensor:
    """Kernels `(c_out, c_in, rows, columns)` as rows for each of them, row, column and input channel.

    Where the input is of several sources, their channels are side by side in each tap already.
    """
    return torch.cat([w.detach().permute(2, 3, 1, 0).flatten(0, 2) for w in weights]).half().contiguous()


def _for_two_pixels(weight: Tensor) -> Tensor:
    """Kernel of 7 columns and 3 channels as one of 1 column and 32 channels, for two neighbouring pixels.

    They see a window of 8 pixels of 4 channels, the fourth of zeros. So the windows are 16 bytes apart, which the copy
    engine can step by.
    """
    taps = F.pad(weight, (0, 0, 0, 0, 0, 1)).permute(2, 0, 3, 1)  # rows, c_out, 7, 4
    both = torch.stack([F.pad(taps, (0, 0, q, 1 - q)) for q in (0, 1)], 1)  # rows, 2, c_out, 8, 4
    return both.flatten(3).flatten(1, 2).movedim(0, -1)[..., None].contiguous()  # placed as (2 c_out, 32, rows, 1)


def _by_rows(weight: Tensor) -> Tensor:
    """Kernel of 7 rows and 3 output channels as one of 1 row and 32, three for each row and zeros."""
    rows = weight.permute(2, 0, 1, 3).flatten(0, 1)[:, :, None]
    return F.pad(rows, (0, 0, 0, 0, 0, 0, 0, 32 - len(rows)))

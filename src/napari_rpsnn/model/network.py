"""The R-PSNN graph: two differently focused images in, one all-in-focus image out, by regression.

Source: L. Jiang, H. Fan, J. Li, C. Tu, "Pseudo-Siamese residual atrous pyramid network for multi-focus image
fusion", IET Image Processing 15 (2021), doi 10.1049/ipr2.12326.

1. Two branches of the same shape that share no weights ("pseudo-Siamese") turn each image into features.
2. In a branch, residual atrous convolution pyramids (RACP) look near and far at once: dilations 1, 4 and 8.
3. A generation module turns the features of both branches, side by side, into the image.

There is no bias, no normalisation and only LeakyReLU between the convolutions, so the network is positively
homogeneous, ``f(s * a, s * b) == s * f(a, b)`` for ``s > 0``: a scale common to both images is irrelevant, an
offset is not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_rpsnn.model.catalog import MIN_WIDTH
from napari_rpsnn.model.onednn import NEGATIVE_SLOPE, activated, convolve, convolve_onto, overwrites

#: Receptive radius in pixels. An output pixel depends on nothing farther away: per branch 3 + 1 (two convs),
#: 3 * 2 (residual blocks), 2 * 8 (pyramids), then in the generation module 1, 4 * 2, 3 and 1.
HALO = 39

DILATIONS = (1, 4, 8)
GROUPS = (1, 2, 3)

#: Of the decision at the start. Pictures differ by up to 1, random features by far less.
GAIN = 4.0

#: Rows of a pyramid that are computed at a time on a CPU where no gradients are wanted.
STRIP_ROWS = 64

#: A start needs twelve channels for a gate (see `RPSNN.reset_parameters`).
GATE_WIDTH = 12


def _conv(c_in: int, c_out: int, size: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, size, padding=size // 2 * dilation, dilation=dilation, bias=False)


class ConvBlock(nn.Module):
    """Convolution, then LeakyReLU."""

    def __init__(self, c_in: int, c_out: int, size: int) -> None:
        super().__init__()
        # Named as the paper's authors do; `forward` joins both.
        self.conv = nn.Sequential(_conv(c_in, c_out, size), nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.get_parameter("conv.0.weight")
        margin = weight.shape[-1] // 2
        return convolve(x, weight, padding=(margin, margin), activate=True)


class NarrowConvBlock(ConvBlock):
    """The same for few output channels: each row of the kernel has its own, and they are added where they belong.

    Processors compute 16 channels at a time, and more: three of them take as long as the 21 of seven rows.
    """

    def forward(self, x: Tensor) -> Tensor:
        weight = self.get_parameter("conv.0.weight")
        c_out, c_in, size, _ = weight.shape
        parts = F.conv2d(x, weight.permute(2, 0, 1, 3).reshape(-1, c_in, 1, size), padding=(0, size // 2))
        parts = F.pad(parts, (0, 0, size // 2, size // 2))
        y = parts[:, :c_out, : x.shape[2]].clone()
        for i in range(1, size):
            y.add_(parts[:, i * c_out : (i + 1) * c_out, i : i + x.shape[2]])
        return activated(y)


class ResidualBlock(nn.Module):
    """``x + conv(LeakyReLU(conv(x)))``, nothing after the sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.res = nn.Sequential(
            _conv(width, width, 3), nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True), _conv(width, width, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = convolve(x, self.get_parameter("res.0.weight"), padding=(1, 1), activate=True)
        return convolve_onto(x, y, self.get_parameter("res.2.weight"), padding=(1, 1))


class RACP(nn.Module):
    """Residual atrous convolution pyramid: three groups of three dilated convolutions, all on the block's input.

    The paper runs nine 3x3 convolutions, concatenates them by group and applies a 1x1 convolution to each group.
    The three convolutions of one dilation see the same input, and a 1x1 convolution of a concatenation is a sum
    over its parts, so `forward` computes the same from one convolution and one 1x1 convolution per dilation:
    6 large ones in place of 12 small ones, which keeps the arithmetic units busy. The parameters stay the paper's.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        for group in GROUPS:
            for i, dilation in enumerate(DILATIONS, start=1):
                conv = nn.Sequential(_conv(width, width, 3, dilation), nn.LeakyReLU(NEGATIVE_SLOPE))
                self.add_module(f"conv{group}_{i}", conv)
            self.add_module(f"conv{group}", _conv(len(DILATIONS) * width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        merged = []
        for i, dilation in enumerate(DILATIONS, start=1):
            atrous = torch.cat([self.get_parameter(f"conv{g}_{i}.0.weight") for g in GROUPS])  # (3 width, width, 3, 3)
            part = slice((i - 1) * self.width, i * self.width)
            mix = torch.cat(
                [self.get_parameter(f"conv{g}.weight")[:, part] for g in GROUPS], 1
            )  # (width, 3 width, 1, 1)
            merged.append((dilation, atrous, mix))
        rows = x.shape[2]
        if not overwrites(x):
            return _pyramid(x, x, merged, 0, rows)
        # In strips of rows the features, three times as many channels as `x` has, stay small. A GPU is slower by them.
        y = x.clone()
        for top in range(0, rows, STRIP_ROWS):
            bottom = min(top + STRIP_ROWS, rows)
            _pyramid(x, y[:, :, top:bottom], merged, top, bottom)
        return y


def _pyramid(x: Tensor, y: Tensor, merged: list[tuple[int, Tensor, Tensor]], top: int, bottom: int) -> Tensor:
    """Return `y` and what a pyramid of (dilation, atrous weights, mixing weights) makes of rows of `x`, added up."""
    for dilation, atrous, mix in merged:
        first, last = max(top - dilation, 0), min(bottom + dilation, x.shape[2])
        # Zeros stand for rows beyond the image only. To pad one border alone would be to copy all rows: both are
        # padded, and what that makes too many of is cut off.
        inside = last - first == bottom - top + 2 * dilation
        padding = (0 if inside else dilation, dilation)
        rows = convolve(x[:, :, first:last], atrous, padding=padding, dilation=dilation, activate=True)
        y = convolve_onto(y, rows if inside else rows[:, :, top - first : bottom - first], mix)
    return y


class RPSNN(nn.Module):
    """Pseudo-Siamese residual atrous pyramid network of the paper, at any width.

    ``RPSNN()(image0, image1)`` takes two float tensors of shape `(N, 3, rows, columns)` on the model's device and
    returns one of the same shape. Values are meant to lie in [0, 1] with one scale and one offset common to both
    images. Any size from 1x1 works; zero padding keeps it.

    Parameters
    ----------
    width : int, optional
        Number of channels of the blocks. 64 is the paper's (2 322 289 weights); 16 is `rpsnn-lite`. Multiples of
        16 run best; 3 is the least, since the first three carry the colours at the start.

    Notes
    -----
    A new network returns the mean of its two inputs, to rounding; see `reset_parameters`.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        if width < MIN_WIDTH:
            raise ValueError(f"width: expected at least {MIN_WIDTH}, got {width}")
        self.width = width
        self.branches = nn.ModuleList(
            nn.Sequential(
                ConvBlock(3, 16, 7),
                ConvBlock(16, width, 3),
                ResidualBlock(width),
                RACP(width),
                ResidualBlock(width),
                RACP(width),
                ResidualBlock(width),
            )
            for _ in range(2)
        )
        self.generator = nn.Sequential(
            ConvBlock(2 * width, width, 3),
            *(ResidualBlock(width) for _ in range(4)),
            ConvBlock(width, width, 1),
            NarrowConvBlock(width, 3, 7),
            ConvBlock(3, 3, 3),
        )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Set a start from which there is only one thing to learn: which source is sharper where.

        Values in [0, 1] pass LeakyReLU unchanged, so centre taps carry the colours of both images through the network,
        and zeros in the last convolution of a residual block or pyramid make it the identity. Behind the branches,
        channels 0 to 2 are the first image ``a``, 3 to 5 the second one ``b``, and 6 less 7 is a decision ``v``,
        zero at the start. The last residual block adds, with ``u = (a - b) / 2``,

            (|u + v| - |u - v|) / 2  =  sign(u) sign(v) min(|u|, |v|)

        to the mean of both, each modulus being ``(leaky(x) + leaky(-x)) / 0.9``. With ``v = 0`` the network returns
        the mean; with a large positive ``v`` it returns ``a`` and with a large negative one ``b``, to the last bit that
        float32 holds. All other weights are He-initialised and free to learn anything else. Networks narrower than 12
        channels have no room for the gate; their start is the plain mean.
        """
        if next(self.parameters()).is_meta:
            return  # shapes without values; to draw none, torch would import its compiler
        for name, weight in self.named_parameters():
            nn.init.kaiming_normal_(weight, a=NEGATIVE_SLOPE)
            if name.endswith(("res.2.weight", "conv1.weight", "conv2.weight", "conv3.weight")):
                weight.zero_()

        # Besides the colours, a branch measures detail: filters blind to brightness, their responses pooled. Both
        # branches start with the same ones, so that the responses to both images can be compared.
        colours = {c: {c: 1.0} for c in range(3)}
        filters = self.get_parameter("branches.0.0.conv.0.weight")
        filters.sub_(filters.mean((2, 3), keepdim=True))
        pooling = self.get_parameter("branches.0.1.conv.0.weight")
        pooling.abs_()
        pooling[:, :3] = 0
        self._set_taps("branches.0.0.conv.0", colours)
        self._set_taps("branches.0.1.conv.0", colours)
        self.branches[1].load_state_dict(self.branches[0].state_dict())

        if self.width < GATE_WIDTH:
            self._set_taps("generator.0.conv.0", {c: {c: 0.5, self.width + c: 0.5} for c in range(3)})
            self._set_taps("generator.5.conv.0", colours)
        else:
            self._add_gate()
        self._set_taps("generator.6.conv.0", colours)
        self._set_taps("generator.7.conv.0", colours)

    def _add_gate(self) -> None:
        images = {image * 3 + c: {image * self.width + c: 1.0} for image in range(2) for c in range(3)}
        inputs: dict[int, dict[int, float]] = {}  # u + v, -u - v, u - v and -u + v of each colour
        total: dict[int, dict[int, float]] = {c: {} for c in range(3)}
        for c in range(3):
            for i, (u, v) in enumerate(((1, 1), (-1, -1), (1, -1), (-1, 1))):
                inputs[4 * c + i] = {c: u / 2, 3 + c: -u / 2, 6: v * GAIN, 7: -v * GAIN}
                total[c][4 * c + i] = u * v / (1 - NEGATIVE_SLOPE)
        self._set_taps("generator.0.conv.0", {**images, 6: {}, 7: {}})
        self._set_taps("generator.4.res.0", inputs)
        self._set_taps("generator.4.res.2", total)
        self._set_taps("generator.5.conv.0", {c: {c: 0.5, 3 + c: 0.5} for c in range(3)})

    def _set_taps(self, convolution: str, rows: dict[int, dict[int, float]]) -> None:
        """Make output channels of a convolution the given sums of input channels, pixel by pixel."""
        weight = self.get_parameter(f"{convolution}.weight").data
        centre = weight.shape[-1] // 2
        for row, taps in rows.items():
            weight[row] = 0
            for channel, tap in taps.items():
                weight[row, channel, centre, centre] = tap

    def forward(self, image0: Tensor, image1: Tensor) -> Tensor:
        # The generator's first convolution is one of both branches' features side by side, so the sum of one of each:
        # they need not be copied together.
        weights = self.get_parameter("generator.0.conv.0.weight").chunk(2, 1)
        x = convolve(self.branches[0](image0), weights[0], padding=(1, 1))
        x = activated(convolve_onto(x, self.branches[1](image1), weights[1], padding=(1, 1)))
        # From the last residual block on, all ends in the picture itself and in differences of large numbers (see
        # `reset_parameters`). It stays float32, 4 % of the work: bfloat16 steps are 1/256 near 1.
        x = self.generator[1:4](x)
        with torch.autocast(x.device.type, enabled=False):
            y: Tensor = self.generator[4:](x.to(next(self.parameters()).dtype))
        return y


@torch.no_grad()
def widen(network: RPSNN, width: int) -> RPSNN:
    """Return a wider network that computes exactly what `network` does.

    The old weights keep the first channels of every block. Old channels do not listen to new ones; new ones start
    as in a new network, and training connects them (T. Chen, I. Goodfellow, J. Shlens, "Net2Net", ICLR 2016).
    """
    if width < network.width:
        raise ValueError(f"width: expected at least the network's {network.width}, got {width}")
    wide = RPSNN(width)
    for name, old in network.named_parameters():
        new = wide.get_parameter(name)
        parts = max(1, old.shape[1] // network.width) if old.shape[1] % network.width == 0 else 1
        new[: old.shape[0]] = 0
        # A convolution of a concatenation reads its parts side by side: two branches, or three dilations.
        for source, target in zip(old.chunk(parts, 1), new.chunk(parts, 1), strict=True):
            target[: source.shape[0], : source.shape[1]] = source
    return wide

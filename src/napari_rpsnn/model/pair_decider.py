"""A small network that decides, from the evidence of every pixel and its neighbours, which source is taken.

What speaks for one source or the other ("odd") changes its sign when the sources change places; how much it is worth
("even") does not. Both kinds keep apart through all layers: an odd response is a sum of odd ones without a bias, cut
off evenly at both ends, times a share that even ones set. So the decision itself changes its sign, and there is none
where nothing speaks for either.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from napari_rpsnn.model.ambient import undisturbed
from napari_rpsnn.model.catalog import FOLDER

#: Channels of evidence of each kind, see `decision.evidence`.
ODD, EVEN = 3, 3
#: Channels of each kind in a layer.
WIDTH = 8
#: Of each layer, in pixels of the evidence.
DILATIONS = (1, 2, 4, 8)
#: Where odd responses are cut off.
LIMIT = 4.0
#: Where all evidence speaks for one source: the least decision for it, times the weakest piece.
AGREED = 4.0
#: Of the layers' answer beside the direct one: so large steps are small changes of weights.
GAIN = 10.0


class _OddEven(nn.Module):
    """Responses of both kinds from responses of both kinds; from the last layer odd ones only."""

    def __init__(self, odd: int, even: int, dilation: int, last: bool) -> None:
        super().__init__()
        self.odd = nn.Conv2d(odd, WIDTH, 3, padding=dilation, dilation=dilation, bias=False)
        self.even = nn.Conv2d(odd + even, WIDTH if last else 2 * WIDTH, 3, padding=dilation, dilation=dilation)

    def forward(self, odd: Tensor, even: Tensor) -> tuple[Tensor, Tensor]:
        both = self.even(torch.cat([odd.abs(), even], 1))
        return F.hardtanh(self.odd(odd), -LIMIT, LIMIT) * both[:, :WIDTH].sigmoid(), both[:, WIDTH:].relu()


class Decider(nn.Module):
    """Evidence `(N, 6, rows, columns)` in, decisions `(N, rows, columns)` out: the first source where positive.

    Like the argument of a logistic function: from 3 or -3 on it is sure.
    """

    def __init__(self) -> None:
        super().__init__()
        # Sums of channels, not convolutions: those take a hundred times as long for one channel.
        self.direct = nn.Parameter(torch.full((ODD,), 2.5))
        channels = [(ODD, EVEN)] + [(WIDTH, WIDTH)] * (len(DILATIONS) - 1)
        self.layers = nn.ModuleList(
            _OddEven(*n, dilation, last=dilation == DILATIONS[-1])
            for n, dilation in zip(channels, DILATIONS, strict=True)
        )
        self.last = nn.Parameter(torch.zeros(WIDTH))

    def forward(self, evidence: Tensor) -> Tensor:
        """Weigh the evidence; beyond the borders of the picture there is none."""
        odd, even = evidence[:, :ODD], evidence[:, ODD:]
        answer = _weighted(odd, self.direct)
        for layer in self.layers:
            odd, even = layer(odd, even)
        answer = answer + GAIN * _weighted(odd, self.last)
        # What no training pair has shown the layers is not to turn against evidence without a dissent.
        first, second = (AGREED * weakest for weakest in (evidence[:, :ODD].amin(1), evidence[:, :ODD].amax(1)))
        answer = torch.where(first > 0, torch.maximum(answer, first), answer)
        return torch.where(second < 0, torch.minimum(answer, second), answer)


def _weighted(pictures: Tensor, weights: Tensor) -> Tensor:
    return torch.einsum("ncij,c->nij", pictures, weights)


@lru_cache(maxsize=4)
@undisturbed
def bundled_decider(device: torch.device) -> Decider:
    """The trained one, read once for each device. Not to be changed."""
    with torch.random.fork_rng(devices=[]):  # the weights drawn here are overwritten; the user's numbers stay
        decider = Decider().float()
    decider.load_state_dict(load_file(FOLDER / "decider.safetensors"))
    return decider.to(device).eval().requires_grad_(False)

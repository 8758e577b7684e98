"""A small network that decides between two planes at the outline of what lies far before, or behind, something else.

What speaks for one plane or the other changes its sign when they change places, so the decision does: it is what the
network says of the two, less what it says of them in the other order.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from napari_rpsnn.model.ambient import undisturbed
from napari_rpsnn.model.catalog import FOLDER

#: Channels of evidence that change their sign with the order of the planes, first, and of those that do not.
ODD, EVEN = 3, 3
WIDTH = 12
#: Of the first layer, the layers between and the last one: sides and dilations in pixels.
FIRST_SIDE, DILATIONS, LAST_SIDE = 5, (1, 2, 4, 1), 3
#: Pixels that the network sees on each side of a pixel.
REACH_PX = FIRST_SIDE // 2 + sum(DILATIONS) + LAST_SIDE // 2


class OutlineDecider(nn.Module):
    """Evidence `(N, ODD + EVEN, rows, columns)` in, decisions `(N, rows, columns)` out: the first plane where positive.

    Like the argument of a logistic function.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(ODD + EVEN, WIDTH, FIRST_SIDE, padding=FIRST_SIDE // 2)
        self.between = nn.ModuleList(nn.Conv2d(WIDTH, WIDTH, 3, padding=d, dilation=d) for d in DILATIONS)
        self.last = nn.Conv2d(WIDTH, 1, LAST_SIDE, padding=LAST_SIDE // 2)
        # To begin with it says what scores say.
        self.by_scores = nn.Parameter(torch.tensor(2.0))
        nn.init.zeros_(self.last.weight)

    def forward(self, evidence: Tensor) -> Tensor:
        """Decide; the last one of the odd channels is by how much the first plane's score is higher, from -1 to 1."""
        exchanged = torch.cat((-evidence[:, :ODD], evidence[:, ODD:]), 1)
        decision: Tensor = self._of(evidence) - self._of(exchanged) + self.by_scores * evidence[:, ODD - 1]
        return decision

    def _of(self, evidence: Tensor) -> Tensor:
        x = F.leaky_relu(self.first(evidence), 0.1)
        for layer in self.between:
            x = x + F.leaky_relu(layer(x), 0.1)
        said: Tensor = self.last(x)[:, 0]
        return said


@lru_cache(maxsize=4)
@undisturbed
def bundled_outline_decider(device: torch.device) -> OutlineDecider:
    """The trained one, read once for each device. Not to be changed."""
    with torch.random.fork_rng(devices=[]):  # the weights drawn here are overwritten; the user's numbers stay
        decider = OutlineDecider().float()
    decider.load_state_dict(load_file(FOLDER / "outline_decider.safetensors"))
    return decider.to(device=device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload,no-any-return]

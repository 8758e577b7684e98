"""The network that decides, from the evidence of all planes of a stack at once, which plane each pixel comes from.

An hourglass: down the levels of the pyramid, where neighbourhoods are wide, and up again, where thin things are. At
every level of it a plane knows of the others by their mean and their maximum alone (M. Zaheer et al., "Deep Sets",
NeurIPS 2017). So any number of planes goes in, there is no first plane, and their order plays no role.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from napari_rpsnn.model.ambient import undisturbed
from napari_rpsnn.model.catalog import FOLDER

#: Levels of the pyramid that evidence is given at: a half, a quarter, an eighth and a sixteenth of the resolution.
LEVELS = 4
#: Pixels of the picture in one of the finest level.
FINER = 4
#: Energies of detail at each level: of the next finer band at the pixel, of it around the pixel, of the level's own
#: band, of all still finer bands around the pixel, and of lines; at the first level of each of its four pixels, too.
ENERGIES = tuple(4 + level + FINER * (level == 0) for level in range(LEVELS))
#: Signs of detail: of the level's own band, and at the first level of the finest one at each of its four pixels, first.
SIGNS = tuple(1 + FINER * (level == 0) for level in range(LEVELS))
#: Channels of evidence at each level: of each plane (brightness, too), and of all together.
OWN = tuple(energies + signs + 1 for energies, signs in zip(ENERGIES, SIGNS, strict=True))
COMMON = tuple(2 * energies + 2 for energies in ENERGIES)
#: Channels at each level, from a half of the resolution to a sixteenth.
WIDTHS = (16, 16, 32, 64)
#: Of the layers at the coarsest level, in its pixels.
DILATIONS = (1, 2, 1)
#: Facts of each plane as a whole, see `StackStatistics`.
FACTS = LEVELS + 1


@dataclass
class Compared:
    """Evidence at a level: `(N, OWN[level], rows, columns)` of each plane, `(1, COMMON[level], ...)` of all."""

    own: Tensor
    common: Tensor


class _Respond(nn.Module):
    """Responses of each plane `(N, own, ...)`, by what it shows, and of what all planes show, `(1, common, ...)`."""

    def __init__(self, own: int, common: int, out: int, dilation: int = 1) -> None:
        super().__init__()
        self.own = nn.Conv2d(own, out, 3, padding=dilation, dilation=dilation)
        self.common = nn.Conv2d(common, out, 3, padding=dilation, dilation=dilation, bias=False)

    def forward(self, own: Tensor, told: Tensor) -> Tensor:
        """Respond to planes; `told` is what `common` makes of all, once for all of them."""
        return F.leaky_relu_(self.own(own).add_(told), 0.1)


def _shared(planes: Tensor) -> Tensor:
    """What a plane knows of the others: their mean and their maximum."""
    # Plane by plane: torch reduces 16 bits across planes five times as slowly.
    exact = torch.promote_types(planes.dtype, torch.float32)
    total = most = planes[0].to(exact)
    for plane in planes[1:]:
        plane = plane.to(exact)
        total, most = total + plane, torch.maximum(most, plane)
    return torch.cat((total / len(planes), most))[None]


def _by_planes(layer: Callable[..., Tensor], *planes: Tensor, place: Tensor | None = None) -> Tensor:
    """Responses of a layer to each plane.

    Where nothing is to be learned they take the place of what is not needed, and they are kept in 16 bits: it is the
    memory of a window that limits its size.
    """
    if torch.is_grad_enabled():
        return layer(*planes)
    for k in range(len(planes[0])):
        parts = (x[k : k + 1] for x in planes)
        made = layer(*(x.float() if x.dtype == torch.float16 else x for x in parts))
        if place is None:
            dtype = torch.float16 if made.dtype == torch.float32 else made.dtype
            shape = (len(planes[0]), *made.shape[1:])
            place = torch.empty(shape, dtype=dtype, device=made.device, memory_format=torch.channels_last)
        place[k : k + 1] = made
    assert place is not None
    return place


class StackDecider(nn.Module):
    """Scores of all planes of a stack: the plane of the highest one is taken.

    Evidence comes in at each level; out come scores `(N, rows, columns)` at the finest of them, which is half the
    resolution, and how far the scores of its four pixels differ from these, `(N, FINER, rows, columns)`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up, self.through, self.mixed = (nn.ModuleList() for _ in range(4))
        below = 0
        for own, common, width in zip(OWN, COMMON, WIDTHS, strict=True):
            self.down.append(_Respond(below + own, 2 * below + common, width))
            below = width
        self.facts = nn.Linear(FACTS, below)
        self.deep = nn.ModuleList(_Respond(below, 2 * below, below, dilation) for dilation in DILATIONS)
        for level in range(LEVELS - 1):
            width = WIDTHS[level]
            self.up.append(nn.Conv2d(WIDTHS[level + 1], width, 1))
            self.through.append(nn.Conv2d(width, width, 3, padding=1))
            self.mixed.append(_Respond(width, 2 * width, width))
        self.score = nn.Conv2d(WIDTHS[0], 2 + FINER, 3, padding=1)
        for layer in (*self.down, *self.deep, *self.mixed):
            # What all planes share must not drown what tells them apart.
            nn.init.normal_(layer.common.weight, std=0.01)

    def forward(self, evidence: list[Compared], facts: Tensor) -> tuple[Tensor, Tensor]:
        """Weigh the evidence of a window and the facts `(N, FACTS)` of its planes.

        The evidence is taken out of its list, level by level, as it is weighed.
        """
        kept: list[Tensor] = []
        signs = evidence[0].own[:, ENERGIES[0] : ENERGIES[0] + FINER].clone()
        layer: Any
        for layer in self.down:
            seen = evidence.pop(0)
            own, common = seen.own, seen.common
            if kept:
                pooled = _by_planes(partial(F.avg_pool2d, kernel_size=2), kept[-1])
                own, common = torch.cat((pooled, own), 1), torch.cat((_shared(pooled), common), 1)
            kept.append(_by_planes(partial(layer, told=layer.common(common)), own))
        x = kept.pop()
        x = x.to(self.facts.weight.dtype) + self.facts(facts)[..., None, None]
        for layer in self.deep:
            x = x + layer(x, layer.common(_shared(x)))
        for level in range(LEVELS - 2, -1, -1):
            x = _by_planes(partial(self._join, level), x, kept[level], place=kept[level])
            mixed: Any = self.mixed[level]
            x = _by_planes(partial(self._mix, level, mixed.common(_shared(x))), x, place=x)
        made = _by_planes(self._score, x, signs)
        return made[:, 0].to(self.facts.weight.dtype), made[:, 1:]

    def _score(self, x: Tensor, signs: Tensor) -> Tensor:
        made: Tensor = self.score(x)
        # What it means to lie on one side of an edge depends on what is there.
        score, side, finer = made[:, :1], made[:, 1:2], made[:, 2:]
        finer = finer + side * signs
        return torch.cat((score, finer - finer.mean(1, keepdim=True)), 1)

    def _join(self, level: int, below: Tensor, kept: Tensor) -> Tensor:
        above = F.interpolate(self.up[level](below), scale_factor=2, mode="bilinear")
        return F.leaky_relu_(self.through[level](kept).add_(above), 0.1)

    def _mix(self, level: int, told: Tensor, x: Tensor) -> Tensor:
        mixed: Tensor = self.mixed[level](x, told)
        return x + mixed


@lru_cache(maxsize=4)
@undisturbed
def bundled_stack_decider(device: torch.device) -> StackDecider:
    """The trained one, read once for each device. Not to be changed."""
    with torch.random.fork_rng(devices=[]):  # the weights drawn here are overwritten; the user's numbers stay
        decider = StackDecider().float()
    decider.load_state_dict(load_file(FOLDER / "stack_decider.safetensors"))
    return decider.to(device=device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload,no-any-return]

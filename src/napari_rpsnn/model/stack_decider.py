"""The network that decides, from the evidence of all planes of a stack at once, which plane each pixel comes from.

An hourglass: down the levels of the pyramid, where neighbourhoods are wide, and up again, where thin things are. At
every level of it a plane knows of the others by their mean and their maximum alone (M. Zaheer et al., "Deep Sets",
NeurIPS 2017). So any number of planes goes in, there is no first plane, and their order plays no role.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
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
#: How much brighter or darker than all planes in the mean a plane counts at most, of values from 0 to 1.
MOST_APART = 0.5
#: Channels at each level, from a half of the resolution to a sixteenth; of the one that knows where light is cut off.
WIDTHS = (16, 16, 32, 64)
HIGHLIGHT_WIDTHS = (8, 16, 32, 32)
#: Of the layers at the coarsest level, in its pixels.
DILATIONS = (1, 2, 1)
#: Facts of each plane as a whole, see `StackStatistics`.
FACTS = LEVELS + 1


@dataclass
class Compared:
    """Evidence at a level.

    Attributes
    ----------
    seen : list of Tensor of shape `(n, OWN[level], rows, columns)`
        Of one plane after the other, or of several at once.
    beside : Tensor of shape `(1, OWN[level], rows, columns)`
        What each of them is compared with.
    common : Tensor of shape `(1, COMMON[level], rows, columns)`
        Of all together.
    clipped : list of Tensor of shape `(n, 1, rows, columns)`, optional
        Share of light that the camera cut off, of the planes of each of `seen`; `common` has the greatest one, too.
    """

    seen: list[Tensor]
    beside: Tensor
    common: Tensor
    clipped: list[Tensor] | None = None

    def own(self) -> Iterator[Tensor]:
        """What is told of one plane after the other, beside all of them."""
        for seen in _taken(self.seen):
            told = seen.to(self.beside.dtype).sub_(self.beside)
            told[:, -1:].clamp_(-MOST_APART, MOST_APART).mul_(5)
            yield told if self.clipped is None else torch.cat((told, self.clipped.pop(0)), 1)


class _Respond(nn.Module):
    """Responses of each plane `(N, own, ...)`, by what it shows, and of what all planes show, `(1, common, ...)`."""

    def __init__(self, own: int, common: int, out: int, dilation: int = 1) -> None:
        super().__init__()
        self.own = nn.Conv2d(own, out, 3, padding=dilation, dilation=dilation)
        self.common = nn.Conv2d(common, out, 3, padding=dilation, dilation=dilation, bias=False)

    def forward(self, own: Tensor, told: Tensor) -> Tensor:
        """Respond to planes; `told` is what `common` makes of all, once for all of them."""
        return F.leaky_relu_(self.own(own).add_(told), 0.1)


def _taken(planes: list[Tensor]) -> Iterator[Tensor]:
    """One after the other, whose memory is free again when the next one is asked for."""
    while planes:
        yield planes.pop(0)


def _kept(planes: Tensor) -> Tensor:
    """In 16 bits, where nothing is to be learned: it is the memory of a window that limits its size."""
    return planes if torch.is_grad_enabled() or planes.dtype != torch.float32 else planes.half()


def _exact(planes: Tensor) -> Tensor:
    return planes.to(torch.promote_types(planes.dtype, torch.float32))


def _centred(values: Tensor, axis: int) -> Tensor:
    return values - values.mean(axis, keepdim=True)


def _signs(seen: Tensor) -> Tensor:
    """Signs of the finest detail at each of four pixels, beside their mean."""
    signs = seen[:, ENERGIES[0] : ENERGIES[0] + FINER].contiguous()
    return _kept(_centred(_exact(signs), 1))


def _with_shared(parts: Iterable[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Planes, kept, and what one knows of the others: their mean and their maximum."""
    kept: list[Tensor] = []
    count = 0
    for planes in parts:
        for plane in planes[:, None]:  # torch reduces across planes several times as slowly
            if count == 0:
                total, most = plane.clone(), plane
            else:
                total, most = total.add_(plane), torch.maximum(most, plane)
            count += 1
        kept.append(_kept(planes))
    return kept, torch.cat((total / count, most), 1)


class StackDecider(nn.Module):
    """Scores of all planes of a stack: the plane of the highest one is taken.

    Evidence comes in at each level; out come scores `(N, rows, columns)` at the finest of them, which is half the
    resolution, and how far the scores of its four pixels differ from these, `(N, FINER, rows, columns)`.

    Parameters
    ----------
    widths : tuple of int, optional
        Channels at each level.
    clipped : bool, optional
        Whether evidence says where light is cut off.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS, clipped: bool = False) -> None:
        super().__init__()
        self.down, self.up, self.through, self.mixed = (nn.ModuleList() for _ in range(4))
        below = 0
        for own, common, width in zip(OWN, COMMON, widths, strict=True):
            self.down.append(_Respond(below + own + clipped, 2 * below + common + clipped, width))
            below = width
        self.facts = nn.Linear(FACTS, below)
        self.deep = nn.ModuleList(_Respond(below, 2 * below, below, dilation) for dilation in DILATIONS)
        for level in range(LEVELS - 1):
            width = widths[level]
            self.up.append(nn.Conv2d(widths[level + 1], width, 1))
            self.through.append(nn.Conv2d(width, width, 3, padding=1))
            self.mixed.append(_Respond(width, 2 * width, width))
        self.score = nn.Conv2d(widths[0], 2 + FINER, 3, padding=1)
        for layer in (*self.down, *self.deep, *self.mixed):
            # What all planes share must not drown what tells them apart.
            nn.init.normal_(layer.common.weight, std=0.01)

    def forward(self, evidence: list[Compared], facts: Tensor) -> tuple[Tensor, Tensor]:
        """Weigh the evidence of a window and the facts `(N, FACTS)` of its planes.

        It goes through as many planes at once as the evidence has in one part, which is used up.
        """
        signs = [_signs(seen) for seen in evidence[0].seen]
        kept: list[list[Tensor]] = []  # by levels and parts
        layer: Any
        for layer, compared in zip(self.down, evidence, strict=True):
            own, common = compared.own(), compared.common
            if kept:
                pooled, shared = _with_shared(F.avg_pool2d(_exact(x), 2) for x in kept[-1])
                own = (torch.cat((_exact(x), told), 1) for x, told in zip(_taken(pooled), own, strict=True))
                common = torch.cat((shared, common), 1)
            told = layer.common(common)
            kept.append([_kept(layer(x, told)) for x in own])
        x = _exact(torch.cat(kept.pop())) + self.facts(facts)[..., None, None]
        for layer in self.deep:
            x = x + layer(x, layer.common(_with_shared([x])[1]))
        above: Iterable[Tensor] = torch.split(x, [len(part) for part in signs])
        for level in range(LEVELS - 2, -1, -1):
            here = _taken(kept.pop())
            joined = _with_shared(self._join(level, x, y) for x, y in zip(above, here, strict=True))
            above = self._mixed(level, *joined)
            if level:
                above = _taken([_kept(x) for x in above])
        scores, finer = zip(*(self._score(x, sign) for x, sign in zip(above, signs, strict=True)), strict=True)
        return torch.cat(scores), torch.cat(finer)

    def _score(self, x: Tensor, signs: Tensor) -> tuple[Tensor, Tensor]:
        # On the whole, finer scores make no difference. With two channels more, which are not used, it takes less time.
        weight, bias = (
            torch.cat((of[:2], _centred(of[2:], 0), torch.zeros_like(of[:2]))) for of in self.score.parameters()
        )
        made = F.conv2d(x, weight, bias, padding=1)
        # What it means to lie on one side of an edge depends on what is there.
        score, side, finer = torch.split(made[:, :-2].contiguous(), [1, 1, FINER], 1)
        return score[:, 0].clone(), _kept(torch.addcmul(finer, side, _exact(signs)))

    def _join(self, level: int, below: Tensor, kept: Tensor) -> Tensor:
        above = F.interpolate(self.up[level](_exact(below)), scale_factor=2, mode="bilinear")
        return F.leaky_relu_(self.through[level](_exact(kept)).add_(above), 0.1)

    def _mixed(self, level: int, joined: list[Tensor], shared: Tensor) -> Iterator[Tensor]:
        mixed: Any = self.mixed[level]
        told = mixed.common(shared)
        for x in map(_exact, _taken(joined)):
            yield x + mixed(x, told)


@lru_cache(maxsize=4)
def bundled_stack_decider(device: torch.device) -> StackDecider:
    """The trained one, read once for each device. Not to be changed."""
    return _bundled("stack_decider", device)


@lru_cache(maxsize=4)
def bundled_highlight_decider(device: torch.device) -> StackDecider:
    """The trained one that says how scores change around light that is cut off."""
    return _bundled("highlight_decider", device, HIGHLIGHT_WIDTHS, clipped=True)


@undisturbed
def _bundled(name: str, device: torch.device, *how: Any, **more: Any) -> StackDecider:
    with torch.random.fork_rng(devices=[]):  # the weights drawn here are overwritten; the user's numbers stay
        decider = StackDecider(*how, **more).float()
    decider.load_state_dict(load_file(FOLDER / f"{name}.safetensors"))
    return decider.to(device=device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload,no-any-return]

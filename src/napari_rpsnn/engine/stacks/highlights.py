"""Light that the camera cuts off: how scores change around it.

A glint of metal or dew is many times as bright as a camera measures. In focus it is a few pixels, out of focus a disk
whose edge is sharper and brighter than anything else there. A network of its own, which knows where light is cut off,
says how the scores of planes change there; elsewhere nothing changes.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_rpsnn.engine.brightness import Level
from napari_rpsnn.model.stack_decider import Compared, StackDecider

#: From which share of the greatest value on a pixel is cut off.
CUT = 0.995
#: By which share of 4x4 pixels more two planes cut off than another where something changes, and where all does. What
#: one plane alone cuts off is a flash, and where light is bright in all planes, noise cuts some of it off.
LITTLE, ENOUGH = 0.5, 0.9
#: How far around it scores change, in squares of 16x16 pixels.
REACH = 2
#: Brightness of what is darkest around, from which on something changes, and from which on all does: what is cut off
#: on dark ground shines by itself, and is as large in focus.
DARK, LIT = 0.06, 0.1


def clipped(plane: Tensor, level: Level) -> Tensor:
    """Share of pixels that are cut off, `(1, 1, rows / 2, columns / 2)`, of a plane that `level` brought to [0, 1]."""
    return F.avg_pool2d((plane >= level.gain * CUT + level.offset).to(plane.dtype), 2)


def known_to(evidence: list[Compared], shares: list[Tensor]) -> list[Compared]:
    """Evidence with the shares `(n, 1, rows, columns)` of its parts; it is not used up."""
    told = []
    for level, compared in enumerate(evidence):
        shares = [F.avg_pool2d(share, 2) for share in shares] if level else shares
        greatest = torch.cat([share.amax(0, keepdim=True) for share in shares]).amax(0, keepdim=True)
        common = torch.cat((compared.common, greatest), 1)
        told.append(replace(compared, seen=list(compared.seen), common=common, clipped=list(shares)))
    return told


def around(evidence: list[Compared], shares: list[Tensor]) -> Tensor:
    """How much scores may change, from 0 to 1, `(rows, columns)`: near light that some planes cut off."""
    blocks = torch.cat([F.avg_pool2d(share, 2) for share in shares])
    least, most = blocks.amin(0, keepdim=True), blocks.sort(0).values[-2:][:1]
    there = F.max_pool2d(((most - least - LITTLE) / (ENOUGH - LITTLE)).clamp(0, 1), 4)
    near = F.max_pool2d(there, 2 * REACH + 1, 1, REACH)
    ground = torch.cat([seen[:, -1:] for seen in evidence[-1].seen]).amin(0, keepdim=True).to(near.dtype)
    ground = -F.max_pool2d(-ground, 4 * REACH + 1, 1, 2 * REACH)
    near = near * ((ground - DARK) / (LIT - DARK)).clamp(0, 1)
    return F.interpolate(near, scale_factor=8, mode="bilinear")[0, 0]


def changes(
    evidence: list[Compared], shares: list[Tensor], facts: Tensor, decider: StackDecider
) -> tuple[Tensor, Tensor] | None:
    """What is added to scores `(N, rows, columns)` and to those of single pixels; None: nothing."""
    near = around(evidence, shares)
    if not near.any():
        return None
    scores, finer = decider(known_to(evidence, shares), facts)
    return scores * near, finer * near

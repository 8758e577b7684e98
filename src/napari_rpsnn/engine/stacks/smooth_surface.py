"""Where a surface is smooth, detail around a pixel tells its plane better than the pixel itself.

A thin thing has to be told by its own pixels, a surface by all that lies around, and the scores are a compromise: on
smooth bricks and in sections they follow rings and the glow of edges. So the planes of the greatest detail around are
looked at by themselves. Where they lie on a surface without steps, their detail counts beside the scores.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

#: Where the energy of the finest detail around is found in evidence: level, and channel of it.
LEVEL, FINEST_AROUND = 2, 3
#: Pixels of that level around a pixel in which a surface must be smooth, and how far from a plane that is laid through
#: it, standard deviation in planes of the stack.
AROUND_PX, SMOOTH = 6, 1.5
#: What a plane's score loses for having a tenth of the energy of the best one, and the most that counts of it, as a
#: power of ten. A bristle's score is 50 to 100 above that of its ground, so hardly one is lost to this.
BY_DETAIL, MOST = 60.0, 0.3


def by_detail(energies: Tensor, places: Sequence[int], unlike: Tensor) -> Tensor:
    """What is added to scores, `(N, 4 rows, 4 columns)`: 0 for the plane of the greatest detail, less for the others.

    Parameters
    ----------
    energies : Tensor of shape `(N, rows, columns)`
        Logarithms, to the base of ten, of the energy of the finest detail around.
    places : sequence of int
        See `neighbours.places_along`.
    unlike : Tensor of shape `(N,)`
        How much brighter or darker each plane is than they are in common: a flash is not what others are compared with.
    """
    compared = energies - unlike[:, None, None]
    found = torch.tensor(places, dtype=energies.dtype, device=energies.device)[compared.argmax(0)]
    count = _is_smooth(found) * (energies - compared.amax(0)).clamp(-MOST, 0)
    return BY_DETAIL * F.interpolate(count[:, None], scale_factor=4, mode="bilinear")[:, 0]


def _is_smooth(surface: Tensor) -> Tensor:
    """1 where a surface `(rows, columns)` is near a plane laid through it, else 0."""
    rows, columns = (torch.arange(n, dtype=surface.dtype, device=surface.device) for n in surface.shape)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    left = _covariance(surface, surface)
    for axis in (y, x):  # in a square they do not depend on each other
        left = left - _covariance(surface, axis).square() / _covariance(axis, axis).clamp_min(1e-6)
    return (left < SMOOTH**2).to(surface.dtype)


def _covariance(first: Tensor, second: Tensor) -> Tensor:
    return _mean(first * second) - _mean(first) * _mean(second)


def _mean(picture: Tensor) -> Tensor:
    padded = F.pad(picture[None, None], (AROUND_PX,) * 4, mode="replicate")
    return F.avg_pool2d(padded, 2 * AROUND_PX + 1, 1)[0, 0]

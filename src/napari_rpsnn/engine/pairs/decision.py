"""From evidence to a result made of the sources' own values.

The network regresses an image: it knows which source is in focus where, but its values drift by a few grey levels.
So its image is taken as a hint only, see `evidence`:

1. `decide`: a small network has weighed the evidence of a pixel and its neighbours. The result is the decision map: 1
   or 0 where it is sure, between them where a mixture of both sources is nearer to the truth than either, as along
   outlines, and where both show the same with a noise of their own.
2. `compose`, or `mix`: each source where the map is 1 or 0, value for value; elsewhere both, as the map says.

Where neither source explains the network's image (the blurred rim of an occluding object), the nearer of the two is
taken all the same: a value that some plane recorded is worth more than one that nobody did.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_rpsnn.engine.pairs.evidence import EVIDENCE_HALO, WIDE_HALO
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.model.pair_decider import DILATIONS

#: Pixels that are seen around a pixel by `evidence`, a `Decider` and `decide` together, without and with
#: the wide neighbourhood. Halving and doubling the resolution add three.
NEAR_HALO = EVIDENCE_HALO + 2 * sum(DILATIONS) + 3
DECISION_HALO = NEAR_HALO + WIDE_HALO


def decide(weighed: Tensor, rows: int, columns: int) -> Tensor:
    """The decision map `(rows, columns)`: the share of the first source, from 0 to 1; exactly so where it is sure.

    Parameters
    ----------
    weighed : Tensor of half the rows and columns, rounded up
        Of a `Decider`.
    rows, columns : int
        Of the picture.
    """
    weighed = F.interpolate(weighed[None, None], scale_factor=2, mode="bilinear")[0, 0, :rows, :columns]
    # A logistic function that reaches its ends, at 3 and -3: 1 and 0 copy a source as it is.
    return (0.5 + 0.55 * torch.tanh(weighed / 2)).clamp(0, 1)


def compose(image0: NDArray[Any], image1: NDArray[Any], decision: Tensor) -> NDArray[Any]:
    """Put two images together by a decision map; every value lies between those of the two at its place.

    Parameters
    ----------
    image0, image1 : ndarray of shape `(rows, columns, channels)`
        In any real dtype.
    decision : Tensor of shape `(rows, columns)`
        Of `decide`.

    Returns
    -------
    ndarray
        Of the shape and dtype of the images.
    """
    share = decision.cpu().numpy()
    result = np.where((share > 0.5)[..., None], image0, image1)
    mixed = (share > 0) & (share < 1)
    if mixed.any():
        # Only what is mixed passes through float32, in a scale of its own.
        ends = image0[mixed], image1[mixed]
        values = IntensityRange.of(ends)
        unit0, unit1 = (values.to_unit(end) for end in ends)
        unit = unit1 + share[mixed, None] * (unit0 - unit1)
        result[mixed] = np.clip(values.from_unit(unit, result.dtype), np.minimum(*ends), np.maximum(*ends))
    return result


def mix(image0: Tensor, image1: Tensor, decision: Tensor) -> Tensor:
    """`compose` of integers of at most 16 bits, which float32 holds: on the device, in a tenth of the time."""
    mixed = torch.lerp(image1.float(), image0.float(), decision[..., None])
    return mixed.round_().to(image0.dtype)

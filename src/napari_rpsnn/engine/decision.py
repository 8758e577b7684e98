"""From the network's image to a result made of the sources' own values.

The network regresses an image: it knows which source is in focus where, but its values drift by a few grey levels.
So its image is taken as a hint only:

1. `vote`: at every pixel, where between the two sources the network's image lies: its projection onto the segment
   between them, by least squares in a Gaussian window. From 1, it is the first, to -1, it is the second.
2. `evidence`: what speaks for either source at every pixel (the vote, the mean vote of a wide neighbourhood, which
   source has more fine detail), and what that is worth (how alike the two structures are, how much they differ, how
   much detail there is: rings of defocus are detail, too, but the other source shows other ones).
3. `decide`: a small network weighs the evidence of a pixel and its neighbours. The result is the decision map: 1 or 0
   where it is sure, between them where a mixture of both sources is nearer to the truth than either, as along outlines,
   and where both show the same with a noise of their own.
4. `compose`, or `mix`: each source where the map is 1 or 0, value for value; elsewhere both, as the map says.

Where neither source explains the network's image (the blurred rim of an occluding object), the nearer of the two is
taken all the same: a value that some plane recorded is worth more than one that nobody did.

The constants were chosen on pairs of known truth, see docs/design.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_rpsnn.engine.filters import box, gaussian, gaussian_reach
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.model.decider import DILATIONS

#: Standard deviation in pixels of the window of a vote.
VOTE_SIGMA_PX = 2.0
#: Detail is what a Gaussian leaves and a box of three pixels takes away.
DETAIL_SIGMA_PX = 1.0
#: At half the resolution, in its pixels. Side of the wide neighbourhood's box: two of them, one after the other, have a
#: standard deviation of 16.
WIDE_BOX_HALF_PX = 39
#: Standard deviations of the windows of energies: of detail, of differences.
DETAIL_SIGMA_HALF_PX, DIFFERENCE_SIGMA_HALF_PX = 0.75, 1.0
#: Side of the box in which structures are compared.
STRUCTURE_BOX_HALF_PX = 5
#: Standard deviation of the neighbourhood in which a plane has to win against another.
STAY_SIGMA_HALF_PX = 4.0
#: A decision without a doubt.
SURE = 5.0
#: How much surer decisions are in a stack: what two planes share, the next one would share again, and so on.
FIRMNESS = 4.0
#: Energies of detail and of differences, and variance of structures, that are no more than noise.
DETAIL_NOISE, DIFFERENCE_NOISE, STRUCTURE_NOISE = 5e-7, 3e-5, 1.5e-5

#: Pixels that are seen around a pixel: by `vote`, and by `evidence`, `hesitate` and `decide` together, without and with
#: the wide neighbourhood. Halving and doubling the resolution add three.
VOTE_HALO = gaussian_reach(VOTE_SIGMA_PX)
NEAR_HALO = (
    gaussian_reach(DETAIL_SIGMA_PX)
    + 1
    + 2 * max(gaussian_reach(DIFFERENCE_SIGMA_HALF_PX), STRUCTURE_BOX_HALF_PX // 2)
    + 2 * sum(DILATIONS)
    + 2 * gaussian_reach(STAY_SIGMA_HALF_PX)
    + 3
)
DECISION_HALO = NEAR_HALO + 4 * (WIDE_BOX_HALF_PX // 2)


def vote(fused: Tensor, unit0: Tensor, unit1: Tensor) -> Tensor:
    """Which source is nearer to the network's image: from 127, it is the first, to -127, it is the second.

    Parameters
    ----------
    fused, unit0, unit1 : Tensor of shape `(channels, rows, columns)`
        The network's image and its two inputs, in [0, 1]. One channel of the inputs stands for three equal ones.

    Returns
    -------
    Tensor of int8 and shape `(rows, columns)`
    """
    # Grey: the mean of the network's three channels says the same as their sum, at a third of the cost.
    fused = fused if len(unit0) > 1 else mean_channel(fused)[None]
    difference = unit0 - unit1
    noise = DIFFERENCE_NOISE * len(difference) / 3
    # 2 w - 1 of the weight w that makes w * unit0 + (1 - w) * unit1 nearest to the network's image.
    products = _dot(difference, 2 * fused - unit0 - unit1), _dot(difference, difference)
    projection, energy = gaussian(torch.stack(products), VOTE_SIGMA_PX)
    certain: Tensor = (projection / (energy + noise)).clamp(-1, 1)
    return (127 * certain).round().to(torch.int8)


def widely(votes: Tensor) -> Tensor:
    """Mean vote of the wide neighbourhood of each pixel of `(rows, columns)`, in float32 from -1 to 1, halved."""
    return box(box(halved(votes[None].float() / 127), WIDE_BOX_HALF_PX), WIDE_BOX_HALF_PX)[0]


def evidence(votes: Tensor, wide: Tensor, grey0: Tensor, grey1: Tensor) -> Tensor:
    """What a `Decider` weighs, at half the resolution: a quarter of the work.

    Parameters
    ----------
    votes : Tensor of shape `(rows, columns)`
        Of `vote`.
    wide : Tensor of half the rows and columns, rounded up
        Of `widely`.
    grey0, grey1 : Tensor of shape `(rows, columns)`
        The sources, grey, in [0, 1].

    Returns
    -------
    Tensor of shape `(6, ...)`, the rest as `wide`
        Three pictures that change their sign when the sources change places: the votes, near and wide, and which source
        has more detail, all from 1, the first, to -1. Three that do not: the correlation of the sources, and the
        decimal logarithms of their root mean square difference and detail, each about zero.
    """
    greys = torch.stack((grey0, grey1))
    smooth = gaussian(greys, DETAIL_SIGMA_PX)
    fine = (smooth - box(smooth, 3)).square()
    parts = halved(torch.cat((votes[None].float() / 127, fine, greys, greys * greys, (grey0 * grey1)[None])))
    near, structure = parts[0], box(parts[3:], STRUCTURE_BOX_HALF_PX)
    detail0, detail1 = gaussian(parts[1:3], DETAIL_SIGMA_HALF_PX)
    detail = detail0 + detail1
    difference = gaussian((parts[5] + parts[6] - 2 * parts[7])[None], DIFFERENCE_SIGMA_HALF_PX)[0]
    mean0, mean1, square0, square1, product = structure
    variances = (square0 - mean0**2).clamp_min(0) * (square1 - mean1**2).clamp_min(0)
    return torch.stack(
        (
            near,
            wide,
            (detail0 - detail1) / (detail + DETAIL_NOISE),
            (product - mean0 * mean1) / (variances + STRUCTURE_NOISE**2).sqrt(),
            (difference.clamp_min(0) + 1e-6).log10() / 2 + 2,
            (detail + 1e-7).log10() / 2 + 2.5,
        )
    )


def halved(pictures: Tensor) -> Tensor:
    """Means of two by two pixels of `(n, rows, columns)`; an odd last row or column is repeated."""
    _, rows, columns = pictures.shape
    if rows % 2 or columns % 2:
        pictures = F.pad(pictures, (0, columns % 2, 0, rows % 2), mode="replicate")
    lines = pictures[:, ::2] + pictures[:, 1::2]
    return (lines[..., ::2] + lines[..., 1::2]) / 4


def hesitate(weighed: Tensor, stay: float) -> Tensor:
    """A decision for the first source but where a neighbourhood, not single pixels, is for the second one by a margin.

    Parameters
    ----------
    weighed : Tensor of shape `(rows, columns)`
        Of a `Decider`.
    stay : float
        The margin, in what a `Decider` weighs; 0: none, and no neighbourhood.
    """
    if stay == 0:
        return weighed
    around = gaussian(weighed.clamp(-SURE, SURE)[None], STAY_SIGMA_HALF_PX)[0]
    return FIRMNESS * (around + stay)


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


def _dot(image0: Tensor, image1: Tensor) -> Tensor:
    return len(image0) * mean_channel(image0 * image1)


def mean_channel(image: Tensor) -> Tensor:
    """Mean of the channels; torch's own takes four times as long where they are so few and lie side by side."""
    total: Tensor = sum(image.unbind())  # type: ignore[assignment]
    return total / len(image)

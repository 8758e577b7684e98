"""What speaks for either of two sources at every pixel: votes of the network's image, and focus measures.

1. `vote`: where between the two sources the network's image lies: its projection onto the segment between them, by
   least squares in a Gaussian window. From 1, it is the first, to -1, it is the second.
2. `widely`: the mean vote of a wide neighbourhood.
3. `evidence`: both, and the focus measure, which source has more fine detail (the energy that a Gaussian leaves and a
   box takes away); and what that is worth: how alike the two structures are, how much they differ, how much detail
   there is (rings of defocus are detail, too, but the other source shows other ones).

The constants were chosen on pairs of known truth, see docs/design.md.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_rpsnn.engine.filters import box, gaussian, gaussian_reach

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
#: Energies of detail and of differences, and variance of structures, that are no more than noise.
DETAIL_NOISE, DIFFERENCE_NOISE, STRUCTURE_NOISE = 5e-7, 3e-5, 1.5e-5

#: Pixels that are seen around a pixel: by `vote`; by `evidence`, of what `widely` does not see.
VOTE_HALO = gaussian_reach(VOTE_SIGMA_PX)
EVIDENCE_HALO = (
    gaussian_reach(DETAIL_SIGMA_PX) + 1 + 2 * max(gaussian_reach(DIFFERENCE_SIGMA_HALF_PX), STRUCTURE_BOX_HALF_PX // 2)
)
#: And by `widely`, in two steps of boxes at half the resolution.
WIDE_HALO = 4 * (WIDE_BOX_HALF_PX // 2)


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


def _dot(image0: Tensor, image1: Tensor) -> Tensor:
    return len(image0) * mean_channel(image0 * image1)


def mean_channel(image: Tensor) -> Tensor:
    """Mean of the channels; torch's own takes four times as long where they are so few and lie side by side."""
    total: Tensor = sum(image.unbind())  # type: ignore[assignment]
    return total / len(image)

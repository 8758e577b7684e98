"""From the network's image to a result made of the sources' own values.

The network regresses an image: it knows which source is in focus where, but its values drift by a few grey levels.
So its image is taken as a hint only:

1. `vote`: at every pixel, where between the two sources the network's image lies: its projection onto the segment
   between them, by least squares in a Gaussian window. From 1, it is the first, to -1, it is the second.
2. `decide`: to the votes is added which source has more fine detail, where both show the same structure: there, more
   detail is better focus (rings of defocus are detail, too, but the other source shows other ones). The sign of the
   mean of both in a neighbourhood that follows edges (a guided filter), to which the votes of a wide one are added,
   which decide where the near ones do not, is the region; then the outline of the regions found is drawn along the
   edges of the picture by a narrow guided filter. The result is the decision map.
3. `compose`: each source where the map is 1 or 0, value for value; up to ten pixels from an outline the two are
   blended, coarse detail over a wider strip than fine detail, so that no seam shows, and held between the sources.

Where neither source explains the network's image (the blurred rim of an occluding object), the nearer of the two is
taken all the same: a value that some plane recorded is worth more than one that nobody did.

Sources: guided filter, K. He, J. Sun, X. Tang, IEEE TPAMI 35 (2013), with a Gaussian in place of the box; blending by
bands, P. Burt, E. Adelson, ACM TOG 2 (1983). The constants were chosen on pairs of known truth, see docs/design.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_rpsnn.filters import box, gaussian, gaussian_reach
from napari_rpsnn.intensity import IntensityRange

#: Standard deviations in pixels: of the window of a vote, of its near neighbourhood, of the outline.
VOTE_SIGMA_PX, NEAR_SIGMA_PX, OUTLINE_SIGMA_PX = 2.0, 2.0, 1.7
#: Side in pixels of the wide neighbourhood's box. Two of them, one after the other, have a standard deviation of 32.
WIDE_BOX_PX = 79
#: How much the votes of the wide neighbourhood, and detail, count beside the votes of the near one.
WIDE_WEIGHT, DETAIL_WEIGHT = 1.0, 1.5
#: Detail is what a Gaussian leaves and a box of three pixels takes away; its energy is the mean of a Gaussian window.
DETAIL_SIGMA_PX, ENERGY_SIGMA_PX = 1.0, 1.5
#: Energy of detail that is no more than noise.
DETAIL_NOISE = 5e-7
#: Side in pixels of the box in which structures are compared, and variance that is no more than noise.
STRUCTURE_BOX_PX, STRUCTURE_NOISE = 9, 1.5e-5
#: Correlation of the sources from which on detail begins to count, and from which on it counts in full.
STRUCTURE_CORRELATION = (0.4, 0.6)
#: Mean square of differences between the sources that are no more than noise: they must not decide.
NOISE_VARIANCE = 3e-5
#: Variance of the guide, which runs from 0 to 1, from which on the guided filters follow its edges.
NEAR_EDGE, OUTLINE_EDGE = 1e-3, 1e-2
#: Bands of detail that are blended each over a strip of its own width.
BAND_SIGMAS_PX = (1.0, 2.0, 4.0)

#: Pixels that are seen around a pixel: by `vote`, by `widely`, and by `decide` and `compose` together. A guided filter
#: smooths twice.
VOTE_HALO = gaussian_reach(VOTE_SIGMA_PX)
WIDE_HALO = 2 * (WIDE_BOX_PX // 2)
DETAIL_HALO = max(gaussian_reach(DETAIL_SIGMA_PX) + 1 + gaussian_reach(ENERGY_SIGMA_PX), STRUCTURE_BOX_PX // 2)
NEAR_HALO = (
    DETAIL_HALO
    + 2 * gaussian_reach(NEAR_SIGMA_PX)
    + 2 * gaussian_reach(OUTLINE_SIGMA_PX)
    + gaussian_reach(BAND_SIGMAS_PX[-1])
)
#: By all that follows a vote: what `decide` sees of the wide neighbourhood, the outline and the bands.
DECISION_HALO = NEAR_HALO - DETAIL_HALO - 2 * gaussian_reach(NEAR_SIGMA_PX) + WIDE_HALO


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
    noise = NOISE_VARIANCE * len(difference) / 3
    # 2 w - 1 of the weight w that makes w * unit0 + (1 - w) * unit1 nearest to the network's image.
    products = _dot(difference, 2 * fused - unit0 - unit1), _dot(difference, difference)
    projection, energy = gaussian(torch.stack(products), VOTE_SIGMA_PX)
    certain: Tensor = (projection / (energy + noise)).clamp(-1, 1)
    return (127 * certain).round().to(torch.int8)


def widely(votes: Tensor) -> Tensor:
    """Mean vote of the wide neighbourhood of each pixel of `(rows, columns)`, in float32 from -1 to 1."""
    return box(box(votes[None].float() / 127, WIDE_BOX_PX), WIDE_BOX_PX)[0]


def decide(votes: Tensor, wide: Tensor, grey0: Tensor, grey1: Tensor, stay: float = 0.0) -> Tensor:
    """Return the decision map: how much of the first source goes into each pixel, in [0, 1].

    Parameters
    ----------
    votes : Tensor of shape `(rows, columns)`
        Of `vote`.
    wide : Tensor of shape `(rows, columns)`
        Of `widely`.
    grey0, grey1 : Tensor of shape `(rows, columns)`
        The sources, grey, in [0, 1]. The map follows the edges of their mean.
    stay : float, optional
        What the second source needs to win a region, as a share of all that votes and detail can weigh.
    """
    guide = (grey0 + grey1) / 2
    near = votes.float() / 127 + DETAIL_WEIGHT * _detail(grey0, grey1)
    mean = _follow_edges(near, guide, NEAR_SIGMA_PX, NEAR_EDGE) + WIDE_WEIGHT * wide
    mean += stay * (1 + WIDE_WEIGHT + DETAIL_WEIGHT)
    # A tie must stay a tie, whatever the rounding of sums: the order of the sources is not to decide.
    region = torch.where(mean.abs() < 1e-5, 0, mean.sign())
    outline = _follow_edges(region, guide, OUTLINE_SIGMA_PX, OUTLINE_EDGE)
    # Filters leave 0.9999 of what is 1; a map of ones copies the source as it is.
    return (0.5 + 0.51 * outline).clamp(0, 1)


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
    widest = gaussian(decision[None], BAND_SIGMAS_PX[-1])
    share = widest[0].cpu().numpy()
    result = np.where((share > 0.5)[..., None], image0, image1)
    # What is within rounding of all or nothing in the widest window is copied: exact in every dtype.
    rows, columns = np.nonzero((share > 1e-6) & (share < 1 - 1e-6))
    if len(rows):
        reach = gaussian_reach(BAND_SIGMAS_PX[-1])
        window = tuple(slice(max(i.min() - reach, 0), i.max() + 1 + reach) for i in (rows, columns))
        # Only what is blended passes through float32, in a scale of its own.
        values = IntensityRange.of((image0[window], image1[window]))
        units = [torch.from_numpy(values.to_unit(image[window])) for image in (image0, image1)]
        unit0, unit1 = (unit.to(decision.device).permute(2, 0, 1).contiguous() for unit in units)
        shares = [gaussian(decision[None, *window], sigma) for sigma in BAND_SIGMAS_PX[:-1]]
        unit = unit1 + _blend(unit0 - unit1, [*shares, widest[:, *window]])
        blended = unit.permute(1, 2, 0).cpu().numpy()[rows - window[0].start, columns - window[1].start]
        ends = image0[rows, columns], image1[rows, columns]
        result[rows, columns] = np.clip(values.from_unit(blended, result.dtype), np.minimum(*ends), np.maximum(*ends))
    return result


def _blend(difference: Tensor, shares: Sequence[Tensor]) -> Tensor:
    """Sum of the bands of a picture, the finest first, each times its share."""
    total, rest = torch.zeros_like(difference), difference
    for sigma, share in zip((*BAND_SIGMAS_PX[:-1], None), shares, strict=True):
        coarser = torch.zeros_like(rest) if sigma is None else gaussian(difference, sigma)
        total += share * (rest - coarser)
        rest = coarser
    return total


def _detail(grey0: Tensor, grey1: Tensor) -> Tensor:
    """Which source has more fine detail, from 1, the first, to -1, the second; 0 where their structures differ."""
    smooth = gaussian(torch.stack((grey0, grey1)), DETAIL_SIGMA_PX)
    energy0, energy1 = gaussian((smooth - box(smooth, 3)) ** 2, ENERGY_SIGMA_PX)
    moments = box(torch.stack((grey0, grey1, grey0 * grey0, grey1 * grey1, grey0 * grey1)), STRUCTURE_BOX_PX)
    mean0, mean1, square0, square1, product = moments
    variances = (square0 - mean0**2).clamp_min(0) * (square1 - mean1**2).clamp_min(0)
    correlation = (product - mean0 * mean1) / (variances + STRUCTURE_NOISE**2).sqrt()
    low, high = STRUCTURE_CORRELATION
    more: Tensor = (energy0 - energy1) / (energy0 + energy1 + DETAIL_NOISE)
    alike: Tensor = ((correlation - low) / (high - low)).clamp(0, 1)
    return more * alike


def _follow_edges(image: Tensor, guide: Tensor, sigma_px: float, edge: float) -> Tensor:
    """Smooth `image`, but not across edges of `guide`: a guided filter in Gaussian windows."""
    means = gaussian(torch.stack((image, guide, guide * guide, guide * image)), sigma_px)
    mean, mean_guide, mean_square, mean_product = means
    slope = (mean_product - mean_guide * mean) / (mean_square - mean_guide**2 + edge)
    slope, offset = gaussian(torch.stack((slope, mean - slope * mean_guide)), sigma_px)
    smooth: Tensor = slope * guide + offset
    return smooth


def _dot(image0: Tensor, image1: Tensor) -> Tensor:
    return len(image0) * mean_channel(image0 * image1)


def mean_channel(image: Tensor) -> Tensor:
    """Mean of the channels; torch's own takes four times as long where they are so few and lie side by side."""
    total: Tensor = sum(image.unbind())  # type: ignore[assignment]
    return total / len(image)

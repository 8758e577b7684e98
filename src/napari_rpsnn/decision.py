"""From the network's image to a result made of the sources' own values.

The network regresses an image: it knows which source is in focus where, but its values drift by a few grey levels.
So its image is taken as a hint only:

1. `vote`: at every pixel, where between the two sources the network's image lies: its projection onto the segment
   between them, by least squares in a Gaussian window. From 1, it is the first, to -1, it is the second.
2. `decide`: the sign of the mean vote of a neighbourhood that follows edges (a guided filter), to which a wide one is
   added, which decides where the near one does not; then the outline of the regions found is drawn along the edges of
   the picture by a narrow guided filter. The result is the decision map.
3. `compose`: each source where the map is 1 or 0, value for value; up to ten pixels from an outline the two are
   blended, coarse detail over a wider strip than fine detail, so that no seam shows, and held between the sources.

Where neither source explains the network's image (the blurred rim of an occluding object), the nearer of the two is
taken all the same: a value that some plane recorded is worth more than one that nobody did.

Sources: guided filter, K. He, J. Sun, X. Tang, IEEE TPAMI 35 (2013), with a Gaussian in place of the box; blending by
bands, P. Burt, E. Adelson, ACM TOG 2 (1983). The constants were chosen on pairs of known truth, see docs/design.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

from napari_rpsnn.intensity import IntensityRange

Picture = NDArray[np.float32]

#: Standard deviations in pixels: of the window of a vote, of its near neighbourhood, of the outline.
VOTE_SIGMA_PX, NEAR_SIGMA_PX, OUTLINE_SIGMA_PX = 2.0, 3.0, 1.7
#: Side in pixels of the wide neighbourhood's box. Two of them, one after the other, have a standard deviation of 32 and
#: take an eighth of a Gaussian's time.
WIDE_BOX_PX = 79
#: How much the wide neighbourhood counts beside the near one.
WIDE_WEIGHT = 0.5
#: Mean square of differences between the sources that are no more than noise: they must not decide.
NOISE_VARIANCE = 3e-5
#: Variance of the guide, which runs from 0 to 1, from which on the guided filters follow its edges.
NEAR_EDGE, OUTLINE_EDGE = 1e-3, 1e-2
#: Bands of detail that are blended each over a strip of its own width.
BAND_SIGMAS_PX = (1.0, 2.0, 4.0)
#: Gaussians are cut off here, so that every step has a finite reach.
TRUNCATE = 2.5


def _radius(sigma_px: float) -> int:
    return int(TRUNCATE * sigma_px + 0.5)


#: Pixels that `vote` sees around a pixel, and `decide` and `compose` together. A guided filter smooths twice.
VOTE_HALO = _radius(VOTE_SIGMA_PX)
DECISION_HALO = (
    max(2 * _radius(NEAR_SIGMA_PX), 2 * (WIDE_BOX_PX // 2))
    + 2 * _radius(OUTLINE_SIGMA_PX)
    + _radius(BAND_SIGMAS_PX[-1])
)


def vote(fused: Picture, unit0: Picture, unit1: Picture) -> NDArray[np.int8]:
    """Which source is nearer to the network's image: from 127, it is the first, to -127, it is the second.

    Parameters
    ----------
    fused, unit0, unit1 : ndarray of shape `(rows, columns, channels)`
        The network's image and its two inputs, in [0, 1]. One channel of the inputs stands for three equal ones.

    Returns
    -------
    ndarray of shape `(rows, columns)`
    """
    # Grey: the mean of the network's three channels says the same as their sum, at a third of the cost.
    fused = fused if unit0.shape[-1] > 1 else fused.mean(-1, keepdims=True)
    difference = unit0 - unit1
    noise = NOISE_VARIANCE * difference.shape[-1] / 3
    # 2 w - 1 of the weight w that makes w * unit0 + (1 - w) * unit1 nearest to the network's image.
    projection = _smooth(_dot(difference, 2 * fused - unit0 - unit1), VOTE_SIGMA_PX)
    certain = projection / (_smooth(_dot(difference, difference), VOTE_SIGMA_PX) + noise)
    votes: NDArray[np.int8] = np.rint(127 * np.clip(certain, -1, 1)).astype(np.int8)
    return votes


def decide(votes: NDArray[np.int8], guide: Picture, stay: float = 0.0) -> Picture:
    """Return the decision map: how much of the first source goes into each pixel, in [0, 1].

    Parameters
    ----------
    votes : ndarray of shape `(rows, columns)`
        Of `vote`.
    guide : ndarray of shape `(rows, columns)`
        Grey picture in [0, 1] whose edges the map follows.
    stay : float, optional
        Mean vote, from 0 to 1, that the second source needs to win.
    """
    vote = votes.astype(np.float32) / np.float32(127)
    wide = uniform_filter(uniform_filter(vote, WIDE_BOX_PX), WIDE_BOX_PX)
    mean = _follow_edges(vote, guide, NEAR_SIGMA_PX, NEAR_EDGE) + WIDE_WEIGHT * wide + stay
    # A tie must stay a tie, whatever the rounding of sums: the order of the sources is not to decide.
    region = np.sign(np.where(np.abs(mean) < 1e-5, 0, mean)).astype(np.float32)
    outline = _follow_edges(region, guide, OUTLINE_SIGMA_PX, OUTLINE_EDGE)
    # Filters leave 0.9999 of what is 1; a map of ones copies the source as it is.
    decision: Picture = np.clip(0.5 + 0.51 * outline, 0, 1)
    return decision


def compose(image0: NDArray[Any], image1: NDArray[Any], decision: Picture) -> NDArray[Any]:
    """Put two images together by a decision map; every value lies between those of the two at its place.

    Parameters
    ----------
    image0, image1 : ndarray of shape `(rows, columns, channels)`
        In any real dtype.
    decision : ndarray of shape `(rows, columns)`
        Of `decide`.

    Returns
    -------
    ndarray
        Of the shape and dtype of the images.
    """
    shares = [_smooth(decision, sigma) for sigma in BAND_SIGMAS_PX]
    result = np.where((shares[-1] > 0.5)[..., None], image0, image1)
    # What is within rounding of all or nothing in the widest window is copied: exact in every dtype.
    rows, columns = np.nonzero((shares[-1] > 1e-6) & (shares[-1] < 1 - 1e-6))
    if len(rows):
        reach = _radius(BAND_SIGMAS_PX[-1])
        window = tuple(slice(max(i.min() - reach, 0), i.max() + 1 + reach) for i in (rows, columns))
        # Only what is blended passes through float32, in a scale of its own.
        values = IntensityRange.of((image0[window], image1[window]))
        unit1 = values.to_unit(image1[window])
        unit = unit1 + _blend(values.to_unit(image0[window]) - unit1, [s[window] for s in shares])
        mixed = values.from_unit(unit[rows - window[0].start, columns - window[1].start], result.dtype)
        ends = image0[rows, columns], image1[rows, columns]
        result[rows, columns] = np.clip(mixed, np.minimum(*ends), np.maximum(*ends))
    return result


def _blend(difference: Picture, shares: list[Picture]) -> Picture:
    """Sum of the bands of a picture, the finest first, each times its share."""
    total, rest = np.zeros_like(difference), difference
    for sigma, share in zip((*BAND_SIGMAS_PX[:-1], None), shares, strict=True):
        coarser = np.zeros_like(rest) if sigma is None else _smooth(difference, sigma)
        total += share[..., None] * (rest - coarser)
        rest = coarser
    return total


def _follow_edges(image: Picture, guide: Picture, sigma_px: float, edge: float) -> Picture:
    """Smooth `image`, but not across edges of `guide`: a guided filter in Gaussian windows."""
    mean, mean_guide = _smooth(image, sigma_px), _smooth(guide, sigma_px)
    variance = _smooth(guide * guide, sigma_px) - mean_guide**2
    slope = (_smooth(guide * image, sigma_px) - mean_guide * mean) / (variance + edge)
    offset = mean - slope * mean_guide
    return _smooth(slope, sigma_px) * guide + _smooth(offset, sigma_px)


def _dot(image0: Picture, image1: Picture) -> Picture:
    dot: Picture = np.einsum("...c,...c", image0, image1)
    return dot


def _smooth(image: Picture, sigma_px: float) -> Picture:
    smooth: Picture = gaussian_filter(image, sigma_px, truncate=TRUNCATE, axes=(0, 1))
    return smooth

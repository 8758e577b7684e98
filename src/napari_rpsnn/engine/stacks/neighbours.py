"""Which planes of a stack are neighbours, told by what they show: their order when they are handed over plays no role.

Where a plane has no data its nearest neighbour that has some takes its place: that is nearly as much in focus, so
evidence has no edges there, and where the plane would have been the best one its neighbour is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional as F

from napari_rpsnn.images.validity import Valid

#: Side in pixels of the squares whose brightness tells how much planes are alike: noise averages out in them.
SQUARE_PX = 4
#: Difference of planes that have no place in common: more than any others have.
UNKNOWN = 1e6


def brightness(grey: NDArray[np.float32], valid: Valid) -> NDArray[np.float32]:
    """Mean of each square of a window of a plane, one after the other, NaN where it has no data."""
    there = grey if valid is None else np.where(valid, grey, np.float32(np.nan))
    squares: NDArray[np.float32] = F.avg_pool2d(torch.from_numpy(there)[None], SQUARE_PX, ceil_mode=True).numpy()
    return squares.ravel()


def differences(shown: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean squared difference of any two planes, `(N, N)`, `UNKNOWN` where they have no place in common.

    Parameters
    ----------
    shown : ndarray of shape `(N, n)`
        Brightness of each plane in the same places, NaN where it has no data.
    """
    found = []
    for one in shown:
        squares = (shown - one) ** 2
        there = ~np.isnan(squares)
        count = there.sum(1)
        total = np.where(there, squares, 0).sum(1, dtype=np.float64)
        found.append(np.where(count > 0, total / np.maximum(count, 1), UNKNOWN))
    return np.array(found)


def places_along(differences: NDArray[np.float64]) -> tuple[int, ...]:
    """Place of each plane in a chain of planes that are alike, which may begin at either end of the stack.

    It begins with the two that are most alike; then the one follows that is most like one of its ends.
    """
    apart = np.array(differences)
    np.fill_diagonal(apart, np.inf)
    chain = [int(k) for k in np.unravel_index(apart.argmin(), apart.shape)] if len(apart) > 1 else [0]
    while len(chain) < len(apart):
        first, last = chain[0], chain[-1]
        apart[:, [first, last]] = np.inf  # not to be found again
        if apart[first].min() < apart[last].min():
            chain.insert(0, int(apart[first].argmin()))
        else:
            chain.append(int(apart[last].argmin()))
    return tuple(int(k) for k in np.argsort(chain))


def nearest(differences: NDArray[np.float64]) -> NDArray[np.intp]:
    """Of each plane all planes, `(N, N)`, itself first, then those that are nearest along the chain.

    Of two that are as near it is the one that is more like it. By likeness alone a plane far on one side of the focus
    would come before one far on the other: both are blurred.
    """
    places = np.array(places_along(differences))
    return np.array(
        [np.lexsort((apart, np.abs(places - place))) for apart, place in zip(differences, places, strict=True)]
    )


def filled(
    read: Callable[[int], tuple[NDArray[np.float32], Valid]], nearest: Sequence[int] | NDArray[np.intp]
) -> tuple[NDArray[np.float32], Valid, NDArray[np.int64] | None]:
    """The first of these planes, with what the next ones show where it has no data, and where all of it comes from.

    Returns
    -------
    grey : ndarray
        Where no plane has data, what is nearest.
    valid : ndarray of bool, or None
        Where the plane itself has data; None: everywhere.
    source : ndarray of int, or None
        The plane that is shown.
    """
    grey, valid = read(int(nearest[0]))
    if valid is None:
        return grey, None, None
    source, left = np.full(valid.shape, nearest[0], np.int64), ~valid
    grey = np.where(valid, grey, np.float32(0))
    for k in nearest[1:]:
        if not left.any():
            break
        other, there = read(int(k))
        taken = left if there is None else left & there
        grey[taken], source[taken] = other[taken], k
        left = left & ~taken
    if left.any() and not left.all():  # as if what is nearest went on: all planes would have an edge there
        grey = grey[tuple(distance_transform_edt(left, return_distances=False, return_indices=True))]
    return grey, valid, source


def elsewhere(source: Tensor, plane: int) -> Tensor:
    """Which other plane is shown in each square of 2x2 pixels of a filled one, `(rows / 2, columns / 2)`, or -1.

    Parameters
    ----------
    source : Tensor of float, of shape `(1, 1, rows, columns)`
    plane : int
    """
    return F.max_pool2d(source.masked_fill(source == plane, -1), 2)[0, 0].to(torch.int32)


def passed_on(scores: Tensor, others: Sequence[Tensor | None]) -> Tensor:
    """Scores `(N, rows / 2, columns / 2)` where those of a plane are also those of the plane that is shown `elsewhere`.

    A plane that is shown in its own place and in others has the highest score of all of them.
    """
    if all(other is None for other in others):
        return scores
    to = torch.arange(len(scores), device=scores.device)[:, None, None].repeat(1, *scores.shape[1:])
    for k, other in enumerate(others):
        if other is not None:
            to[k] = torch.where(other < 0, k, other)
    return scores.scatter_reduce(0, to, scores, "amax")

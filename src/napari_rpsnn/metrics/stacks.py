"""What becomes of stacks whose truth is known: which thin things are lost, and how far the planes are off."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

#: Of the range of values. A thing of nearly the colour of what is behind it cannot be told from it.
CONTRAST = 0.08


def thin_things_lost(
    fused: ArrayLike, truth: ArrayLike, behind: ArrayLike, thin: ArrayLike, *, data_range: float = 255.0
) -> float:
    """Return the share of the pixels of thin things where the fused image shows what is behind them.

    Range: from 0, all are there, to 1. Smaller is better.

    What fools it: an image that is sharpened or noisy keeps its things; it says nothing of the rest of the image, of
    which `psnr` does.

    Parameters
    ----------
    fused, truth : array_like of shape `(rows, columns)` or `(rows, columns, colours)`
        Of any range of values.
    behind : array_like of the same shape
        The truth without the things.
    thin : array_like of bool of shape `(rows, columns)`
        Where they are. Of these pixels those count whose contrast to what is behind is at least 8 % of `data_range`.
    data_range : float, optional
        From black to white.

    Returns
    -------
    float
        NaN if no such pixel is there.

    Raises
    ------
    ValueError
        If shapes differ.

    Examples
    --------
    >>> import numpy as np
    >>> behind = np.zeros((4, 4))
    >>> thin = np.eye(4, dtype=bool)
    >>> truth = np.where(thin, 200, behind)
    >>> half = np.where(np.arange(4) < 2, truth, behind)
    >>> thin_things_lost(half, truth, behind, thin)
    0.5
    """
    image, wanted, ground = (np.asarray(x, np.float64) for x in (fused, truth, behind))
    where = np.asarray(thin, bool)
    for name, array in (("truth", wanted), ("behind", ground)):
        if array.shape != image.shape:
            raise ValueError(f"{name} and fused: expected the same shape, got {array.shape} and {image.shape}")
    if where.shape != image.shape[:2]:
        raise ValueError(f"thin: expected a mask of shape {image.shape[:2]}, got {where.shape}")
    contrast, to_thing, to_ground = (
        np.abs(one - other).reshape(*where.shape, -1).mean(-1)
        for one, other in ((wanted, ground), (image, wanted), (image, ground))
    )
    counted = where & (contrast > CONTRAST * data_range)
    return float((to_ground < to_thing)[counted].mean()) if counted.any() else float("nan")


def index_error(index: ArrayLike, depth: ArrayLike, *, where: ArrayLike | None = None) -> float:
    """Return by how many planes an index, or a height in planes, is off in the mean.

    Range: from 0 up. Smaller is better.

    What fools it: where there is no detail any plane is as good, and the figure says nothing: leave such pixels out by
    `where`. A thin specimen looks the same in neighbouring planes.

    Parameters
    ----------
    index : array_like of shape `(rows, columns)`
        Number of the plane that each pixel comes from, from 0, or its height in planes.
    depth : array_like of shape `(rows, columns)`
        Where each pixel is in focus, in planes; pixels that are NaN are left out.
    where : array_like of bool of shape `(rows, columns)`, optional
        Pixels that count.

    Returns
    -------
    float
        NaN if no pixel counts.

    Raises
    ------
    ValueError
        If shapes differ.

    Examples
    --------
    >>> index_error([[0, 1, 2]], [[0, 1.5, float("nan")]])
    0.25
    """
    got, true = np.asarray(index, np.float64), np.asarray(depth, np.float64)
    counted = ~np.isnan(true) if where is None else ~np.isnan(true) & np.asarray(where, bool)
    if got.shape != true.shape or counted.shape != true.shape:
        raise ValueError(
            f"index, depth and where: expected the same shape, got {got.shape}, {true.shape} and {counted.shape}"
        )
    return float(np.abs(got - true)[counted].mean()) if counted.any() else float("nan")

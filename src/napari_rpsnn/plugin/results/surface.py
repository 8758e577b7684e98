"""The surface of a specimen as a mesh: heights as they lie in the stack, coloured by the all-in-focus image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Points along the longer side at most: a quarter of a million points turn smoothly on any graphics card.
MOST = 512

Mesh = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]


def surface_mesh(planes: NDArray[Any], image: NDArray[Any], axis: int, most: int = MOST) -> Mesh:
    """Return vertices, faces and values of a surface.

    Parameters
    ----------
    planes : ndarray of shape `(rows, columns)`
        Where the surface lies, in planes of the stack; where it is NaN the surface has a hole.
    image : ndarray of shape `(rows, columns)` or `(rows, columns, colours)`
        Its values; colours are averaged, which is what a surface can show.
    axis : int
        Of the planes among the three axes of the stack.
    most : int, optional
        Points along the longer side; of more, every second, third and so on is taken.
    """
    step = max(1, -(-max(planes.shape) // most))
    height = planes[::step, ::step].astype(np.float32)
    known = np.isfinite(height)
    height[~known] = height[known].min() if known.any() else 0  # no extent reaches to NaN; no face has these points
    values = np.nan_to_num(image[::step, ::step].astype(np.float32))
    rows, columns = (step * grid for grid in np.indices(height.shape, np.float32))
    places = [rows, columns]
    places.insert(axis, height)
    number = np.arange(height.size).reshape(height.shape)
    corners = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
    a, b, c, d = (corner.ravel() for corner in corners)
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([d, c, b], -1)])
    faces = faces[known.ravel()[faces].all(-1)]
    return np.stack(places, -1).reshape(-1, 3), faces, (values.mean(-1) if values.ndim == 3 else values).ravel()

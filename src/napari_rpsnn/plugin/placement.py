"""Where a napari layer lies in the world and how it looks, as values that its result takes over. Duck-typed."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Where a layer lies in the world: must be the same for both of a pair.
PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
#: How it looks. Colormap, contrast and gamma mean nothing for RGB layers.
LOOK = ("blending", "interpolation2d")
GREY_LOOK = ("colormap", "contrast_limits", "gamma")


def place_of(layer: Any) -> dict[str, Any]:
    """Where a layer lies."""
    return {name: value_of(layer, name) for name in PLACE}


def look_of(layer: Any) -> dict[str, Any]:
    """How a layer looks."""
    return {name: value_of(layer, name) for name in (LOOK if layer.rgb else LOOK + GREY_LOOK)}


def value_of(layer: Any, name: str) -> Any:
    """An attribute that shares nothing with the layer: moving the result must not move its source."""
    if name == "affine":
        return np.array(layer.affine.affine_matrix)
    return copy.copy(getattr(layer, name))


def without_axes(place: dict[str, Any], axes: Collection[int]) -> dict[str, Any]:
    """`place` of the same layer without some of its axes.

    Where one of them is turned or sheared into the axes that stay, the rest is no placement: then scale, translation,
    units and labels are kept alone.
    """
    ndim = len(place["scale"])
    keep = [axis for axis in range(ndim) if axis not in axes]
    fewer: dict[str, Any] = {name: np.asarray(place[name])[keep] for name in ("scale", "translate")}
    fewer |= {name: tuple(place[name][axis] for axis in keep) for name in ("units", "axis_labels")}
    if is_mixed(place, axes):
        return fewer
    affine = np.asarray(place["affine"])
    with_end = [*keep, ndim]
    return fewer | {
        "rotate": np.asarray(place["rotate"])[np.ix_(keep, keep)],
        "shear": _shear_matrix(place["shear"], ndim)[np.ix_(keep, keep)][np.triu_indices(len(keep), 1)],
        "affine": affine[np.ix_(with_end, with_end)],
    }


def is_mixed(place: dict[str, Any], axes: Collection[int]) -> bool:
    """Whether some axes are turned or sheared into the others."""
    ndim = len(place["scale"])
    keep = [axis for axis in range(ndim) if axis not in axes]
    matrices = (
        np.asarray(place["rotate"]),
        _shear_matrix(place["shear"], ndim),
        np.asarray(place["affine"])[:ndim, :ndim],
    )
    gone = sorted(axes)
    return any(m[np.ix_(keep, gone)].any() or m[np.ix_(gone, keep)].any() for m in matrices)


def _shear_matrix(shear: Any, ndim: int) -> NDArray[Any]:
    """Napari gives the values above the diagonal, or a matrix."""
    values = np.asarray(shear, dtype=float)
    if values.ndim == 2:
        return values
    matrix = np.eye(ndim)
    matrix[np.triu_indices(ndim, 1)] = values
    return matrix

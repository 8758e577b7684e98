"""Where a napari layer lies in the world and how it looks, as values that its result takes over. Duck-typed."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_rpsnn.plugin.axes import UNLABELLED

#: Where a layer lies in the world: must be the same for both of a pair.
PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
#: How it looks. Colormap, contrast and gamma mean nothing for RGB layers.
LOOK = ("blending", "interpolation2d")
GREY_LOOK = ("colormap", "contrast_limits", "gamma")
#: Scales are the same within this share, places within this part of a pixel: programs round what they write.
SAME, SAME_PX = 1e-6, 1e-3


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


def same_place(layer0: Any, layer1: Any) -> tuple[dict[str, Any], str | None]:
    """Where two layers lie, and what the user is to know of it.

    Scales may differ by rounding, units by a factor that the scales make good. Where one layer has axis labels, or a
    scale and units, and the other has none, those that there are hold for both.

    Raises
    ------
    ValueError
        If they do not lie in one place. The message has both values.
    """
    return agree(place_of(layer0), place_of(layer1), (layer0.name, layer1.name))


def agree(place0: dict[str, Any], place1: dict[str, Any], names: tuple[str, str]) -> tuple[dict[str, Any], str | None]:
    """`same_place` of two places, of layers of these names; what `without_axes` leaves out counts for nothing."""
    given0, given1 = place0, place1
    note = None
    bare = next((k for k, pair in enumerate(((place0, place1), (place1, place0))) if _is_bare(*pair)), None)
    if bare is not None:
        known = given1 if bare == 0 else given0
        place0, place1 = (known | {"axis_labels": place["axis_labels"]} for place in (place0, place1))
        note = f"'{names[bare]}' has no scale and units: it is taken to lie where '{names[1 - bare]}' lies."
    elif (converted := _in_units(place1, place0["units"])) is not None:
        place1 = converted
    elif _is_pixels(place0) != _is_pixels(place1):
        unknown = 0 if _is_pixels(place0) else 1
        units = (given1 if unknown == 0 else given0)["units"]
        place0, place1 = (place | {"units": units} for place in (place0, place1))
        note = f"'{names[unknown]}' has no units: it is taken to have those of '{names[1 - unknown]}'."
    labels = tuple(zip(place0["axis_labels"], place1["axis_labels"], strict=False))
    if all(one == other or UNLABELLED.fullmatch(one) or UNLABELLED.fullmatch(other) for one, other in labels):
        place0["axis_labels"] = place1["axis_labels"] = tuple(
            other if UNLABELLED.fullmatch(one) else one for one, other in labels
        )
    for name in (name for name in PLACE if name in place0 and name in place1):
        if not _is_same(name, place0[name], place1[name], np.abs(place0["scale"])):
            raise ValueError(
                f"Expected layers of the same {name}, got {_text(given0[name])} ('{names[0]}') and "
                f"{_text(given1[name])} ('{names[1]}')."
            )
    return place0, note


def world_units(dims: Any) -> Any:
    """Units that a viewer counts its world in, by `viewer.dims`; None: in numbers, whatever units its layers have.

    Before napari 0.9 it always does, and since then where units do not go together.
    """
    return getattr(dims, "units", None)


def pixel_at(layer: Any, point: ArrayLike, units: Any) -> NDArray[Any]:
    """Where a point of the world, in its `world_units`, lies in a layer."""
    own = np.asarray(point, float)[-layer.ndim :]
    return np.asarray(layer.world_to_data(own * _own_units(layer, len(own), units)))


def point_of(layer: Any, pixel: ArrayLike, units: Any) -> NDArray[Any]:
    """Where a place in a layer lies in the world, in its `world_units`."""
    own = np.asarray(layer.data_to_world(pixel))
    point: NDArray[Any] = own / _own_units(layer, len(own), units)
    return point


def _own_units(layer: Any, ndim: int, units: Any) -> NDArray[Any]:
    """What the world's units are in a layer's own, on the last axes."""
    if units is None or len(units) < layer.ndim:
        return np.ones(ndim)
    pairs = zip(units[-ndim:], layer.units[-ndim:], strict=True)
    return np.array([float((1 * world).to(own).magnitude) for world, own in pairs])


def unit_text(unit: Any) -> str:
    """A unit, short: µm for micrometre."""
    return unit if isinstance(unit, str) else f"{unit:~}"


def moved(place: dict[str, Any], starts: Mapping[int, float], factors: Mapping[int, float]) -> dict[str, Any]:
    """`place` of a part of the same layer, which begins so many pixels later on some axes.

    On some its pixels are larger, by a factor; the middle of the first one lies where the start says.
    """
    scale = np.asarray(place["scale"], float)
    ndim = len(scale)
    offset = np.array([starts.get(axis, 0.0) for axis in range(ndim)])
    linear = np.asarray(place["rotate"]) @ _shear_matrix(place["shear"], ndim)
    return place | {
        "scale": scale * [factors.get(axis, 1.0) for axis in range(ndim)],
        "translate": np.asarray(place["translate"], float) + linear @ (scale * offset),
    }


def origin_of(place: dict[str, Any], axis: int) -> float:
    """Where the first pixel lies along an axis of the world."""
    affine = np.asarray(place["affine"])
    return float(affine[axis, :-1] @ np.asarray(place["translate"]) + affine[axis, -1])


def step_along(place: dict[str, Any], axis: int) -> float:
    """How far two pixels lie apart along an axis; negative where the next one lies lower."""
    return float(straight(place)[0][axis])


def without_axes(place: dict[str, Any], axes: Collection[int]) -> dict[str, Any]:
    """`place` of the same layer without some of its axes.

    Where one of them is turned or sheared into the axes that stay, the rest is no placement: then scale, translation,
    units and labels are kept alone.
    """
    ndim = len(place["scale"])
    keep = [axis for axis in range(ndim) if axis not in axes]
    fewer: dict[str, Any] = {name: np.asarray(place[name])[keep] for name in ("scale", "translate")}
    fewer |= {name: tuple(place[name][axis] for axis in keep) for name in ("units", "axis_labels")}
    fewer["axis_labels"] = tuple(_renumbered(label, k - len(keep)) for k, label in enumerate(fewer["axis_labels"]))
    if is_mixed(place, axes):
        return fewer
    affine = np.asarray(place["affine"])
    with_end = [*keep, ndim]
    return fewer | {
        "rotate": np.asarray(place["rotate"])[np.ix_(keep, keep)],
        "shear": _shear_matrix(place["shear"], ndim)[np.ix_(keep, keep)][np.triu_indices(len(keep), 1)],
        "affine": affine[np.ix_(with_end, with_end)],
    }


def _renumbered(label: str, number: int) -> str:
    """What napari calls an axis that nobody has labelled, "-2", by its place among those that stay."""
    return re.sub(r"-\d+$", str(number), label) if UNLABELLED.fullmatch(label) else label


def straight(place: Mapping[str, Any]) -> tuple[NDArray[Any], NDArray[Any], bool]:
    """Scale and translation of `place` with those of its affine map; whether nothing is turned or sheared beside."""
    ndim = len(place["scale"])
    affine = np.asarray(place.get("affine", np.eye(ndim + 1)), float)
    linear = np.asarray(place.get("rotate", np.eye(ndim)), float)
    linear = affine[:-1, :-1] @ linear @ _shear_matrix(place.get("shear", np.eye(ndim)), ndim)
    linear = linear * np.asarray(place["scale"], float)
    translate = affine[:-1, :-1] @ np.asarray(place["translate"], float) + affine[:-1, -1]
    sizes = np.sqrt((linear**2).sum(0))
    signs = np.where(np.diag(linear) < -SAME * sizes, -1, 1)  # of an axis that is turned into another one, rounding
    return (
        sizes * signs,
        translate,
        bool(np.allclose(linear, np.diag(np.diag(linear)), rtol=0, atol=SAME * sizes.max())),
    )


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


def _is_pixels(place: dict[str, Any]) -> bool:
    return all(unit_text(unit) in ("px", "pixel") for unit in place["units"])


def _is_bare(place: dict[str, Any], beside: dict[str, Any]) -> bool:
    """Whether nobody has said where a layer lies, and somebody has said how large the pixels of the other one are."""
    still = np.eye(len(place["scale"]) + 1)
    moved = np.any(place["translate"]) or np.any(place.get("affine", still) != still)
    pixels, others = (_is_pixels(p) and bool(np.all(np.asarray(p["scale"]) == 1)) for p in (place, beside))
    return pixels and not moved and not others


def _in_units(place: dict[str, Any], units: Any) -> dict[str, Any] | None:
    """`place` with its scale, translation and affine map in other units; None if they are not of one kind."""
    try:
        factors = [float((1 * old).to(new).magnitude) for old, new in zip(place["units"], units, strict=True)]
    except (AttributeError, TypeError, ValueError):  # text, or units that pint cannot convert
        return place if tuple(place["units"]) == tuple(units) else None
    converted = {name: np.asarray(place[name]) * factors for name in ("scale", "translate")}
    if "affine" in place:
        of_each = np.array([*factors, 1.0])
        converted["affine"] = of_each[:, None] * np.asarray(place["affine"]) / of_each
    return place | {"units": units} | converted


def _is_same(name: str, value0: Any, value1: Any, pixel: NDArray[Any]) -> bool:
    if not isinstance(value0, np.ndarray):
        return bool(value0 == value1)
    if np.shape(value0) != np.shape(value1):
        return False
    allowed = {"scale": SAME * pixel, "translate": SAME_PX * pixel}.get(name, SAME)
    if name == "affine":
        allowed = np.full(value0.shape, SAME)
        allowed[:-1, -1] = SAME_PX * pixel
    return bool(np.all(np.abs(value0 - value1) <= allowed))


def _text(value: Any) -> str:
    return str(value.tolist()) if isinstance(value, np.ndarray) else str(value)

"""What a file may say of itself: sizes that are sizes, and no memory for data that cannot be there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Sizes beyond are no sizes of pixels in any unit, and some have no reciprocal, which a TIFF stores.
LEAST_SIZE, GREATEST_SIZE = 1e-30, 1e30

#: What is decoded may be as many times as large as what is stored: more than any codec in use makes of a plain plane.
GREATEST_RATIO = 40_000
#: So many bytes are no harm, whatever is stored.
HARMLESS = 2**26


def sizes(said: Mapping[str, Any], names: Mapping[str, str]) -> tuple[dict[str, float], tuple[str, ...]]:
    """Sizes by axis, and a sentence for each that is none. Along Z a negative one is of planes that lie ever lower.

    Parameters
    ----------
    said : mapping
        By axis, as the file has them.
    names : mapping
        What the file calls the size of each axis.
    """
    right, notes = dict[str, float](), list[str]()
    for axis, value in said.items():
        try:
            size = float(value)
        except (TypeError, ValueError):
            size = 0.0
        if LEAST_SIZE < (abs(size) if axis == "Z" else size) < GREATEST_SIZE:
            right[axis] = size
        else:
            notes.append(f"{names.get(axis, axis)}: expected a positive size, got {value}; it is left out")
    return right, tuple(notes)


def refuse_bomb(decoded: int, stored: int, what: str) -> None:
    """Raise ValueError before memory is taken for what so few bytes cannot hold, or so many do not make."""
    if decoded > max(HARMLESS, GREATEST_RATIO * stored):
        raise ValueError(f"{what}: expected at least {decoded // GREATEST_RATIO} bytes for {decoded}, got {stored}")
    if stored > 2 * decoded + HARMLESS // 64:
        raise ValueError(f"{what}: expected at most {2 * decoded + HARMLESS // 64} bytes for {decoded}, got {stored}")

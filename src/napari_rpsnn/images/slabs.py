"""Overlapping sub-stacks: which planes are in which, and where along the planes their images lie. Integers only.

A slab begins half as many planes after the one before as it has. They are equally far apart, so that their images are
a stack themselves; where they do not come out even, the last one lacks planes beyond the end of the stack.
"""

from __future__ import annotations


def step_of(slab: int) -> int:
    """How many planes a slab of so many planes begins after the one before it."""
    return slab // 2


def split_planes(planes: int, slab: int) -> list[range]:
    """The planes of each slab, of which the last one has between half of them and all.

    Raises
    ------
    ValueError
        If there are fewer planes than a slab has.
    """
    if slab > planes:
        raise ValueError(f"slab: expected a number of planes from 2 to {planes}, got {slab}")
    step = step_of(slab)
    count = -(-(planes - slab) // step) + 1
    return [range(step * k, min(step * k + slab, planes)) for k in range(count)]


def middle_of(slab: int) -> float:
    """Where the image of the first slab lies, in planes: in the middle of it."""
    return (slab - 1) / 2

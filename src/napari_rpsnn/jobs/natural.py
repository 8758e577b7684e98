"""Numbers in names, and the order that follows: plane2 before plane10, z_0.25um before z_0.5um, z-1 before z0."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, TypeVar

Item = TypeVar("Item")

#: Words before a number that counts planes.
PLANE_WORDS = {"z", "zpos", "plane", "slice", "focus", "depth"}

#: A number with a point in it; with two points it is a version, a date or a time.
POINT = r"(?<!\d)(?<!\d\.)\d+\.\d+(?!\.?\d)"
#: One of planes, or of a length.
LENGTH = re.compile(
    rf"(?<![a-z])(?:{'|'.join(sorted(PLANE_WORDS))})[ _-]?[-+]?{POINT}|{POINT} ?[nuµμm]m(?![a-z])", re.IGNORECASE
)


def in_order(items: Iterable[Item], name: Callable[[Item], str] = str) -> list[Item]:
    """Paths, or what else has names, in natural order."""
    items = list(items)
    # What a name ends with comes last: IMG.jpg before IMG (1).jpg, as a copy is called that comes later.
    stems, ends = zip(*(_end_apart(name(item)) for item in items), strict=True) if items else ((), ())
    keys = [(_key(parts), end) for parts, end in zip(taken_apart(stems), ends, strict=True)]
    return [items[place] for place in sorted(range(len(items)), key=keys.__getitem__)]


def taken_apart(names: Sequence[str]) -> list[list[str]]:
    """Each name as text, number, text and so on; whether points and signs are parts of numbers, all names tell."""
    number = rf"(?:{POINT}|\d+)" if _have_points(names) else r"\d+"
    # A dash is a minus where another name has a plus, or nothing, in its place.
    minus, others = (
        {name[: found.start()] for name in names for found in re.finditer(rf"(?<!\d){sign}\d", name)}
        for sign in ("-", r"\+?")
    )
    sign = r"(?:(?<!\d)[-+])?" if minus & others else ""
    return [re.split(f"({sign}{number})", name) for name in names]


def _end_apart(name: str) -> tuple[str, str]:
    """A name without its suffixes, and these; what has a digit in it is none."""
    found = re.search(r"(?:\.[A-Za-z]+)*$", name)
    start = found.start() if found else len(name)
    return name[:start], name[start:]


def _have_points(names: Sequence[str]) -> bool:
    """Whether numbers have points: if planes or lengths are counted so, or if that makes even steps."""
    apart = [re.split(f"({POINT})", name) for name in names]
    if len({tuple(_key(parts)) for parts in apart}) < len(set(names)):  # 1.1 and 1.10 are two
        return False
    if len({found[0] for name in names for found in LENGTH.finditer(name)}) > 1:
        return True
    columns = [sorted(set(map(Decimal, column))) for column in zip(*(parts[1::2] for parts in apart), strict=False)]
    steps = [[later - number for number, later in pairwise(column)] for column in columns]
    return all(len(column) != 1 and len(set(column)) < 2 for column in steps)  # any two numbers are even


def _key(parts: Sequence[str]) -> list[Any]:
    return [Decimal(part) if place % 2 else part.lower() for place, part in enumerate(parts)]

"""Whether the files of a folder are one stack: names that count in two ways, channel and plane, are several."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from math import prod
from pathlib import Path

from napari_rpsnn.jobs.natural import PLANE_WORDS, taken_apart

#: Words before a number that counts something else than planes.
OTHER_WORDS = {
    *("c", "ch", "chan", "channel", "w", "wave", "wavelength", "lambda", "t", "time", "tp", "timepoint"),
    *("p", "pos", "position", "xy", "s", "site", "series", "field", "well", "m", "mosaic", "v", "view"),
}


def split(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """The stacks that files are, by a name for each; one of them has an empty name.

    Raises
    ------
    ValueError
        If the names count in two ways, and it cannot be told which counts planes.
    """
    parts = taken_apart([path.stem for path in paths])
    kinds: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for k, part in enumerate(parts):
        kinds[(*part[::2], paths[k].suffix)].append(k)
    if len(kinds) > 1 and not _alike(kinds, parts):
        return {"": list(paths)}
    words = ["".join(texts[:-1]).strip("_-. ") if len(kinds) > 1 else "" for texts in kinds]
    stacks: dict[str, list[Path]] = {}
    for word, (texts, members) in zip(words, kinds.items(), strict=True):
        suffix = texts[-1][1:] if words.count(word) > 1 else ""
        for number, group in _split_by_number([parts[k] for k in members], [paths[k] for k in members]).items():
            name = "_".join(filter(None, (word, suffix, number)))
            while name in stacks:  # of a_1 and a-1, too, each has a result
                name += "_"
            stacks[name] = group
    return stacks


def _alike(kinds: dict[tuple[str, ...], list[int]], parts: Sequence[list[str]]) -> bool:
    """Whether names with other words have the same numbers, as DAPI_z0, DAPI_z1, GFP_z0, GFP_z1."""
    numbers = [{tuple(parts[k][1::2]) for k in members} for members in kinds.values()]
    return len(numbers[0]) > 1 and all(one == numbers[0] for one in numbers)


def _split_by_number(parts: Sequence[list[str]], paths: Sequence[Path]) -> dict[str, list[Path]]:
    counts = {k: len({Decimal(part[k]) for part in parts}) for k in range(1, len(parts[0]), 2)}
    columns = [k for k in counts if counts[k] > 1]
    words = {k: "".join(re.findall(r"[a-z]+(?=[^a-z]*$)", parts[0][k - 1].lower())) for k in columns}
    named = [k for k in columns if words[k] in PLANE_WORDS]
    other = [k for k in columns if words[k] in OTHER_WORDS]
    one_counter = any(count == len(paths) for count in counts.values())
    # The time of a photo is two numbers that are no grid, and no word stands before them.
    if len(columns) < 2 or (not named and not other and (one_counter or prod(counts.values()) != len(paths))):
        return {"": list(paths)}
    planes = named if len(named) == 1 else [k for k in columns if k not in other]
    if len(planes) != 1:
        readings = " or ".join(
            f"{prod(counts.values()) // counts[k]} stacks of {counts[k]} planes ({_example(parts[0], k, paths[0])})"
            for k in columns
        )
        raise ValueError(
            f"{paths[0].parent}: expected names that count planes, got names that count in two ways: {readings}"
        )
    groups: dict[str, list[Path]] = defaultdict(list)
    for part, path in zip(parts, paths, strict=True):
        key = "_".join(f"{words[k]}{part[k]}" for k in columns if k != planes[0])
        groups[key].append(path)
    # As many stacks as files: both numbers count planes.
    return groups if 1 < len(groups) < len(paths) else {"": list(paths)}


def pattern(group: Sequence[Path]) -> str:
    """A pattern that a group of files matches: what all names have in common, and * for the rest."""
    names = [path.name for path in group]
    start = next((k for k, letters in enumerate(zip(*names, strict=False)) if len(set(letters)) > 1), len(names[0]))
    backwards = [name[start:][::-1] for name in names]
    end = next((k for k, letters in enumerate(zip(*backwards, strict=False)) if len(set(letters)) > 1), 0)
    return f"{names[0][:start]}*{names[0][len(names[0]) - end :] if end else ''}"


def _example(part: list[str], column: int, path: Path) -> str:
    return "".join("*" if k == column else text for k, text in enumerate(part)) + path.suffix

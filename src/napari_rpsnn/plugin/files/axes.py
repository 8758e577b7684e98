"""Axes of files, one letter each, and axes of layers, which have labels."""

from __future__ import annotations

from collections.abc import Sequence

from napari_rpsnn.plugin.axes import CHANNEL_LABELS, PLANE_LABELS, UNLABELLED

LETTERS = {"t": "T", "time": "T", "y": "Y", "x": "X"}
LETTERS |= dict.fromkeys(PLANE_LABELS, "Z") | dict.fromkeys(CHANNEL_LABELS, "C")
#: What axes are that nobody labelled, the last ones first: those that are left of these.
USUAL = "XYZTC"


def label_of(letter: str, place: int) -> str:
    """Label of an axis of a file; without a known name what napari calls it, by its place from behind."""
    return str(place) if letter == "Q" else letter.lower()


def letters_of(labels: Sequence[str]) -> str:
    """Letters of the axes of a layer."""
    named = [LETTERS.get(label.lower(), "" if UNLABELLED.fullmatch(label) else "Q") for label in labels]
    left = [letter for letter in USUAL if letter not in named]
    for place in reversed(range(len(named))):
        if not named[place]:
            named[place] = left.pop(0) if left else "Q"
    return "".join(named)

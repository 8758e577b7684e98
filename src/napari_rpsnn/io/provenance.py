"""What made a result: program, versions, options, model, device, sources, seconds. One shape for files and layers."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

#: Libraries that a result depends on.
LIBRARIES = ("numpy", "scipy", "torch")


def made_by(options: Mapping[str, Any], chosen: Mapping[str, Any], notes: Sequence[str]) -> dict[str, Any]:
    """Return what makes a result, all of which JSON can hold.

    Parameters
    ----------
    options : mapping
        As they were given.
    chosen : mapping
        Model, its SHA-256, device, precision and tile, as they were chosen.
    notes : sequence of str
        Sentences about how the work went on. Those that are still to come will be there, too.
    """
    return {
        "program": "napari-rpsnn",
        "version": version("napari-rpsnn"),
        "versions": dict(_versions()),
        "options": dict(options),
        **chosen,
        "notes": notes,
    }


@lru_cache(maxsize=1)  # their metadata are read from files, which takes longer than to fuse a small image
def _versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def record(made: Mapping[str, Any], sources: Sequence[str], seconds: float) -> dict[str, Any]:
    """Return `made_by` of a result with what it was made of and how long that took."""
    return {**made, "notes": list(made["notes"]), "sources": list(sources), "seconds": round(seconds, 3)}


def shortened(text: str, most: int) -> str:
    """A record, as JSON, in at most so many bytes: with fewer of its sources, and how many more there were."""
    said = json.loads(text)
    names = said.get("sources", [])
    kept = len(names)
    while len(text.encode()) > most and kept:
        kept //= 2
        said["sources"] = [*names[:kept], f"and {len(names) - kept} more"]
        text = json.dumps(said)
    return text


def is_record(text: str) -> bool:
    """Whether a text that was found in a file has such a record in it."""
    return '"program": "napari-rpsnn"' in text.replace("&quot;", '"')


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""What made a result: program, version, options, model, device, sources, seconds. One shape for files and layers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any


def record(
    sources: Sequence[str], options: Mapping[str, Any], model: str, device: str, seconds: float
) -> dict[str, Any]:
    """Return the record of a run, anything of which JSON can hold."""
    return {
        "program": "napari-rpsnn",
        "version": version("napari-rpsnn"),
        "options": dict(options),
        "model": model,
        "device": device,
        "sources": list(sources),
        "seconds": round(seconds, 3),
    }


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Versions of the libraries that a result depends on."""
    return {name: str(import_module(name).__version__) for name in ("numpy", "scipy", "torch")}

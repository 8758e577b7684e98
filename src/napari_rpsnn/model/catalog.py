"""Which models there are: names and files, without torch."""

from __future__ import annotations

import os
from pathlib import Path

#: Channels of the bundled models, to train others like them.
WIDTHS = {"rpsnn": 64, "rpsnn-lite": 16}
#: A network needs three channels for the colours to start with.
MIN_WIDTH = 3

FOLDER = Path(__file__).parents[1] / "weights"


def bundled_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("rpsnn*.safetensors"))


def model_path(model: str | os.PathLike[str]) -> Path:
    """File of a bundled model's name or of a path."""
    if not isinstance(model, str | os.PathLike):
        raise TypeError(f"model: expected a name, the path of a weights file or an RPSNN, got {model!r}")
    if str(model) in bundled_models():
        return FOLDER / f"{model}.safetensors"
    path = Path(model)
    if not path.is_file():
        raise FileNotFoundError(
            f"model: expected one of {', '.join(bundled_models())} or the path of a weights file, got {str(model)!r}"
        )
    return path

"""Where images have data, as files say it, and results that lack some, as files can hold them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.engine.results import Result
from napari_rpsnn.images.validity import is_masked, unmasked
from napari_rpsnn.io import read_image
from napari_rpsnn.jobs.finding import Say

#: What is said of integers without alpha, which have no value for it.
ZERO = "Where the mask leaves no image any data, the result is 0."


def read_mask(path: Path | None, outputs: Sequence[Path]) -> NDArray[Any] | None:
    """The mask in a file, nonzero where there is data; None: of no file.

    Raises
    ------
    ValueError
        If it has colours or channels, or is one of the outputs.
    """
    if path is None:
        return None
    if path.resolve() in {output.resolve() for output in outputs}:
        raise ValueError(f"--mask: expected outputs that are no inputs, got {path} as both")
    image = read_image(path)
    if set(image.axes) & set("SC"):
        raise ValueError(f"--mask: expected a file without colours and channels, got {path} with the axes {image.axes}")
    return np.asarray(image.data[...])


def to_store(result: Result, say: Say) -> Any:
    """The image of a result as a file can hold it; what is lost by that is said."""
    if not is_masked(result.image):
        return result.image
    if ZERO not in result.made_by["notes"]:
        result.made_by["notes"].append(ZERO)
        say(ZERO)
    return unmasked(result.image)[0]

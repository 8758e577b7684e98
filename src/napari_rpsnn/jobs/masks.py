"""Where images have data, as files say it, and results that lack some, as files can hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.engine.results import Result
from napari_rpsnn.images.array_part import is_dask
from napari_rpsnn.images.validity import is_masked, unmasked
from napari_rpsnn.io import read_image
from napari_rpsnn.io.image_file import ImageFile
from napari_rpsnn.jobs.finding import Say

#: What is said of integers without alpha, which have no value for it.
ZERO = "Where the mask leaves no image any data, the result is 0."


def read_mask(path: Path | None, outputs: Sequence[Path], axes: str) -> NDArray[Any] | None:
    """The mask in a file, nonzero where there is data, for the `mask_axes` of a `Stack`; None: of no file.

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
    return _along(image, axes)


def _along(mask: ImageFile, axes: str) -> NDArray[Any]:
    """A mask with the axes that `mask=` has, those that its file lacks of length 1: ImageJ has Z before C."""
    # Pages that are none of the axes by name are planes, or the two images.
    unnamed, pages = set(mask.axes) - set(axes), "P" if "P" in axes else "Z"
    said = mask.axes.replace(unnamed.pop(), pages) if len(unnamed) == 1 else mask.axes
    if len(set(said)) < len(said) or set(said) - set(axes) or len(set(axes)) < len(axes):
        return np.asarray(mask.data[...])  # `mask=` refuses it, or finds what goes with it
    data, said = replace(mask, axes=said).ordered(axes)
    return np.expand_dims(data, tuple(place for place, axis in enumerate(axes) if axis not in said))


def to_store(result: Result, say: Say) -> Any:
    """The image of a result as a file can hold it; what is lost by that is said."""
    if not is_masked(result.image):
        return result.image
    # Of dask it is not known yet.
    lacks = is_dask(result.image) or np.ma.getmaskarray(result.image).any()
    if lacks and ZERO not in result.made_by["notes"]:
        result.made_by["notes"].append(ZERO)
        say(ZERO)
    return unmasked(result.image)[0]

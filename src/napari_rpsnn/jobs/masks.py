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


def read_mask(path: Path | None, outputs: Sequence[Path], axes: str) -> NDArray[Any] | None:
    """The mask in a file, nonzero where there is data, on `axes`, which are `Stack.mask_axes`; None: of no file.

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
    return _on_axes(np.asarray(image.data[...]), image.axes, axes)


def _on_axes(mask: NDArray[Any], own: str, axes: str) -> NDArray[Any]:
    """A mask of its `own` axes where `axes` lie: its planes are no channels, though these come last.

    Pages without a name are planes; of two images, planes that these do not have are the images. Where an axis is not
    among `axes`, the mask stays as it is.
    """
    pages = "Z" if "Z" in axes or "P" not in axes else "P"
    own = own.replace("Q", pages).replace("Z", pages)
    if set(own) - set(axes) or len(set(own)) < len(own) or len(set(axes)) < len(axes):
        return mask
    mask = np.transpose(mask, sorted(range(len(own)), key=lambda place: axes.index(own[place])))
    return np.expand_dims(mask, [place for place, axis in enumerate(axes) if axis not in own])


def to_store(result: Result, say: Say) -> Any:
    """The image of a result as a file can hold it; what is lost by that is said."""
    if not is_masked(result.image):
        return result.image
    if ZERO not in result.made_by["notes"]:
        result.made_by["notes"].append(ZERO)
        say(ZERO)
    return unmasked(result.image)[0]

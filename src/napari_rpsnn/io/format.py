"""What a kind of file is to the rest: a module that offers these names is one, once it is in the table in `formats`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.io.image_file import ImageFile


class Format(Protocol):
    """A kind of image file.

    Attributes
    ----------
    SUFFIXES, WRITTEN : tuple of str
        What the names of such files end with, those that are read and those that are written.
    LOSSY : tuple of str
        Those of `WRITTEN` whose values are not quite those that were to be written.
    RESULT_SUFFIXES : tuple of str, optional
        Of what is made of such files, image and maps, where the source's own suffix does not do.
    """

    SUFFIXES: tuple[str, ...]
    WRITTEN: tuple[str, ...]
    LOSSY: tuple[str, ...]
    RESULT_SUFFIXES: tuple[str, str] | None

    def is_image(self, path: Path) -> bool:
        """Whether a path, as seen from outside, is a file or folder of this kind."""

    def is_ours(self, path: Path) -> bool:
        """Whether a file is a result of ours; anything may be raised."""

    def read(self, path: Path, series: int | None = None) -> ImageFile:
        """Open an image, of several the one that is asked for; anything may be raised."""

    def refusal(self, suffix: str, image: ImageFile) -> str:
        """What such a file holds, if it cannot hold an image like this one; else an empty string."""

    def write(self, path: Path, suffix: str, image: ImageFile, provenance: str) -> NDArray[Any]:
        """Write an image, and as JSON what made it; return its data in the order in which they were written."""

    def may_replace(self, folder: Path) -> bool:
        """Whether a folder holds an image of this kind and nothing else."""


@runtime_checkable
class ChunkedFormat(Format, Protocol):
    """A kind of image file that is written chunk by chunk, by several processes.

    Attributes
    ----------
    ORDER : str
        In which the axes are written.
    """

    ORDER: str

    create: Callable[[Path, ImageFile], Any]
    write_part: Callable[[Path, tuple[slice, ...], NDArray[Any]], None]
    describe: Callable[[Path, ImageFile, str, float, float], None]


def value_ends(values: NDArray[Any]) -> tuple[float, float]:
    """The least and the greatest value; NaN, which says that there is no data, is none: 0 of nothing else."""
    ends = (np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None))
    low, high = (0.0 if np.isnan(end) else float(end) for end in ends)
    return low, high

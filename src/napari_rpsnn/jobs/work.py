"""One job done: its files opened, what is fused of them and how, the result written."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_rpsnn.engine.results import Result
from napari_rpsnn.io import write_image
from napari_rpsnn.io.formats import check_writable, described, format_of, suffix_of
from napari_rpsnn.io.image_file import ImageFile
from napari_rpsnn.jobs.finding import Job, Say
from napari_rpsnn.jobs.masks import to_store
from napari_rpsnn.jobs.places import as_asked, results_of
from napari_rpsnn.jobs.stack_files import Stack
from napari_rpsnn.options import FuseOptions, Options, StackOptions

#: Makes options of a kind from what was chosen; what it is given by name goes before.
MakeOptions = Callable[..., Any]


@dataclass(frozen=True)
class Work:
    """A job whose files are open.

    Attributes
    ----------
    job : Job
    stack : Stack
        What is fused; the axes are those of the results.
    options : FuseOptions or StackOptions
        By their kind, two images or a stack is fused.
    like : ImageFile
        What the results say of themselves.
    """

    job: Job
    stack: Stack
    options: FuseOptions | StackOptions
    like: ImageFile

    @classmethod
    def of(cls, job: Job, stack: Stack, make: MakeOptions, say: Say, mask: Any = None, **heights: float | None) -> Work:
        """What is to be done of opened files; refuses before the work what no file of these kinds could hold.

        `heights` are ``plane_spacing`` and ``plane_origin``; without them, or as None, what the file says.

        Raises
        ------
        ValueError, OSError
            If an option does not fit, or a kind of file cannot hold the results.
        """
        options = _options(job, stack, make, mask, heights)
        like = stack.image
        if isinstance(options, StackOptions):
            like = results_of(as_asked(stack.image, **heights), options, say)
            stack = stack if options.slab is None else stack.with_slabs()
        work = cls(job, stack, options, like)
        work._check_kinds()
        return work

    def fused_by(self, pair: Callable[..., Any], stack: Callable[..., Any]) -> Any:
        """What the function for pairs, or the one for stacks, makes of it; a stack is read when it is indexed."""
        data, other = self.stack.image.data, self.stack.other
        if isinstance(self.options, FuseOptions):
            assert other is not None
            return pair(data[...], other.data[...], self.options)
        return stack(data, self.options)

    def files(self, result: Result, say: Say) -> dict[Path, ImageFile]:
        """What is to be written in each file, the image last: when it is there, all are."""
        files: dict[Path, ImageFile] = {}
        plain = replace(self.like, looks=(), calibration={})  # which are of intensities
        if self.job.map:
            index = None if result.index is None else result.index.astype(self._map_dtype)
            files[self.job.map] = described(result.map if index is None else index, self.stack.map_axes, plain)
        if self.job.height:
            files[self.job.height] = described(self._height(result), self.stack.map_axes, plain)
        files[self.job.out] = described(to_store(result, say), self.stack.axes, self.like)
        return files

    def _height(self, result: Result) -> Any:
        """Heights count up from plane 0; where planes lie ever lower, down."""
        assert isinstance(self.options, StackOptions)
        up: Any = result.height
        falls = self.stack.image.scale.get("Z", 1.0) < 0
        return 2 * self.options.plane_origin - up if falls else up

    @property
    def _map_dtype(self) -> np.dtype[Any]:
        # One number more than planes stands for no plane.
        return np.dtype("float32") if self.stack.other else np.min_scalar_type(self.stack.planes)

    def check_folders(self) -> None:
        """Refuse before the work folders that are not there, or cannot be written to."""
        for path in self.job.outputs:
            if not path.parent.is_dir():
                raise FileNotFoundError(f"{path}: expected a folder that exists, found none at {path.parent}")
            if not os.access(path.resolve().parent, os.W_OK):
                raise PermissionError(f"{path}: expected a folder that can be written to, got {path.resolve().parent}")

    def _check_kinds(self) -> None:
        job = self.job
        for path, dtype, axes in (
            (job.out, self.like.data.dtype, self.stack.axes),
            (job.map, self._map_dtype, self.stack.map_axes),
            (job.height, np.dtype("float32"), self.stack.map_axes),
        ):
            if path:
                check_writable(path, self.like.lengths(axes), dtype, axes, self.like)
                kind = format_of(path)
                if path != job.out and kind and suffix_of(path) in kind.LOSSY:
                    raise ValueError(
                        f"{path}: expected a kind of file that keeps numbers as they are, as .png or .tif, of a map or "
                        f"heights, got {suffix_of(path)}"
                    )


def write_files(files: Mapping[Path, ImageFile], provenance: Mapping[str, Any]) -> None:
    """Write all files, each whole or not at all."""
    for path, image in files.items():
        write_image(path, image.data, image.axes, like=image, provenance=provenance)


def _options(
    job: Job, stack: Stack, make: MakeOptions, mask: Any, heights: Mapping[str, float | None]
) -> FuseOptions | StackOptions:
    """Those that were chosen, and what the files say."""
    more: dict[str, Any] = {"channel_axis": stack.channel_axis, "mask": mask}
    decided = make(Options).method != "regression"
    if stack.other is not None:
        return make(FuseOptions, **more, return_map=decided)  # type: ignore[no-any-return]
    image = stack.image
    for name, said in (("plane_spacing", abs(image.scale.get("Z", 1.0))), ("plane_origin", image.origin.get("Z", 0.0))):
        given = heights.get(name)
        more[name] = said if given is None else given
    if job.has_page and decided:
        more["return_confidence"] = True
    more |= {"axis": image.axes.index("Z"), "return_height": job.height is not None}
    return make(StackOptions, **more)  # type: ignore[no-any-return]

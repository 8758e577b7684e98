"""Jobs done: open, fuse, write one result, or all of a batch."""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from napari_rpsnn.cli.flags import given
from napari_rpsnn.cli.jobs import Job, refuse_to_replace
from napari_rpsnn.cli.masks import read_mask, to_store
from napari_rpsnn.cli.places import results_of
from napari_rpsnn.cli.stack_files import Stack, open_stack
from napari_rpsnn.cli.terminal import say, sentence, tell, watch
from napari_rpsnn.io import read_image, write_image
from napari_rpsnn.io.atomic import write_bytes
from napari_rpsnn.io.formats import check_writable, chunked_format, is_ours
from napari_rpsnn.io.image_file import ImageFile
from napari_rpsnn.io.provenance import record
from napari_rpsnn.options import FuseOptions, StackOptions

#: Options of stacks that two images have no use for.
OF_STACKS = ("planes", "region", "slab", "plane_spacing", "plane_origin")


def run_batch(jobs: Sequence[Job], args: argparse.Namespace) -> bool:
    """Run all jobs but those that are done; return whether none failed."""
    failures: dict[Path, str] = {}
    done = 0
    for job in jobs:
        try:
            if not args.overwrite and _is_done(job):
                done += 1
                continue
            refuse_to_replace(job.outputs, overwrite=True)
            for path in job.outputs:
                path.parent.mkdir(parents=True, exist_ok=True)
            run(job, args)
        except Exception as error:  # one bad file never ends a batch
            failures[job.out] = sentence(error)
    say(f"{len(jobs) - done - len(failures)} fused, {done} were there, {len(failures)} failed")
    for path, failure in failures.items():
        say(f"{path.name}: {failure}")
    return not failures


def _is_done(job: Job) -> bool:
    """Whether all outputs are there and whole. What is there and not whole, or not ours, is never replaced unasked."""
    there = [path for path in job.outputs if os.path.lexists(path)]
    for path in there:
        try:
            if path.suffix == ".json":
                ours = json.loads(path.read_bytes()).get("program") == "napari-rpsnn"
            else:
                for _ in read_image(path).planes():
                    pass
                ours = is_ours(path)
        except Exception as error:
            raise FileExistsError(
                f"{path}: expected a whole result or nothing there, got what cannot be read; --overwrite replaces it: "
                f"{sentence(error)}"
            ) from error
        if not ours and len(there) < len(job.outputs):
            raise FileExistsError(
                f"{path}: expected a result of ours or nothing there, got another; --overwrite replaces it"
            )
    return len(there) == len(job.outputs)


def run(job: Job, args: argparse.Namespace) -> None:
    """Read, fuse and write one image."""
    if job.problem:
        raise ValueError(job.problem)
    stack, lazy = _open(job, args)
    if job.has_page and (lazy or args.slab is not None):
        raise ValueError(
            f"--report: expected {job.report and job.report.with_suffix('.json').name}: a page is of whole planes in "
            "memory, not of --scheduler, --slab or a result larger than memory"
        )
    pair = stack.other is not None
    if pair and (args.height or any(getattr(args, name) is not None for name in OF_STACKS)):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in OF_STACKS)
        raise ValueError(f"--height, {flags}: expected a stack, got two images")
    # One number more stands for no plane.
    map_dtype = np.dtype("float32") if pair else np.min_scalar_type(stack.planes)
    options = _options(job, stack, args)
    like = stack.image
    if isinstance(options, StackOptions):
        like, stack = results_of(stack.image, options), stack if options.slab is None else stack.with_slabs()
    _check_outputs(job, stack, like, map_dtype)
    start = time.perf_counter()
    result = _fuse(job, stack, options, lazy)
    files: dict[Path, tuple[Any, str]] = {}
    if job.map:
        files[job.map] = result.map if pair else result.index.astype(map_dtype), stack.map_axes
    if job.height:
        files[job.height] = result.height, stack.map_axes
    files[job.out] = to_store(result), stack.axes
    store = _cluster().stored if lazy else _stored
    with store(files, like, _tally(result, stack.planes), args.client, job.out.name) as (tally, finish):
        said = record(result.made_by, [path.name for path in job.sources], time.perf_counter() - start)
        report = {**said, "axes": stack.axes, "shares": _shares(tally)}
        if job.report:
            text = (json.dumps(report, indent=2) + "\n").encode()
            write_bytes(job.report, _page(job, stack, options, result, report) if job.has_page else text)
        finish(said)
    tell(json.dumps({"output": str(job.out), **report}) if args.json else f"Wrote {job.out}.")


def _page(job: Job, stack: Stack, options: FuseOptions | StackOptions, result: Any, report: dict[str, Any]) -> bytes:
    """The quality report, as a page."""
    from napari_rpsnn.reports.quality_page import quality_page
    from napari_rpsnn.reports.sections import pair_sections, stack_sections

    if isinstance(options, StackOptions):
        sections = stack_sections(stack.image.data, options, result, stack.image.units.get("Z", ""))
    else:
        assert stack.other is not None
        sections = pair_sections(stack.image.data[...], stack.other.data[...], options, result)
    return quality_page(f"How good is {job.out.name}?", list(sections), report)


def connected(scheduler: str | None) -> AbstractContextManager[Any]:
    """The client of a dask scheduler; None: of none."""
    if scheduler is None:
        return nullcontext()
    return _cluster().connected(scheduler)  # type: ignore[no-any-return]


def _cluster() -> Any:
    try:
        from napari_rpsnn.cli import dask_files
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error}. --scheduler needs more packages: pip install 'napari-rpsnn[dask]'"
        ) from error
    return dask_files


def _open(job: Job, args: argparse.Namespace) -> tuple[Stack, bool]:
    """What is to be fused, and whether it is to be through dask: on a cluster, or because it is larger than memory."""
    lazily = args.client is not None
    opened = _cluster().open_lazily if lazily else read_image
    stack = open_stack(job.sources, args.axes, args.guide_channel, opened, args.series)
    if lazily or not chunked_format(job.out) or args.register or not find_spec("distributed"):
        return stack, lazily
    size = math.prod(stack.image.lengths(stack.axes)) * stack.image.data.dtype.itemsize
    # Two images or planes and the result, and about as much again while they are fused.
    if 4 * size < psutil.virtual_memory().available:
        return stack, False
    return open_stack(job.sources, args.axes, args.guide_channel, _cluster().open_lazily, args.series), True


@contextmanager
def _stored(
    files: dict[Path, tuple[Any, str]], like: ImageFile, tally: Any, client: None, name: str
) -> Iterator[tuple[Any, Callable[[dict[str, Any]], None]]]:
    """As `dask_files.stored`, of NumPy arrays."""

    def finish(said: dict[str, Any]) -> None:
        for path, (data, axes) in files.items():
            write_image(path, data, axes, like=like, provenance=said)

    yield tally, finish


def _check_outputs(job: Job, stack: Stack, like: ImageFile, map_dtype: np.dtype[Any]) -> None:
    """Refuse before the work what could not be written after it."""
    for path, dtype, axes in (
        (job.out, like.data.dtype, stack.axes),
        (job.map, map_dtype, stack.map_axes),
        (job.height, np.dtype("float32"), stack.map_axes),
    ):
        if path:
            check_writable(path, like.lengths(axes), dtype, axes, like)
    for path in job.outputs:
        if not path.parent.is_dir():
            raise FileNotFoundError(f"{path}: expected a folder that exists, found none at {path.parent}")
        if not os.access(path.resolve().parent, os.W_OK):
            raise PermissionError(f"{path}: expected a folder that can be written to, got {path.resolve().parent}")


def _options(job: Job, stack: Stack, args: argparse.Namespace) -> FuseOptions | StackOptions:
    """Those of the flags, and what the files say."""
    mask = read_mask(args.mask, job.outputs)
    if stack.other is not None:
        decided = args.method != "regression"
        return given(FuseOptions, args, channel_axis=stack.channel_axis, return_map=decided, mask=mask)
    image = stack.image
    spacing = image.scale.get("Z", 1.0) if args.plane_spacing is None else args.plane_spacing
    origin = image.origin.get("Z", 0.0) if args.plane_origin is None else args.plane_origin
    said = {"axis": image.axes.index("Z"), "channel_axis": stack.channel_axis, "return_height": job.height is not None}
    if job.has_page and args.method != "regression":
        said["return_confidence"] = True
    return given(StackOptions, args, **said, plane_spacing=spacing, plane_origin=origin, mask=mask)


def _fuse(job: Job, stack: Stack, options: FuseOptions | StackOptions, lazy: bool) -> Any:
    """The `Result`."""
    data, other = stack.image.data, stack.other
    if isinstance(options, FuseOptions):
        assert other is not None
        if lazy:
            from napari_rpsnn.lazy.fusion import lazy_fuse

            return lazy_fuse(data, other.data, options)
        from napari_rpsnn.fusion import iter_fuse

        return watch(iter_fuse(data[...], other.data[...], options), job.out.name)
    if lazy:
        from napari_rpsnn.lazy.stack import lazy_fuse_stack

        return lazy_fuse_stack(data, options)
    from napari_rpsnn.stack import iter_fuse_stack

    return watch(iter_fuse_stack(data, options), job.out.name)


def _tally(result: Any, planes: int) -> Any:
    """Of two images, the share of the first; of a stack, how many pixels are of each plane; None by regression."""
    if result.map is not None:
        return np.nanmean(result.map, dtype=np.float64)
    return None if result.index is None else np.histogram(result.index, np.arange(planes + 1))[0]


def _shares(tally: Any) -> list[float] | None:
    """How much of the image comes from each image or plane."""
    if tally is None:
        return None
    return [float(share) for share in (tally / tally.sum() if np.ndim(tally) else (tally, 1 - tally))]

"""Jobs done: open, fuse, write one result, or all of a batch."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from napari_rpsnn.cli.flags import given
from napari_rpsnn.cli.terminal import load_torch, say, tell, watch
from napari_rpsnn.io import read_image
from napari_rpsnn.io.atomic import write_bytes
from napari_rpsnn.io.formats import chunked_format
from napari_rpsnn.io.image_file import ImageFile
from napari_rpsnn.io.provenance import record
from napari_rpsnn.jobs.failures import sentence
from napari_rpsnn.jobs.finding import Job
from napari_rpsnn.jobs.masks import read_mask
from napari_rpsnn.jobs.stack_files import Stack, open_stack
from napari_rpsnn.jobs.there import begin
from napari_rpsnn.jobs.work import Work, write_files
from napari_rpsnn.options import StackOptions

#: Options of stacks that two images have no use for.
OF_STACKS = ("planes", "region", "order", "prefer", "slab", "plane_spacing", "plane_origin")


def run_batch(jobs: Sequence[Job], args: argparse.Namespace) -> bool:
    """Run all jobs but those that are done; return whether none failed."""
    failures: dict[Path, str] = {}
    done = 0
    for job in jobs:
        try:
            if begin(job, args.overwrite):
                run(job, args)
            else:
                done += 1
        except Exception as error:  # one bad file never ends a batch
            failures[job.out] = sentence(error)
    say(f"{len(jobs) - done - len(failures)} fused, {done} were there, {len(failures)} failed")
    for path, failure in failures.items():
        say(f"{path.name}: {failure}")
    return not failures


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
    work = Work.of(
        job,
        stack,
        lambda kind, **more: given(kind, args, **more),
        say,
        read_mask(args.mask, job.outputs, stack.mask_axes),
        plane_spacing=args.plane_spacing,
        plane_origin=args.plane_origin,
    )
    work.check_folders()
    start = time.perf_counter()
    result = _fuse(work, lazy)
    files = work.files(result, say)
    store = _cluster().stored if lazy else _stored
    with store(files, _tally(result, stack.planes), args.client, job.out.name) as (tally, finish):
        said = record(result.made_by, [path.name for path in job.sources], time.perf_counter() - start)
        report = {**said, "axes": work.stack.axes, "shares": _shares(tally)}
        if job.report:
            text = (json.dumps(report, indent=2) + "\n").encode()
            write_bytes(job.report, _page(work, result, report) if job.has_page else text)
        finish(said)
    tell(json.dumps({"output": str(job.out), **report}) if args.json else f"Wrote {job.out}.")


def _page(work: Work, result: Any, report: dict[str, Any]) -> bytes:
    """The quality report, as a page."""
    from napari_rpsnn.reports.quality_page import quality_page
    from napari_rpsnn.reports.sections import pair_sections, stack_sections

    stack, options = work.stack, work.options
    if isinstance(options, StackOptions):
        sections = stack_sections(stack.image.data, options, result, stack.image.units.get("Z", ""))
    else:
        assert stack.other is not None
        sections = pair_sections(stack.image.data[...], stack.other.data[...], options, result)
    return quality_page(f"How good is {work.job.out.name}?", list(sections), report)


def connected(scheduler: str | None) -> AbstractContextManager[Any]:
    """The client of a dask scheduler; None: of none."""
    if scheduler is None:
        return nullcontext()
    return _cluster().connected(scheduler)  # type: ignore[no-any-return]


def _cluster() -> Any:
    load_torch()
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
    stack = open_stack(job.sources, args.axes, args.guide_channel, say, opened, args.series)
    if lazily or not chunked_format(job.out) or args.register or not find_spec("distributed"):
        return stack, lazily
    size = math.prod(stack.image.lengths(stack.axes)) * stack.image.data.dtype.itemsize
    # Two images or planes and the result, and about as much again while they are fused.
    if 4 * size < psutil.virtual_memory().available:
        return stack, False
    return open_stack(job.sources, args.axes, args.guide_channel, say, _cluster().open_lazily, args.series), True


@contextmanager
def _stored(
    files: dict[Path, ImageFile], tally: Any, client: None, name: str
) -> Iterator[tuple[Any, Callable[[dict[str, Any]], None]]]:
    """As `dask_files.stored`, of NumPy arrays."""

    def finish(said: dict[str, Any]) -> None:
        write_files(files, said)

    yield tally, finish


def _fuse(work: Work, lazy: bool) -> Any:
    """The `Result`."""
    load_torch()
    if lazy:
        from napari_rpsnn.lazy.fusion import lazy_fuse
        from napari_rpsnn.lazy.stack import lazy_fuse_stack

        return work.fused_by(lazy_fuse, lazy_fuse_stack)
    from napari_rpsnn.fusion import iter_fuse
    from napari_rpsnn.stack import iter_fuse_stack

    return watch(work.fused_by(iter_fuse, iter_fuse_stack), work.job.out.name)


def _tally(result: Any, planes: int) -> Any:
    """How many pixels are of each image or plane; None by regression."""
    if result.map is not None:
        return np.stack([np.nansum(share, dtype=np.float64) for share in (result.map, 1 - result.map)])
    return None if result.index is None else np.histogram(result.index, np.arange(planes + 1))[0]


def _shares(tally: Any) -> list[float] | None:
    """How much of what has data comes from each image or plane; None: nothing has, or it is not known."""
    if tally is None or not tally.sum():
        return None
    return [float(share) for share in tally / tally.sum()]

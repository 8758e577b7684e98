"""``napari-rpsnn fuse``: image files in, an all-in-focus image file out: parse, call, print."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from tqdm import tqdm

from napari_rpsnn.cli.flags import add_flags, given
from napari_rpsnn.cli.jobs import Job, Stack, batch_jobs, open_stack, single_jobs
from napari_rpsnn.io import read_image, write_image
from napari_rpsnn.io.atomic import write_bytes
from napari_rpsnn.io.formats import check_writable, chunked_format
from napari_rpsnn.io.image_file import ImageFile
from napari_rpsnn.io.provenance import record
from napari_rpsnn.options import FuseOptions, StackOptions

#: What is said without a traceback. The last is torch's, of a device that is out of memory.
ERRORS = (ValueError, TypeError, OSError, ImportError, MemoryError, RuntimeError)


def main(argv: Sequence[str] | None = None) -> int:
    """``napari-rpsnn``: return 0, 1 if something failed, 130 after Ctrl-C; wrong usage exits with 2."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.method == "regression" and (args.map or args.height):
        parser.error("--map and --height: expected --method decision, got regression, which decides for no plane")
    find = batch_jobs if args.batch else single_jobs
    try:
        jobs = find(args.inputs, args.out, map=args.map, height=args.height, report=args.report)
        if not (args.batch or args.overwrite):
            _refuse_to_replace(jobs[0].outputs)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    if args.scheduler and args.register:
        parser.error("--scheduler: expected no --register, for which planes must be seen as a whole")
    try:
        with _connected(args.scheduler) as args.client:
            if args.batch:
                return 0 if _run_batch(jobs, args) else 1
            _run(jobs[0], args)
    except KeyboardInterrupt:
        print("napari-rpsnn: stopped; nothing is half-written.", file=sys.stderr)
        return 130
    except ERRORS as error:
        print(f"napari-rpsnn: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    program = argparse.ArgumentParser(prog="napari-rpsnn", description="All-in-focus images from focus stacks.")
    program.add_argument("--version", action="version", version=f"napari-rpsnn {version('napari-rpsnn')}")
    parser = program.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "fuse", help="fuse two images or a focus stack", description="Fuse two images or a focus stack."
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="two images, planes, one file with a Z axis (TIFF, OME-TIFF, OME-Zarr), a folder of planes, or a quoted "
        "pattern; more than two planes are taken in natural order of their names",
    )
    parser.add_argument("-o", "--out", required=True, type=Path, help="the image to write; with --batch a folder")
    parser.add_argument("--batch", action="store_true", help="each INPUT, or each in a folder, is a stack of its own")
    parser.add_argument("--axes", type=str.upper, help="axes of each INPUT, as ZCYX: T, C, Z, Y, X, S (RGB), Q (other)")
    add_flags(parser)
    parser.add_argument(
        "--scheduler",
        type=_scheduler,
        metavar="ADDRESS|local[N]",
        help="run on a dask cluster: the address of its scheduler, or local[N] for N processes of this machine",
    )
    parser.add_argument("--map", type=Path, metavar="FILE", help="write whose pixels are in the image")
    parser.add_argument("--height", type=Path, metavar="FILE", help="write the height of the surface of a stack")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write how the image was made, as JSON")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each image")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    return program


def _scheduler(text: str) -> str:
    if not re.fullmatch(r"local(\[[1-9]\d*\])?|.+:\d+|.+://.+", text):
        raise argparse.ArgumentTypeError(f"expected ADDRESS, local or local[N], got {text!r}")
    return text


def _refuse_to_replace(outputs: Sequence[Path]) -> None:
    if there := next((path for path in outputs if path.exists()), None):
        raise FileExistsError(f"{there}: expected a new file, found one there; --overwrite replaces it")


def _run_batch(jobs: Sequence[Job], args: argparse.Namespace) -> bool:
    """Run all jobs but those that are done; return whether none failed."""
    failures: dict[Path, str] = {}
    done = 0
    for job in jobs:
        try:
            if not args.overwrite and all(_is_whole(path) for path in job.outputs):
                done += 1
                continue
            for path in job.outputs:
                path.parent.mkdir(parents=True, exist_ok=True)
            _run(job, args)
        except ERRORS as error:
            failures[job.out] = str(error)
    counts = f"{len(jobs) - done - len(failures)} fused, {done} were there, {len(failures)} failed"
    print(f"napari-rpsnn: {counts}", file=sys.stderr)
    for path, error_text in failures.items():
        print(f"napari-rpsnn: {path.name}: {error_text}", file=sys.stderr)
    return not failures


def _is_whole(path: Path) -> bool:
    """Whether an output is there and can be read to its end."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        else:
            image = read_image(path)
            np.asarray(image.data[(-1,) * (image.data.ndim - 1)])
    except (ValueError, OSError):
        return False
    return True


def _run(job: Job, args: argparse.Namespace) -> None:
    """Read, fuse and write one image."""
    stack, lazy = _open(job, args)
    pair = stack.other is not None
    if pair and (args.height or args.plane_spacing is not None):
        raise ValueError("--height and --plane-spacing: expected a stack, got two images")
    map_dtype = np.dtype("float32") if pair else np.min_scalar_type(stack.planes - 1)
    _check_outputs(job, stack, map_dtype)
    start = time.perf_counter()
    result = _fuse(job, stack, args, lazy)
    files: dict[Path, tuple[Any, str]] = {}
    if job.map:
        files[job.map] = result.map if pair else result.index.astype(map_dtype), stack.map_axes
    if job.height:
        files[job.height] = result.height, stack.map_axes
    files[job.out] = result.image, stack.axes
    store = _cluster().stored if lazy else _stored
    with store(files, stack.image, _tally(result, stack.planes), args.client, job.out.name) as (tally, finish):
        said = record(result.made_by, [path.name for path in job.sources], time.perf_counter() - start)
        report = {**said, "axes": stack.axes, "shares": _shares(tally)}
        if job.report:
            write_bytes(job.report, (json.dumps(report, indent=2) + "\n").encode())
        finish(said)
    print(json.dumps({"output": str(job.out), **report}) if args.json else f"Wrote {job.out}.", flush=True)


def _connected(scheduler: str | None) -> AbstractContextManager[Any]:
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
    stack = open_stack(job.sources, args.axes, args.guide_channel, _cluster().open_lazily if lazily else read_image)
    if lazily or not chunked_format(job.out) or args.register or not find_spec("distributed"):
        return stack, lazily
    size = math.prod(stack.shape(stack.axes)) * stack.image.data.dtype.itemsize
    # Two images or planes and the result, and about as much again while they are fused.
    if 4 * size < psutil.virtual_memory().available:
        return stack, False
    return open_stack(job.sources, args.axes, args.guide_channel, _cluster().open_lazily), True


@contextmanager
def _stored(
    files: dict[Path, tuple[Any, str]], like: ImageFile, tally: Any, client: None, name: str
) -> Iterator[tuple[Any, Callable[[dict[str, Any]], None]]]:
    """As `dask_files.stored`, of NumPy arrays."""

    def finish(said: dict[str, Any]) -> None:
        for path, (data, axes) in files.items():
            write_image(path, data, axes, like=like, provenance=said)

    yield tally, finish


def _check_outputs(job: Job, stack: Stack, map_dtype: np.dtype[Any]) -> None:
    """Refuse before the work what could not be written after it."""
    check_writable(job.out, stack.shape(stack.axes), stack.image.data.dtype, stack.axes)
    for path, dtype in ((job.map, map_dtype), (job.height, np.dtype("float32"))):
        if path:
            check_writable(path, stack.shape(stack.map_axes), dtype, stack.map_axes)
    for path in job.outputs:
        if not path.parent.is_dir():
            raise FileNotFoundError(f"{path}: expected a folder that exists, found none at {path.parent}")


def _fuse(job: Job, stack: Stack, args: argparse.Namespace, lazy: bool) -> Any:
    """The `Result`."""
    if stack.other is not None:
        decided = args.method != "regression"
        pair = given(FuseOptions, args, channel_axis=stack.channel_axis, return_map=decided)
        if lazy:
            from napari_rpsnn.lazy.fusion import lazy_fuse

            return lazy_fuse(stack.image.data, stack.other.data, pair)
        from napari_rpsnn.fusion import iter_fuse

        return _watch(iter_fuse(stack.image.data[...], stack.other.data[...], pair), job.out.name)

    spacing = stack.image.scale.get("Z", 1.0) if args.plane_spacing is None else args.plane_spacing
    places = {"axis": stack.image.axes.index("Z"), "channel_axis": stack.channel_axis}
    options = given(StackOptions, args, **places, return_height=job.height is not None, plane_spacing=spacing)
    if lazy:
        from napari_rpsnn.lazy.stack import lazy_fuse_stack

        return lazy_fuse_stack(stack.image.data, options)
    from napari_rpsnn.stack import iter_fuse_stack

    return _watch(iter_fuse_stack(stack.image.data, options), job.out.name)


def _tally(result: Any, planes: int) -> Any:
    """Of two images, the share of the first; of a stack, how many pixels are of each plane; None by regression."""
    if result.map is not None:
        return result.map.mean(dtype=np.float64)
    return None if result.index is None else np.histogram(result.index, np.arange(planes + 1))[0]


def _shares(tally: Any) -> list[float] | None:
    """How much of the image comes from each image or plane."""
    if tally is None:
        return None
    return [float(share) for share in (tally / tally.sum() if np.ndim(tally) else (tally, 1 - tally))]


def _watch(steps: Generator[Any, None, Any], name: str) -> Any:
    """Run the generator with a progress bar, where somebody is there to see it."""
    with tqdm(desc=name, unit="tile", file=sys.stderr, disable=not sys.stderr.isatty(), leave=False) as bar:
        try:
            while True:
                report = next(steps)
                bar.total = report.total
                bar.update(report.done - bar.n)
        except StopIteration as end:
            return end.value


if __name__ == "__main__":
    sys.exit(main())

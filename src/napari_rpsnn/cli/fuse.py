"""``napari-rpsnn`` and its command ``fuse``: image files in, an all-in-focus image file out: parse, call, print."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from napari_rpsnn.cli.evaluate import add_evaluate
from napari_rpsnn.cli.flags import add_flags
from napari_rpsnn.cli.terminal import ends_in_order, quiet_threads, say
from napari_rpsnn.jobs.failures import sentence


def main(argv: Sequence[str] | None = None) -> int:
    """``napari-rpsnn``: return 0, 1 if something failed, 130 after Ctrl-C; wrong usage exits with 2."""
    quiet_threads()
    try:
        parser = _parser()
        args = parser.parse_args(argv)
        run: Callable[[argparse.ArgumentParser, argparse.Namespace], int] = args.run
        with ends_in_order():
            return run(parser, args)
    except KeyboardInterrupt as end:
        say("stopped; nothing is half-written.")
        return 128 + (end.args[0] if end.args else signal.SIGINT)  # as shells count
    except Exception as error:  # whatever it is, a user is told in a sentence
        say(sentence(error))
        return 1


def _fuse(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from napari_rpsnn.cli.results import connected, run, run_batch
    from napari_rpsnn.jobs.finding import batch_jobs, refuse_to_replace, single_jobs

    if args.method == "regression" and (args.map or args.height):
        parser.error("--map and --height: expected --method decision, got regression, which decides for no plane")
    if args.scheduler and args.register:
        parser.error("--scheduler: expected no --register, for which planes must be seen as a whole")
    if args.report_html and not (args.batch and args.report):
        parser.error("--report-html: expected --batch and --report FOLDER; of one image, --report FILE.html")
    find = batch_jobs if args.batch else single_jobs
    try:
        jobs = find(args.inputs, args.out, say, map=args.map, height=args.height, report=args.report)
        if not args.batch:
            refuse_to_replace(jobs[0].outputs, args.overwrite)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    if args.report_html:
        jobs = [replace(job, report=job.report and job.report.with_suffix(".html")) for job in jobs]
    with connected(args.scheduler) as args.client:
        if args.batch:
            return 0 if run_batch(jobs, args) else 1
        run(jobs[0], args)
    return 0


def _parser() -> argparse.ArgumentParser:
    program = argparse.ArgumentParser(prog="napari-rpsnn", description="All-in-focus images from focus stacks.")
    program.add_argument("--version", action="version", version=f"napari-rpsnn {version('napari-rpsnn')}")
    commands = program.add_subparsers(required=True, metavar="COMMAND")
    _add_fuse(commands)
    add_evaluate(commands)
    return program


def _add_fuse(commands: Any) -> None:
    parser = commands.add_parser(
        "fuse", help="fuse two images or a focus stack", description="Fuse two images or a focus stack."
    )
    parser.set_defaults(run=_fuse)
    parser.add_argument(
        "inputs",
        nargs="+",
        type=_name,
        metavar="INPUT",
        help="two images, planes, one file with a Z axis (TIFF, OME-TIFF, OME-Zarr), a folder of planes, or a quoted "
        "pattern; more than two planes are taken in natural order of their names",
    )
    parser.add_argument("-o", "--out", required=True, type=_path, help="the image to write; with --batch a folder")
    parser.add_argument("--batch", action="store_true", help="each INPUT, or each in a folder, is a stack of its own")
    parser.add_argument("--axes", type=str.upper, help="axes of each INPUT, as ZCYX: T, C, Z, Y, X, S (RGB), Q (other)")
    parser.add_argument("--series", type=int, metavar="N", help="which image of files that hold several, from 0")
    add_flags(parser)
    parser.add_argument(
        "--scheduler",
        type=_scheduler,
        metavar="ADDRESS|local[N]",
        help="run on a dask cluster: the address of its scheduler, or local[N] for N processes of this machine",
    )
    parser.add_argument(
        "--mask",
        type=_path,
        metavar="FILE",
        help="nonzero where there is data: an image for all planes, or as many planes; NaN and alpha 0 need none",
    )
    parser.add_argument("--map", type=_path, metavar="FILE", help="write whose pixels are in the image")
    parser.add_argument("--height", type=_path, metavar="FILE", help="write the height of the surface of a stack")
    parser.add_argument(
        "--report",
        type=_path,
        metavar="FILE",
        help="write how the image was made, as JSON; or as a page (.html) what is wrong with the planes, and where; "
        "with --batch a folder",
    )
    parser.add_argument("--report-html", action="store_true", help="with --batch, write reports as pages")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each image")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")


def _name(text: str) -> str:
    """A name that is one: nothing, as of a variable of the shell that is not set, would be the folder one is in."""
    if not text:
        raise argparse.ArgumentTypeError("expected the name of a file or folder, got nothing")
    return text


def _path(text: str) -> Path:
    return Path(_name(text))


def _scheduler(text: str) -> str:
    if not re.fullmatch(r"local(\[[1-9]\d*\])?|.+:\d+|.+://.+", text):
        raise argparse.ArgumentTypeError(f"expected ADDRESS, local or local[N], got {text!r}")
    return text


if __name__ == "__main__":
    sys.exit(main())

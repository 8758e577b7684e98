"""The command line: parse, call, print."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, TypeVar

from napari_rpsnn.cli.terminal import quiet_threads, tell
from napari_rpsnn.jobs.failures import sentence
from napari_rpsnn.model.catalog import MIN_WIDTH, WIDTHS
from napari_rpsnn.training.config import TrainConfig

Report = TypeVar("Report")


def train_command(argv: Sequence[str] | None = None) -> None:
    """``napari-rpsnn-train``: train a network on a folder of sharp images or measured triples."""
    quiet_threads()
    config, resume, overwrite = _parse_training(argv)
    try:
        from lightning_fabric.utilities.rank_zero import rank_zero_only
        from tqdm import tqdm

        from napari_rpsnn.model.weights import read_card
        from napari_rpsnn.training.loop import iter_train
    except ModuleNotFoundError as error:
        raise SystemExit(f"{error}. Training needs more packages: pip install 'napari-rpsnn[train]'") from error

    interrupted = False

    def interrupt(*_: Any) -> None:
        nonlocal interrupted
        interrupted = True
        signal.signal(signal.SIGINT, before)  # a second Ctrl-C does not wait

    # Ctrl-C takes effect between two steps, where the state is whole.
    before = signal.signal(signal.SIGINT, interrupt)
    first = getattr(rank_zero_only, "rank", 0) == 0  # of several processes one talks
    try:
        steps = iter_train(config, resume=resume, overwrite=overwrite)
        with tqdm(total=config.steps, unit="step", disable=not first or sys.stderr is None) as bar:
            for report in _until(steps, lambda: interrupted):
                bar.update(report.step - bar.n)
                bar.set_postfix(loss=f"{report.loss:.4f}", refresh=False)
                if report.scores:
                    bar.write(f"step {report.step}: " + ", ".join(f"{k} {v:.2f} dB" for k, v in report.scores.items()))
    except Exception as error:  # whatever it is, a user is told in a sentence
        raise SystemExit(f"napari-rpsnn-train: {sentence(error)}") from error
    finally:
        signal.signal(signal.SIGINT, before)
    if first:
        path = f"{config.out}/model.safetensors"
        step = read_card(path)["step"]
        tell(f"Wrote {path} after step {step} of {config.steps}.")
        if step < config.steps:
            tell("To go on, give the same command with --resume.")


def _until(steps: Generator[Report, bool | None], stopped: Callable[[], bool]) -> Iterator[Report]:
    """The reports of a generator that is told after each whether to stop."""
    try:
        report = next(steps)
        while True:
            yield report
            report = steps.send(stopped())
    except StopIteration:
        return


def _parse_training(argv: Sequence[str] | None) -> tuple[TrainConfig, bool, bool]:
    parser = argparse.ArgumentParser(
        prog="napari-rpsnn-train",
        description="Train an R-PSNN on a folder of sharp images, on measured triples, or on both.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("data", help="folder of sharp images, or of img1, img2 and gt; subfolders are read too")
    parser.add_argument("-o", "--out", required=True, help="folder for weights, checkpoint, logs and panels")
    parser.add_argument("--model", default="rpsnn", help="rpsnn (width 64), rpsnn-lite (width 16) or a width")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in OUT")
    parser.add_argument("--overwrite", action="store_true", help="replace the run that is in OUT")
    texts = _attribute_texts(TrainConfig)
    for field in dataclasses.fields(TrainConfig):
        if field.name not in ("data", "out", "width"):
            kind: Any = {"int": int, "float": float, "float | None": float}.get(str(field.type), str)
            option = f"--{field.name.replace('_', '-')}"
            parser.add_argument(option, type=kind, default=field.default, help=texts[field.name])
    options = vars(parser.parse_args(argv))
    resume, overwrite, model = (options.pop(name) for name in ("resume", "overwrite", "model"))
    width = WIDTHS.get(model) or (int(model) if model.isdecimal() else 0)
    if width < MIN_WIDTH:
        parser.error(f"--model: expected {', '.join(WIDTHS)} or a number of channels from {MIN_WIDTH}, got {model!r}")
    try:
        return TrainConfig(width=width, **options), resume, overwrite
    except ValueError as error:
        parser.error(str(error))


def _attribute_texts(documented: type) -> dict[str, str]:
    """Descriptions of the attributes in a numpydoc docstring: options are described once."""
    entries = re.findall(r"^(\w[\w, ]*) : .*\n((?: {4}.*\n?)+)", inspect.getdoc(documented) or "", re.MULTILINE)
    return {name: " ".join(text.split()) for names, text in entries for name in names.split(", ")}

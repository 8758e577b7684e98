"""The command line: parse, call, print."""

from __future__ import annotations

import argparse
import dataclasses
import signal
from collections.abc import Sequence
from typing import Any

from napari_rpsnn.config import TrainConfig

WIDTHS = {"full": 64, "lite": 16}


def train_command(argv: Sequence[str] | None = None) -> None:
    """``napari-rpsnn-train``: train a network on a folder of sharp images or measured triples."""
    config, resume = _parse_training(argv)
    try:
        from tqdm import tqdm

        from napari_rpsnn.training import iter_train
    except ModuleNotFoundError as error:
        raise SystemExit(f"{error}. Training needs more packages: pip install 'napari-rpsnn[train]'") from error

    interrupted = False

    def interrupt(*_: Any) -> None:
        nonlocal interrupted
        interrupted = True

    # Ctrl-C takes effect between two steps, where the state is whole.
    before = signal.signal(signal.SIGINT, interrupt)
    steps = iter_train(config, resume=resume)
    step = 0
    try:
        with tqdm(total=config.steps, unit="step") as bar:
            for report in steps:
                bar.update(report.step - bar.n)
                bar.set_postfix(loss=f"{report.loss:.4f}", refresh=False)
                step = report.step
                if report.scores:
                    bar.write(f"step {step}: " + ", ".join(f"{k} {v:.2f} dB" for k, v in report.scores.items()))
                if interrupted:
                    break
        steps.close()
    except (ValueError, FloatingPointError, OSError) as error:
        raise SystemExit(f"napari-rpsnn-train: {error}") from error
    finally:
        signal.signal(signal.SIGINT, before)
    print(f"Wrote {config.out}/model.safetensors after step {step} of {config.steps}.")
    if step < config.steps:
        print("To go on, give the same command with --resume.")


def _parse_training(argv: Sequence[str] | None) -> tuple[TrainConfig, bool]:
    parser = argparse.ArgumentParser(
        prog="napari-rpsnn-train",
        description="Train an R-PSNN on a folder of sharp images, on measured triples, or on both.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("data", help="folder of sharp images, or of img1, img2 and gt; subfolders are read too")
    parser.add_argument("-o", "--out", required=True, help="folder for weights, checkpoint, logs and panels")
    parser.add_argument("--model", default="full", help="full (width 64), lite (width 16) or a width")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in OUT")
    for field in dataclasses.fields(TrainConfig):
        if field.name not in ("data", "out", "width"):
            kind: Any = {"int": int, "float": float, "float | None": float}.get(str(field.type), str)
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    options = vars(parser.parse_args(argv))
    resume, model = options.pop("resume"), options.pop("model")
    try:
        width = WIDTHS.get(model) or int(model)
    except ValueError:
        parser.error(f"--model: expected full, lite or a number of channels, got {model!r}")
    return TrainConfig(width=width, **options), resume

"""The command line: parse, call, print."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any

WIDTHS = {"full": 64, "lite": 16}


def train_command(argv: Sequence[str] | None = None) -> None:
    """``napari-rpsnn-train``: train a network on a folder of sharp images."""
    try:
        from tqdm import tqdm

        from napari_rpsnn.training import TrainConfig, iter_train
    except ModuleNotFoundError as error:
        raise SystemExit(f"{error}. Training needs more packages: pip install 'napari-rpsnn[train]'") from error

    parser = argparse.ArgumentParser(
        prog="napari-rpsnn-train",
        description=train_command.__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("data", help="folder of sharp images; subfolders are read too")
    parser.add_argument("-o", "--out", required=True, help="folder for the weights and the checkpoint")
    parser.add_argument("--model", default="full", help="full (width 64), lite (width 16) or a width")
    parser.add_argument("--resume", action="store_true", help="continue from the checkpoint in OUT")
    for field in dataclasses.fields(TrainConfig):
        if field.name not in ("data", "out", "width"):
            kind: Any = {"int": int, "float": float}.get(str(field.type), str)
            parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    options = vars(parser.parse_args(argv))
    resume, model = options.pop("resume"), options.pop("model")
    try:
        config = TrainConfig(width=WIDTHS.get(model) or int(model), **options)
        with tqdm(total=config.steps, unit="step") as bar:
            for report in iter_train(config, resume=resume):
                bar.n = report.step
                bar.set_postfix(loss=f"{report.loss:.4f}", refresh=False)
                bar.update(0)
                if report.scores:
                    bar.write(f"step {report.step}: " + ", ".join(f"{k} {v:.2f} dB" for k, v in report.scores.items()))
    except (ValueError, FloatingPointError, OSError) as error:
        raise SystemExit(f"napari-rpsnn-train: {error}") from error
    except KeyboardInterrupt:
        raise SystemExit(f"\nStopped. Continue from the last checkpoint with --resume (-o {config.out}).") from None
    print(f"Wrote {config.out}/model.safetensors")

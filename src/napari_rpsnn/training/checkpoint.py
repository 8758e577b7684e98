"""What resuming needs, in a file, and when a folder may be written to."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from napari_rpsnn.io.atomic import write_bytes
from napari_rpsnn.model.weight_file import load_pickled

#: What a checkpoint holds.
KINDS = {
    "recipe": dict,
    "network": dict,
    "averaged": dict,
    "optimizer": dict,
    "step": int,
    "seconds": float,
    "scores": dict,
    "scored_step": int,
}
NAME = "checkpoint.pt"
#: Folder of a run's pictures, beside its checkpoint.
PANELS = "panels"


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write the state of a run, whole or not at all."""
    content = io.BytesIO()
    torch.save(state, content)
    write_bytes(path, content.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read the state of a run.

    Raises
    ------
    ValueError
        If there is none, or it is damaged. The message names the file.
    """
    if not path.is_file():
        raise ValueError(f"resume: expected a checkpoint at {path}, found none")
    state: dict[str, Any] = load_pickled(path, "resume")
    got = state if isinstance(state, dict) else {}
    if wrong := [name for name, kind in KINDS.items() if not isinstance(got.get(name), kind)]:
        kind, other = KINDS[wrong[0]].__name__, type(got.get(wrong[0])).__name__
        raise ValueError(f"resume: {path}: expected {wrong[0]} as {kind}, got {other}")
    for name in ("network", "averaged"):
        for key, tensor in state[name].items():
            if not isinstance(tensor, torch.Tensor) or not torch.isfinite(tensor).all():
                raise ValueError(f"resume: {path}: expected finite weights in {name}, got others, as {key}")
    return state


def refuse_old_run(out: Path, overwrite: bool = False) -> None:
    """Refuse what is no folder, and, unless it is to be replaced, a folder that an earlier run has written to."""
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"out: expected a folder or a new name, found a file at {out}")
    if not overwrite and (
        there := next((out / name for name in (NAME, "model.safetensors") if (out / name).exists()), None)
    ):
        raise FileExistsError(
            f"out: expected a folder without a run, found {there}; resume goes on with it, overwrite replaces it"
        )

"""What a training run is made from: every option and its default, once."""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

#: Options that change neither a batch nor a step, only where and how long the work is done.
PLACES = ("data", "out", "device", "minutes", "save_every")
#: By the name of a type: what is taken for it, and what a message calls it.
_KINDS: dict[str, tuple[Any, str]] = {
    "int": (Integral, "an integer"),
    "float": (Real, "a number"),
    "str": ((str, os.PathLike), "a string"),
}


@dataclass(frozen=True)
class TrainConfig:
    """What a training run is made from; the same values give the same weights.

    Attributes
    ----------
    data : str
        Folder of sharp images, 8 or 16 bit, grey or RGB, of measured triples in subfolders ``img1``, ``img2`` and
        ``gt``, or of both; subfolders are read too.
    out : str
        Folder for the model (``model.safetensors``), what resuming needs (``checkpoint.pt``), logs and panels.
    width : int
        Channels of the network: 64 is the paper's, 16 is `rpsnn-lite`.
    steps : int
        Length of the run; the learning rate decays to zero over it.
    minutes : float or None
        Stop after this time, whatever `steps` says; resuming goes on from there.
    geometric, fluorescence, brightfield : int
        Pairs of each kind of defocus in a batch, made of sharp images.
    measured : int
        Pairs of measured triples in a batch, if there are any.
    crop : int
        Side of the training patches in pixels. Brightfield rings must fit in.
    learning_rate : float
        At its highest, after `warmup` steps.
    warmup : int
        Steps of linear warm-up.
    ema : float
        Share of the averaged weights that stays at each step.
    seed : int
        Of the first weights and of every batch.
    init : str or None
        Bundled name or file of weights to start from; narrower ones are widened without changing what they do.
    save_every : int
        Steps between validations and checkpoints.
    device : str
        "auto", "cpu", "cuda" or "mps".
    devices, nodes : int
        Processes on each machine and machines, each with batches of its own (data parallel).
    precision : str
        "bf16-mixed", "32-true", or "auto": the first where the hardware multiplies bfloat16, else the second. Where it
        does not, "bf16-mixed" takes ten times as long.
    """

    data: str
    out: str
    width: int = 64
    steps: int = 12_000
    minutes: float | None = None
    geometric: int = 3
    fluorescence: int = 2
    brightfield: int = 3
    measured: int = 4
    crop: int = 112
    learning_rate: float = 1e-3
    warmup: int = 200
    ema: float = 0.999
    seed: int = 0
    init: str | None = None
    save_every: int = 1000
    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: str = "auto"

    def __post_init__(self) -> None:
        for option in fields(self):
            value, (name, *none) = getattr(self, option.name), str(option.type).split(" | ")
            kind, called = _KINDS[name]
            if not isinstance(value, kind) and not (none and value is None):
                raise TypeError(f"{option.name}: expected {called}{' or None' if none else ''}, got {value!r}")
            if isinstance(value, np.generic):  # which neither JSON nor a checkpoint keeps
                object.__setattr__(self, option.name, value.item())
        least = {name: 0 for name in self.kinds} | {
            name: 1 for name in ("steps", "warmup", "save_every", "devices", "nodes")
        }
        for name, limit in (least | {"crop": 16}).items():
            if getattr(self, name) < limit:
                raise ValueError(f"{name}: expected at least {limit}, got {getattr(self, name)}")
        if (got := self.precision) not in ("auto", "bf16-mixed", "32-true"):
            raise ValueError(f"precision: expected 'auto', 'bf16-mixed' or '32-true', got {got!r}")
        for name in ("learning_rate", "minutes"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{name}: expected a finite number of at least 0, got {value}")
        if not -(2**63) <= self.seed < 2**63:
            raise ValueError(f"seed: expected an integer of 64 bits, got {self.seed}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema: expected a number from 0 to below 1, got {self.ema}")

    @property
    def kinds(self) -> dict[str, int]:
        """Pairs of each kind in a batch."""
        return {kind: getattr(self, kind) for kind in ("geometric", "fluorescence", "brightfield", "measured")}

    @property
    def recipe(self) -> dict[str, Any]:
        """The options that shape the result, without any folder of this machine."""
        recipe = {name: value for name, value in asdict(self).items() if name not in PLACES}
        return recipe | {"init": None if self.init is None else Path(self.init).name}

    def refuse_other_recipe(self, recipe: dict[str, Any]) -> None:
        """Raise ValueError if `recipe`, a checkpoint's, is not this one."""
        if differing := [name for name, value in self.recipe.items() if recipe.get(name) != value]:
            was, now = ({name: r.get(name) for name in differing} for r in (recipe, self.recipe))
            raise ValueError(f"resume: expected the options of the checkpoint, {was}, got {now}")

    def learning_rate_at(self, step: int) -> float:
        """Linear warm-up, then half a cosine to zero."""
        warm = min(1.0, (step + 1) / self.warmup)
        return self.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * step / self.steps))

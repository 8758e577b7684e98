"""The training loop: a folder of sharp pictures in, network weights out, seeded and resumable.

1. Batches come from `data.PairMaker`, which needs no state but the step.
2. Loss: Charbonnier plus half the L1 of the gradients. L1-like losses take the median where the network cannot
   know, and so decide; a squared loss takes the mean of both images, which is what fusion is to avoid.
3. Adam with warm-up, cosine decay and clipped gradients: a large step destroys the averaging start.
4. The exponential moving average (EMA) of the weights is what is validated and saved; it is worth several dB.
5. Every `save_every` steps, and at the end, the model and all that resuming needs are written, each whole or not.
"""

from __future__ import annotations

import copy
import io
import math
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from napari_rpsnn.data import Batch, PairMaker
from napari_rpsnn.network import RPSNN, widen
from napari_rpsnn.pictures import Picture, read_pictures, split_pictures
from napari_rpsnn.weights import load_model, save_model, write_whole

#: Pairs of each defocus kind that validation looks at.
VALIDATION_PAIRS = 32


@dataclass(frozen=True)
class TrainConfig:
    """What a training run is made from; the same values give the same weights.

    Attributes
    ----------
    data : str
        Folder of sharp images, 8 or 16 bit, grey or RGB; subfolders are read too.
    out : str
        Folder for the model (``model.safetensors``) and what resuming needs (``checkpoint.pt``).
    width : int
        Channels of the network: 64 is the paper's, 16 is `rpsnn-lite`.
    steps : int
        Length of the run; the learning rate decays to zero over it.
    geometric, fluorescence, brightfield : int
        Pairs of each kind of defocus in a batch.
    crop : int
        Side of the training patches in pixels. Brightfield rings must fit in.
    learning_rate : float
        At its highest, after `warmup` steps.
    warmup : int
    ema : float
        Share of the averaged weights that stays at each step.
    seed : int
    init : str or None
        Bundled name or file of weights to start from; narrower ones are widened without changing what they do.
    save_every : int
        Steps between validations and checkpoints.
    device : str
        "auto", "cpu", "cuda" or "mps".
    precision : str
        Of Fabric: "bf16-mixed" or "32-true".
    """

    data: str
    out: str
    width: int = 64
    steps: int = 12_000
    geometric: int = 3
    fluorescence: int = 2
    brightfield: int = 3
    crop: int = 112
    learning_rate: float = 1e-3
    warmup: int = 200
    ema: float = 0.999
    seed: int = 0
    init: str | None = None
    save_every: int = 1000
    device: str = "auto"
    precision: str = "bf16-mixed"


@dataclass(frozen=True)
class TrainReport:
    """After every step: its number, the loss, and the validation scores in dB when there are new ones."""

    step: int
    loss: float
    scores: dict[str, float] | None


def train(config: TrainConfig, *, resume: bool = False) -> Path:
    """Train a network and return the path of its weights.

    Parameters
    ----------
    config : TrainConfig
    resume : bool, optional
        Continue from the checkpoint in ``config.out``. The result equals that of a run without interruption.

    Returns
    -------
    Path
        A ``.safetensors`` file that `load_model` and `fuse` take.

    Raises
    ------
    ValueError
        If the folder holds no usable images or the checkpoint is of another configuration.
    FloatingPointError
        If the loss is no longer finite. The last checkpoint is kept.

    Examples
    --------
    >>> from napari_rpsnn import TrainConfig, fuse, train
    >>> path = train(TrainConfig(data="pictures", out="run", width=16, steps=2000))  # doctest: +SKIP
    >>> fused = fuse(near, far, model=path)  # doctest: +SKIP
    """
    for _ in iter_train(config, resume=resume):
        pass
    return Path(config.out) / "model.safetensors"


def iter_train(config: TrainConfig, *, resume: bool = False) -> Generator[TrainReport]:
    """`train`, as a generator: yields a report after every step."""
    out = Path(config.out)
    checkpoint = out / "checkpoint.pt"
    if resume and not checkpoint.is_file():
        raise ValueError(f"resume: expected a checkpoint at {checkpoint}, found none")
    pictures = read_pictures(config.data)
    training, validation = split_pictures(pictures)
    if not training or not validation:
        training = validation = pictures
    out.mkdir(parents=True, exist_ok=True)

    fabric = Fabric(accelerator=config.device, devices=1, precision=config.precision)  # type: ignore[arg-type]
    fabric.seed_everything(config.seed, verbose=False)
    network = _start(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(network).to(fabric.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, betas=(0.9, 0.99))
    model, optimizer = fabric.setup(network, optimizer)
    makers = _validation_makers(config, validation, fabric.device)
    pairs = PairMaker(training, crop=config.crop, kinds=_kinds(config), seed=config.seed, device=fabric.device)

    step, seconds = 0, 0.0
    if resume:
        state = torch.load(checkpoint, map_location=fabric.device, weights_only=True)
        if state["config"] != asdict(config):
            raise ValueError(
                f"resume: expected the configuration of {checkpoint}, {state['config']}, got {asdict(config)}"
            )
        network.load_state_dict(state["network"])
        averaged.load_state_dict(state["averaged"])
        optimizer.load_state_dict(state["optimizer"])
        step, seconds = state["step"], state["seconds"]

    started = time.monotonic() - seconds
    while step < config.steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        batch = pairs.batch(step)
        with fabric.autocast():
            fused = model(*_channels_last(batch))
        loss = loss_function(fused, batch.sharp)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"The loss became {loss.item()} at step {step}; {checkpoint} is the last good state."
            )
        optimizer.zero_grad()
        fabric.backward(loss)
        clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        _average(averaged, network, min(config.ema, step / (step + 9)))

        scores = None
        if step % config.save_every == 0 or step == config.steps:
            scores = validate(averaged, makers, fabric)
            seconds = time.monotonic() - started
            state = {
                "config": asdict(config),
                "network": network.state_dict(),
                "averaged": averaged.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
                "seconds": seconds,
            }
            content = io.BytesIO()
            torch.save(state, content)
            write_whole(checkpoint, content.getvalue())
            save_model(
                averaged, out / "model.safetensors", _card(config, step, seconds, scores, pictures, fabric.device)
            )
        yield TrainReport(step, loss.item(), scores)


def loss_function(fused: Tensor, sharp: Tensor) -> Tensor:
    """Charbonnier (a smooth L1) plus half the L1 difference of the gradients."""
    error = fused - sharp
    gradients = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return torch.sqrt(error**2 + 1e-6).mean() + 0.5 * gradients


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then half a cosine to zero."""
    warm = min(1.0, (step + 1) / config.warmup)
    return config.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * step / config.steps))


@torch.no_grad()
def validate(network: RPSNN, makers: dict[str, PairMaker], fabric: Fabric) -> dict[str, float]:
    """PSNR in dB of the network and of the plain average of its inputs, by kind of defocus, on held-out pictures.

    The mean square error is averaged over all pairs first: pairs with two equal inputs, where the average is
    perfect, then count as what they are, nothing to be done.
    """
    scores = {}
    for kind, maker in makers.items():
        squares: dict[str, list[Tensor]] = {"network": [], "average": []}
        for i in range(VALIDATION_PAIRS // 8):
            batch = maker.batch(i)
            with fabric.autocast():
                fused = network(*_channels_last(batch))
            squares["network"].append((fused - batch.sharp) ** 2)
            squares["average"].append(((batch.near + batch.far) / 2 - batch.sharp) ** 2)
        for name, values in squares.items():
            scores[f"{kind} {name}"] = round(-10 * math.log10(torch.cat(values).mean().item()), 2)
    return scores


def _start(config: TrainConfig) -> RPSNN:
    if config.init is None:
        return RPSNN(config.width)
    network = load_model(config.init).train()
    return network if network.width == config.width else widen(network, config.width)


def _kinds(config: TrainConfig) -> dict[str, int]:
    return {kind: getattr(config, kind) for kind in ("geometric", "fluorescence", "brightfield")}


def _validation_makers(config: TrainConfig, pictures: list[Picture], device: torch.device) -> dict[str, PairMaker]:
    """Pair makers that give the same held-out pairs to every run, whatever its seed."""
    return {
        kind: PairMaker(pictures, crop=112, kinds={kind: 8}, seed=1, device=device)
        for kind, count in _kinds(config).items()
        if count
    }


def _channels_last(batch: Batch) -> tuple[Tensor, Tensor]:
    return (
        batch.near.contiguous(memory_format=torch.channels_last),
        batch.far.contiguous(memory_format=torch.channels_last),
    )


@torch.no_grad()
def _average(averaged: RPSNN, network: RPSNN, keep: float) -> None:
    for mean, new in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(new, 1 - keep)


def _card(
    config: TrainConfig,
    step: int,
    seconds: float,
    scores: dict[str, float],
    pictures: list[Picture],
    device: torch.device,
) -> dict[str, Any]:
    """How the weights were made. Folders of the machine they were made on stay out of it."""
    recipe = {name: value for name, value in asdict(config).items() if name not in ("data", "out")}
    if config.init is not None:
        recipe["init"] = Path(config.init).name
    return {
        "version": version("napari-rpsnn"),
        "config": recipe,
        "step": step,
        "minutes": round(seconds / 60, 1),
        "device": device.type,
        "validation_psnr_db": scores,
        "pictures": len(pictures),
    }

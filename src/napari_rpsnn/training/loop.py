"""The training loop: a folder of pictures in, network weights out, seeded and resumable.

1. Batches come from `data.PairMaker`, which needs no state but the step.
2. Each pair goes through the network in both orders. Loss: Charbonnier, the L1 of the gradients, that of regional
   means, and that of the difference between the orders. L1-like losses take the median where the network cannot know,
   and so decide; a squared loss takes the mean of both images, which is what fusion is to avoid.
3. Adam with warm-up, cosine decay and clipped gradients: a large step destroys the start.
4. The exponential moving average (EMA) of the weights is what is validated and saved; it is worth several dB.
5. Every `save_every` steps, and when the run ends or is stopped, the model and all that resuming needs are written,
   each whole or not at all.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Generator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers.csv_logs import CSVLogger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_

from napari_rpsnn.engine import memory
from napari_rpsnn.engine.device import choose_device
from napari_rpsnn.model.ambient import refuse_disturbed
from napari_rpsnn.model.arithmetic import has_bfloat16
from napari_rpsnn.model.network import RPSNN, widen
from napari_rpsnn.model.weights import load_model, save_model
from napari_rpsnn.training.checkpoint import NAME, PANELS, read_checkpoint, refuse_old_run, write_checkpoint
from napari_rpsnn.training.config import TrainConfig
from napari_rpsnn.training.dataset import read_pictures, split_pictures
from napari_rpsnn.training.pair_synthesis import Batch, PairMaker
from napari_rpsnn.training.validation import Validation


@dataclass(frozen=True)
class TrainReport:
    """After every step: its number, the loss, and the validation scores in dB when there are new ones."""

    step: int
    loss: float
    scores: dict[str, float] | None


def train(config: TrainConfig, *, resume: bool = False, overwrite: bool = False) -> Path:
    """Train a network and return the path of its weights.

    Parameters
    ----------
    config : TrainConfig
    resume : bool, optional
        Continue from the checkpoint in ``config.out``. On the same device the result equals that of a run without
        interruption.
    overwrite : bool, optional
        Replace the run that is in ``config.out``.

    Returns
    -------
    Path
        A ``.safetensors`` file that `load_model` and `fuse` take.

    Raises
    ------
    ValueError
        If the folder holds no usable pictures, or the checkpoint is damaged or of another configuration.
    FileExistsError
        If there is a run in ``config.out``, and it is neither to be resumed nor to be replaced.
    FloatingPointError
        If the loss is no longer finite. The last checkpoint is kept.

    Examples
    --------
    >>> from napari_rpsnn import TrainConfig, fuse, train
    >>> path = train(TrainConfig(data="pictures", out="run", width=16, steps=2000))  # doctest: +SKIP
    >>> fused = fuse(near, far, model=path)  # doctest: +SKIP
    """
    for _ in iter_train(config, resume=resume, overwrite=overwrite):
        pass
    return Path(config.out) / "model.safetensors"


def iter_train(
    config: TrainConfig, *, resume: bool = False, overwrite: bool = False
) -> Generator[TrainReport, bool | None]:
    """`train`, as a generator: yields a report after every step. Sending True stops after it; so does closing.

    When it is closed, or something is thrown into it, all is saved first.
    """
    refuse_disturbed("train")
    out = Path(config.out)
    checkpoint = out / NAME
    # To the CPU first: on a GPU Adam would wait for its own step counters.
    state = read_checkpoint(checkpoint) if resume else {}
    if resume:
        config.refuse_other_recipe(state["recipe"])
    else:
        refuse_old_run(out, overwrite)
    pictures = read_pictures(config.data, config.crop)
    training, held_out = split_pictures(pictures)
    out.mkdir(parents=True, exist_ok=True)

    fabric = launch(config)
    with torch.random.fork_rng(devices=()):  # the user's own random numbers go on as they would
        torch.default_generator.manual_seed(config.seed)
        network = RPSNN(config.width) if resume else _start(config)
    network = network.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate, betas=(0.9, 0.99))
    model, optimizer = fabric.setup(network, optimizer)
    step, seconds, scores, scored_step = 0, 0.0, dict[str, float](), 0
    if resume:
        try:
            network.load_state_dict(state["network"])
            averaged.load_state_dict(state["averaged"])
            optimizer.load_state_dict(state["optimizer"])
        except Exception as error:  # of tables that are not theirs torch raises nearly anything
            raise ValueError(f"resume: {checkpoint}: expected the state of a run, got another: {error}") from error
        step, seconds, scores, scored_step = (state[name] for name in ("step", "seconds", "scores", "scored_step"))

    pairs = PairMaker(
        training, crop=config.crop, kinds=config.kinds, seed=config.seed, borders=True, device=fabric.device
    )
    validation = Validation(held_out, config.kinds, fabric)
    # A folder of its own for every start, so that resuming adds to the logs.
    kinds_of_log = (CSVLogger, TensorBoardLogger) if fabric.is_global_zero else ()
    loggers = [kind(out / "logs", name="", version=f"from_step_{step}") for kind in kinds_of_log]
    started = time.monotonic() - seconds
    stop_at = None if config.minutes is None else time.monotonic() + 60 * config.minutes

    def save() -> None:
        if not fabric.is_global_zero:
            return
        elapsed = time.monotonic() - started
        state = {
            "recipe": config.recipe,
            "network": network.state_dict(),
            "averaged": averaged.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
            "seconds": elapsed,
            "scores": scores,
            "scored_step": scored_step,
        }
        write_checkpoint(checkpoint, state)
        card = {
            "version": version("napari-rpsnn"),
            "recipe": config.recipe,
            "step": step,
            "minutes": round(elapsed / 60, 1),
            "device": fabric.device.type,
            "validation_psnr_db": scores,
            "validated_at_step": scored_step,
            "pictures": {p.name: {"sha256": p.sha256[:16], "licence": p.licence} for p in pictures},
        }
        save_model(averaged, out / "model.safetensors", card)
        for logger in loggers:
            logger.save()

    stop: bool | None = False
    kept = resume  # whether the checkpoint is one of this run
    while step < config.steps and not _any(fabric, stop or (stop_at is not None and time.monotonic() > stop_at)):
        rate = config.learning_rate_at(step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        # Every process of a distributed run takes batches of its own.
        batch = pairs.batch(step * fabric.world_size + fabric.global_rank)
        loss = batch_loss(model, fabric, batch)
        optimizer.zero_grad()
        fabric.backward(loss)
        norm = clip_grad_norm_(network.parameters(), 1.0)
        # The norm is that of all processes, so that all of them stop.
        if not torch.isfinite(norm):
            left = f"{checkpoint} is the last good state" if kept else "nothing was saved before"
            raise FloatingPointError(f"The loss became {loss.item()} at step {step}; {left}")
        optimizer.step()
        step += 1
        _average(averaged, network, min(config.ema, step / (step + 9)))

        new_scores = None
        if fabric.is_global_zero and (step % config.save_every == 0 or step == config.steps):
            scores, scored_step = validation.scores(averaged), step
            new_scores = scores
            validation.draw_panel(averaged, out / PANELS / f"step_{step:07}.png")
            save()
            kept = True
        report = TrainReport(step, loss.item(), new_scores)
        if new_scores or step % 50 == 0:
            for logger in loggers:
                logger.log_metrics({"loss": report.loss, "learning_rate": rate, **(new_scores or {})}, step)
        try:
            stop = yield report
        except BaseException:  # closed, or stopped by Ctrl-C where it is run: between two steps all is whole
            save()
            raise
    if scored_step != step or not kept:
        save()


def batch_loss(model: nn.Module, fabric: Fabric, batch: Batch) -> Tensor:
    """Mean of both orders' losses, and half the L1 of what the order of the images changes.

    The branches share no weights, so that nothing else makes ``f(a, b)`` and ``f(b, a)`` agree.
    """
    near, far = batch.sources
    with fabric.autocast():
        fused, swapped = model(torch.cat([near, far]), torch.cat([far, near])).chunk(2)
    orders = (image_loss(fused, batch.sharp) + image_loss(swapped, batch.sharp)) / 2
    loss: Tensor = orders + (fused - swapped).abs().mean() / 2
    return loss


def image_loss(fused: Tensor, sharp: Tensor) -> Tensor:
    """Charbonnier (a smooth L1), half the L1 of the error's gradients, and the L1 of its means over 16x16 pixels.

    The last term is small beside the others where errors are of both signs, and keeps brightness and colour of a region
    from drifting, which the eye sees and the first two hardly count.
    """
    error = fused - sharp
    gradients = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    drift = F.avg_pool2d(error, 16).abs().mean()
    return torch.sqrt(error**2 + 1e-6).mean() + 0.5 * gradients + drift


def launch(config: TrainConfig) -> Fabric:
    """Processes, device and arithmetic of a run."""
    arithmetic: Any = config.precision
    try:
        if arithmetic == "auto":
            arithmetic = "bf16-mixed" if has_bfloat16(choose_device(config.device)) else "32-true"
        fabric = Fabric(
            accelerator=config.device,
            devices=config.devices,
            num_nodes=config.nodes,
            precision=arithmetic,
        )
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"device: {config.device!r} with devices={config.devices} cannot be used: {error}") from error
    fabric.launch()
    if fabric.device.type == "cpu":
        memory.keep_freed()
    return fabric


def _any(fabric: Fabric, flag: bool) -> bool:
    """Whether `flag` is true in any process: all stop together or wait for one another for ever."""
    if fabric.world_size == 1:
        return flag
    return bool(fabric.all_reduce(torch.tensor(float(flag), device=fabric.device), reduce_op="max"))


def _start(config: TrainConfig) -> RPSNN:
    if config.init is None:
        return RPSNN(config.width)
    network = load_model(config.init).train()
    return network if network.width == config.width else widen(network, config.width)


@torch.no_grad()
def _average(averaged: RPSNN, network: RPSNN, keep: float) -> None:
    for mean, new in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(new, 1 - keep)

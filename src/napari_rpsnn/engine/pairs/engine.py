"""The engine for one pair of pictures `(rows, columns, colours)`, in memory and by tasks, alone and in a stack.

1. Every tile of both pictures goes through the network.
2. By regression, its values are held between the two sources and are the result.
3. By decision, its values only vote for a source; when all tiles have voted, the picture is decided and composed,
   window by window, because the neighbourhood that decides is larger than a tile's halo ought to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_rpsnn.engine import device as devices
from napari_rpsnn.engine import inference, memory
from napari_rpsnn.engine.pairs.decision import DECISION_HALO, NEAR_HALO, compose, decide, mix
from napari_rpsnn.engine.pairs.evidence import VOTE_HALO, evidence, mean_channel, vote, widely
from napari_rpsnn.engine.pairs.plan import Plan, one_or_three
from napari_rpsnn.engine.shortage import Made, free, in_halves, is_shortage, named, say, unless_short
from napari_rpsnn.engine.stages import Stage, of_pair
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.images.tiling import Tile, narrowed, split_image, within
from napari_rpsnn.io import provenance
from napari_rpsnn.model.arithmetic import choose_dtype, half_network
from napari_rpsnn.model.network import HALO, RPSNN
from napari_rpsnn.model.pair_decider import bundled_decider
from napari_rpsnn.model.weights import ModelLike, model_sha256, prepared_model
from napari_rpsnn.options import Options

#: Anything of shape `(rows, columns, colours)` that gives a window of itself when it is indexed.
Picture = Any
Pair = tuple[Picture, Picture]


@dataclass
class Engine:
    """A network, where and how it runs, and what is made of its image.

    Where there is too little memory the tile becomes smaller, and in the end a GPU leaves the work to the CPU.

    Attributes
    ----------
    model : str, path-like or RPSNN
        What `network` was made from.
    composes_on : torch.device
        Where decisions are made and pictures composed.
    notes : list of str
        Sentences for the user about how the work went on.
    """

    model: ModelLike
    network: RPSNN
    device: torch.device
    dtype: torch.dtype
    tile: int
    method: str
    composes_on: torch.device
    notes: list[str] = field(default_factory=list)

    @classmethod
    def choose(cls, options: Options) -> Engine:
        """Engine of the user's options."""
        device = devices.choose_device(options.device)
        model = devices.choose_model(options.model, device)
        network = named(prepared_model)(model, device)
        dtype = choose_dtype(options.precision, device, network)
        tile = devices.choose_tile(options.tile, device, network.width, dtype)
        if device.type == "cpu":
            memory.settle()
        return cls(model, network, device, dtype, tile, options.method, device)

    @property
    def chosen(self) -> dict[str, Any]:
        """What was chosen where the options say auto, as options again."""
        dtype = str(self.dtype).removeprefix("torch.")
        return {"model": self.model, "device": str(self.device), "precision": dtype, "tile": self.tile}

    def made_by(self, options: Options) -> dict[str, Any]:
        """What makes the results of these options, see `provenance`."""
        chosen = self.chosen | {"model": devices.model_name(self.model), "model_sha256": model_sha256(self.model)}
        return provenance.made_by(options.said, chosen, self.notes)

    def stages(self, rows: int, columns: int, planes: int = 2) -> tuple[Stage, ...]:
        """What `fuse` yields after the steps of; of more planes, of one such fusion after the other."""
        return of_pair(len(self.tiles(rows, columns)), len(self.windows(rows, columns)), rows, columns, planes)

    def fuse(
        self,
        images: Pair,
        plan: Plan,
        layout: Layout,
        result: NDArray[Any],
        decision: NDArray[np.float32] | None = None,
    ) -> Iterator[str | None]:
        """Fuse a pair of pictures into `result`, another array of their shape.

        Yields None after every tile, and a sentence for the user where it has to begin anew with less memory.

        Parameters
        ----------
        images : tuple of two pictures
        plan : Plan
            Of the pair, or of the whole stack that they are from.
        layout : Layout
        result : ndarray
            Where the fused picture goes.
        decision : ndarray of shape `(rows, columns)`, optional
            Where the decision map goes: the share of the first picture.
        """
        rows, columns, _ = images[0].shape
        votes = np.empty((rows, columns), np.int8)
        looked = votes if self.method == "decision" else result
        told = len(self.notes)
        for place, part in self.look(images, plan, layout, self.tiles(rows, columns)):
            looked[place.write] = part
            yield from (*self.notes[told:], None)
            told = len(self.notes)
        for place in self.windows(rows, columns):
            parts = images[0][place.read], images[1][place.read]
            result[place.write], share = self.compose(parts, plan, layout, votes[place.read], place)
            if decision is not None:
                decision[place.write] = share
            yield from (*self.notes[told:], None)
            told = len(self.notes)

    def look(self, images: Pair, plan: Plan, layout: Layout, tiles: list[Tile]) -> Iterator[tuple[Tile, NDArray[Any]]]:
        """Yield, of every tile, what is to be written: votes by decision, values of the result by regression.

        Votes are for what `plan` puts first. Where memory falls short, it begins anew with smaller tiles.
        """
        rows, columns, _ = images[0].shape
        while True:
            try:
                yield from self._look(images, plan, layout, tiles)
                return
            except (RuntimeError, MemoryError) as error:
                self._take_less(error)
            tiles = self.tiles(rows, columns)

    def compose(
        self,
        parts: tuple[NDArray[Any], NDArray[Any]],
        plan: Plan,
        layout: Layout,
        votes: NDArray[np.int8],
        place: Tile,
    ) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Result and decision map of the inner part of a window that was read with a halo of `DECISION_HALO`."""
        first = plan.first(parts)

        def work(device: torch.device, part: Tile) -> Made:
            window = within(part.read, place.read)
            return self._compose(device, (first[0][window], first[1][window]), plan, layout, votes[window], part)

        composed, share = self.composing(work, place, DECISION_HALO, 2)
        return composed, 1 - share if plan.swapped else share

    def composing(self, work: Callable[[torch.device, Tile], Made], place: Tile, halo: int, step: int) -> Made:
        """What `work` returns of a window, where pictures are composed; for `halo` and `step` see `in_halves`."""
        if self.composes_on.type != "cpu":
            if (made := unless_short(work, self.composes_on, place)) is not None:
                return made
            free(self.device)
            self.composes_on = torch.device("cpu")
            say("The memory of the GPU was too small: the CPU puts the image together.", self.notes)
        return in_halves(lambda part: work(self.composes_on, part), place, halo, step, self.notes)

    def mean_vote(self, image0: NDArray[Any], image1: NDArray[Any], values: IntensityRange) -> float:
        """Which of two small pictures is in focus in more places: from 1, the first, to -1, the second."""
        return float(self._votes(image0, image1, values).mean()) / 127

    def vote_map(self, grey0: NDArray[np.float32], grey1: NDArray[np.float32]) -> NDArray[np.float32]:
        """Which of two small grey pictures in [0, 1] is in focus at each pixel: from 1, the first, to -1, the other.

        In float32 wherever it runs: whether a specimen is thin must not depend on the machine.
        """
        swapped = grey1.mean(dtype=np.float64) > grey0.mean(dtype=np.float64)  # the brighter one goes first
        first, second = (grey1, grey0) if swapped else (grey0, grey1)
        exact = replace(self, dtype=torch.float32)
        votes = exact._votes(first[..., None], second[..., None], IntensityRange(0.0, 1.0))
        return votes.astype(np.float32) / np.float32(-127 if swapped else 127)

    def _votes(self, image0: NDArray[Any], image1: NDArray[Any], values: IntensityRange) -> NDArray[np.int8]:
        rows, columns, _ = image0.shape
        whole = split_image(rows, columns, max(rows, columns), HALO)
        ((_, votes),) = self._run((image0, image1), Plan(values), lambda picture: picture, whole, vote)
        return votes

    def tiles(self, rows: int, columns: int) -> list[Tile]:
        """What `look` is to go through, of a picture of this size."""
        return split_image(rows, columns, self.tile, HALO + (VOTE_HALO if self.method == "decision" else 0))

    def windows(self, rows: int, columns: int) -> list[Tile]:
        """What `compose` is to go through when all tiles have voted; none by regression."""
        if self.method == "regression":
            return []
        return split_image(rows, columns, self.tile, DECISION_HALO)

    def _look(self, images: Pair, plan: Plan, layout: Layout, tiles: list[Tile]) -> Iterator[tuple[Tile, NDArray[Any]]]:
        images = plan.first(images)
        grey = images[0].shape[-1] == 1
        then = vote if self.method == "decision" else None
        for place, made in self._run(images, plan, layout.guide_channels, tiles, then):
            part = made[..., *place.inner]
            if self.method == "decision":
                yield place, part
                continue
            unit = np.moveaxis(part.mean(0, keepdims=True) if grey else part, 0, -1)
            # A value that neither source recorded is the network's error: held-out pairs gain by this, all kinds.
            ends = images[0][place.write], images[1][place.write]
            mixed = plan.values.from_unit(unit, images[0].dtype)
            yield place, np.clip(mixed, np.minimum(*ends), np.maximum(*ends))

    def _compose(
        self,
        device: torch.device,
        parts: tuple[NDArray[Any], NDArray[Any]],
        plan: Plan,
        layout: Layout,
        votes: NDArray[np.int8],
        place: Tile,
    ) -> tuple[NDArray[Any], NDArray[np.float32]]:
        # Only the wide neighbourhood needs all of the window.
        whole, near, inside = narrowed(place, NEAR_HALO)
        half = tuple(slice(axis.start // 2, -(-axis.stop // 2)) for axis in near)
        pair = parts[0][whole][near], parts[1][whole][near]
        exact = devices.holds(device, pair[0].dtype)
        guide: Callable[[Any], Any] = layout.guide_channels
        to_units = plan.to_units(exact, decides=True)

        @torch.inference_mode()
        def work() -> tuple[NDArray[Any], NDArray[np.float32]]:
            with inference.true_float32(device):
                voted = inference.to_host(votes[whole], device).to(device)
                hosts = [
                    inference.to_host(part if exact else plan.values.to_unit(guide(part)), device) for part in pair
                ]
                images = [part.to(device, non_blocking=True) for part in hosts]
                shown = map(guide, images) if exact else images
                units = (to_unit(image) for to_unit, image in zip(to_units, shown, strict=True))
                grey0, grey1 = (mean_channel(unit.movedim(-1, 0)) for unit in units)
                known = evidence(voted[near], widely(voted)[half], grey0, grey1)
                with inference.arithmetic(device, self.dtype):
                    weighed = bundled_decider(device)(known[None])[0].float()
                share = decide(weighed, *grey0.shape)
                composed = mix(images[0], images[1], share).cpu().numpy() if exact else compose(*pair, share)
                # Copies, so that the whole windows can go.
                return composed[inside].copy(), share[inside].cpu().numpy().copy()

        with inference.compute_thread() as run:
            composed: tuple[NDArray[Any], NDArray[np.float32]] = run(work)
        return composed

    def _run(
        self,
        images: Pair,
        plan: Plan,
        guide: Callable[[Any], Any],
        tiles: list[Tile],
        then: Callable[[Tensor, Tensor, Tensor], Tensor] | None,
    ) -> Iterator[tuple[Tile, NDArray[Any]]]:
        exact = devices.holds(self.device, images[0].dtype)
        values, to_units = plan.values, plan.to_units(exact, decides=then is not None)

        def read(window: tuple[slice, slice]) -> inference.Windows:
            part0, part1 = (guide(image[window]) for image in images)
            host0, host1 = (inference.to_host(x if exact else values.to_unit(x), self.device) for x in (part0, part1))
            return host0, host1

        seen = one_or_three(to_units[0]), one_or_three(to_units[1])
        half = half_network(self.network) if self.dtype == torch.float16 else None
        compute: inference.Network = half or self.network
        batch = devices.choose_batch(self.tile, self.device, self.network.width, self.dtype)
        return inference.iter_tiles(
            compute, read, tiles, device=self.device, dtype=self.dtype, to_units=seen, then=then, batch=batch
        )

    def _take_less(self, error: Exception) -> None:
        """Make do with less memory; raises again what cannot be helped."""
        if not is_shortage(error):
            raise error
        free(self.device)
        if self.tile > devices.LEAST_TILE:
            self.tile //= 2
            self.notes.append(f"The memory was too small: going on with tiles of {self.tile} pixels.")
            return
        if self.device.type == "cpu":
            raise error
        self.device = self.composes_on = torch.device("cpu")
        self.network = prepared_model(self.network, self.device)
        self.dtype = choose_dtype("auto", self.device, self.network)
        self.notes.append("The memory of the GPU was too small: going on on the CPU.")

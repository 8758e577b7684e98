"""The engine for one pair of pictures `(rows, columns, channels)`, tile by tile: used by `fusion` and `stack`.

1. Every tile of both pictures goes through the network.
2. By regression, its values are held between the two sources and are the result.
3. By decision, its values only vote for a source; when all tiles have voted, the picture is decided and composed,
   window by window, because the neighbourhood that decides is larger than a tile's halo ought to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_rpsnn.engine import inference, memory
from napari_rpsnn.engine.decision import (
    DECISION_HALO,
    NEAR_HALO,
    VOTE_HALO,
    compose,
    decide,
    evidence,
    hesitate,
    mean_channel,
    mix,
    vote,
    widely,
)
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.tiling import Tile, narrowed, split_image
from napari_rpsnn.model.decider import bundled_decider
from napari_rpsnn.model.network import HALO, RPSNN
from napari_rpsnn.model.weights import ModelLike, prepared_model

#: Of an array or a tensor.
Seen = Callable[[Any], Any]

METHODS = ("decision", "regression")


@dataclass
class Engine:
    """A network, where and how it runs, and what is made of its image.

    Where a GPU has too little memory, the tile becomes smaller, and in the end the network moves to the CPU.
    """

    network: RPSNN
    dtype: torch.dtype
    tile: int
    method: str

    @classmethod
    def choose(cls, model: ModelLike, device: str, precision: str, tile: int | str, method: str) -> Engine:
        """Engine of the user's options, each checked."""
        if method not in METHODS:
            raise ValueError(f"method: expected {' or '.join(map(repr, METHODS))}, got {method!r}")
        chosen = inference.choose_device(device)
        network = prepared_model(inference.choose_model(model, chosen), chosen)
        dtype = inference.choose_precision(precision, chosen, network)
        side = inference.choose_tile(tile, chosen, network.width, dtype)
        if chosen.type == "cpu":
            memory.keep_freed()
        return cls(network, dtype, side, method)

    def steps(self, rows: int, columns: int) -> int:
        """How often `fuse` yields."""
        return len(self.tiles(rows, columns)) + len(self.windows(rows, columns))

    def fuse(
        self,
        image0: NDArray[Any],
        image1: NDArray[Any],
        values: IntensityRange,
        result: NDArray[Any],
        decision: NDArray[np.float32] | None = None,
        seen: Seen = lambda picture: picture,
        stay: float = 0.0,
    ) -> Iterator[str | None]:
        """Fuse a pair of pictures into `result`, another array of their shape.

        Yields None after every tile, and a sentence for the user where it has to begin anew with less memory.

        Parameters
        ----------
        image0, image1 : ndarray of shape `(rows, columns, channels)`, or Picture
        values : IntensityRange
            Of what the network is to see of both pictures, or of the whole stack they are from.
        result : ndarray
            Where the fused picture goes.
        decision : ndarray of shape `(rows, columns)`, optional
            Where the decision map goes.
        seen : callable, optional
            Returns the channels that the network is to see. Three are RGB; any other number is averaged.
        stay : float, optional
            What the second picture needs to win a region, see `hesitate`.
        """
        rows, columns, _ = image0.shape
        votes = np.empty((rows, columns), np.int8)
        looked = votes if self.method == "decision" else result
        while True:
            try:
                for place, part in self.look(image0, image1, values, seen, self.tiles(rows, columns)):
                    looked[place.write] = part
                    yield None
                break
            except torch.OutOfMemoryError:
                note = self._take_less()
            yield note

        for place in self.windows(rows, columns):
            part0, part1, voted = (picture[place.read] for picture in (image0, image1, votes))
            result[place.write], share = self.compose(part0, part1, voted, place, values, seen, stay)
            if decision is not None:
                decision[place.write] = share
            yield None

    def _take_less(self) -> str:
        """Make do with less memory of a GPU; raises again what cannot be helped."""
        device = next(self.network.parameters()).device
        if device.type == "cuda":
            torch.cuda.empty_cache()
        if self.tile > inference.LEAST_TILE:
            self.tile //= 2
            return f"The memory of the GPU was too small: going on with tiles of {self.tile} pixels."
        if device.type == "cpu":
            raise
        cpu = torch.device("cpu")
        self.network = prepared_model(self.network, cpu)
        self.dtype = inference.choose_precision("auto", cpu, self.network)
        return "The memory of the GPU was too small: going on on the CPU."

    def look(
        self, image0: NDArray[Any], image1: NDArray[Any], values: IntensityRange, seen: Seen, tiles: list[Tile]
    ) -> Iterator[tuple[Tile, NDArray[Any]]]:
        """Yield, of every tile, what is to be written: votes by decision, values of the result by regression."""
        grey = image0.shape[-1] == 1
        for place, made in self._run(image0, image1, values, seen, tiles, vote if self.method == "decision" else None):
            part = made[..., *place.inner]
            if self.method == "decision":
                yield place, part
                continue
            unit = np.moveaxis(part.mean(0, keepdims=True) if grey else part, 0, -1)
            # A value that neither source recorded is the network's error: held-out pairs gain by this, all kinds.
            ends = image0[place.write], image1[place.write]
            mixed = values.from_unit(unit, image0.dtype)
            yield place, np.clip(mixed, np.minimum(*ends), np.maximum(*ends))

    def compose(
        self,
        part0: NDArray[Any],
        part1: NDArray[Any],
        votes: NDArray[np.int8],
        place: Tile,
        values: IntensityRange,
        seen: Seen,
        stay: float,
    ) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Result and decision map of the inner part of a window that was read with a halo of `DECISION_HALO`."""
        device = next(self.network.parameters()).device
        # Only the wide neighbourhood needs all of the window.
        whole, near, inside = narrowed(place, NEAR_HALO)
        half = tuple(slice(axis.start // 2, -(-axis.stop // 2)) for axis in near)
        pair = part0[whole][near], part1[whole][near]
        exact = _held_on(device, part0.dtype)

        @torch.inference_mode()
        def work() -> tuple[NDArray[Any], NDArray[np.float32]]:
            with inference.true_float32(device):
                voted = inference.to_host(votes[whole], device).to(device)
                parts = [inference.to_host(part if exact else values.to_unit(seen(part)), device) for part in pair]
                images = [part.to(device, non_blocking=True) for part in parts]
                units = (values.to_unit_tensor(seen(image)) if exact else image for image in images)
                grey0, grey1 = (mean_channel(unit.movedim(-1, 0)) for unit in units)
                known = evidence(voted[near], widely(voted)[half], grey0, grey1)
                with inference.arithmetic(device, self.dtype):
                    weighed = bundled_decider(device)(known[None])[0].float()
                share = decide(hesitate(weighed, stay), *grey0.shape)
                composed = mix(images[0], images[1], share).cpu().numpy() if exact else compose(*pair, share)
                # Copies, so that the whole windows can go.
                return composed[inside].copy(), share[inside].cpu().numpy().copy()

        with inference.ready() as run:
            composed: tuple[NDArray[Any], NDArray[np.float32]] = run(work)
        return composed

    def mean_vote(self, image0: NDArray[Any], image1: NDArray[Any], values: IntensityRange) -> float:
        """Which of two small pictures is in focus in more places: from 1, the first, to -1, the second."""
        rows, columns, _ = image0.shape
        whole = split_image(rows, columns, max(rows, columns), HALO)
        ((_, votes),) = self._run(image0, image1, values, lambda picture: picture, whole, vote)
        return float(votes.mean()) / 127

    def _run(
        self,
        image0: NDArray[Any],
        image1: NDArray[Any],
        values: IntensityRange,
        seen: Seen,
        tiles: list[Tile],
        then: Callable[[Tensor, Tensor, Tensor], Tensor] | None,
    ) -> Iterator[tuple[Tile, NDArray[Any]]]:
        device = next(self.network.parameters()).device
        exact = _held_on(device, image0.dtype)

        def read(window: tuple[slice, slice]) -> inference.Windows:
            part0, part1 = (seen(image[window]) for image in (image0, image1))
            host0, host1 = (inference.to_host(x if exact else values.to_unit(x), device) for x in (part0, part1))
            return host0, host1

        def to_unit(pictures: Tensor) -> Tensor:
            units = values.to_unit_tensor(pictures) if exact else pictures
            return units if units.shape[-1] == 3 else units.mean(-1, keepdim=True)

        batch = inference.choose_batch(self.tile, device, self.network.width, self.dtype)
        return inference.iter_tiles(
            self.network, read, tiles, dtype=self.dtype, to_unit=to_unit, then=then, batch=batch
        )

    def tiles(self, rows: int, columns: int) -> list[Tile]:
        """What `look` is to go through, of a picture of this size."""
        return split_image(rows, columns, self.tile, HALO + (VOTE_HALO if self.method == "decision" else 0))

    def windows(self, rows: int, columns: int) -> list[Tile]:
        """What `compose` is to go through when all tiles have voted; none by regression."""
        if self.method == "regression":
            return []
        return split_image(rows, columns, self.tile, DECISION_HALO)


def _held_on(device: torch.device, dtype: np.dtype[Any]) -> bool:
    """Whether pictures go to the device as they are, and what is made of them there is exact."""
    # Apple GPUs have no unsigned 16-bit integers.
    return dtype.kind in "ui" and dtype.itemsize <= 2 and device.type != "mps"

"""Time and peak memory of a training step: a batch of pairs, forwards and backwards."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric
from skimage import data

from napari_rpsnn.model.network import RPSNN
from napari_rpsnn.training.dataset import Picture
from napari_rpsnn.training.loop import batch_loss
from napari_rpsnn.training.pair_synthesis import PairMaker

KINDS = {"geometric": 2, "fluorescence": 1, "brightfield": 1}


class TrainingStep:
    """A batch of four patches of 64x64 pixels."""

    params = ([16, 64],)
    param_names = ("width",)
    timeout = 600

    def setup(self, width: int) -> None:
        """Make a network, an optimiser and the pictures."""
        image = torch.from_numpy(data.immunohistochemistry()).permute(2, 0, 1).contiguous()
        self.pairs = PairMaker([Picture("section", (image,))], crop=64, kinds=KINDS)
        self.fabric = Fabric(accelerator="cpu", devices=1)
        network = RPSNN(width).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model, self.optimizer = self.fabric.setup(network, torch.optim.Adam(network.parameters(), lr=1e-4))
        self.batch = self.pairs.batch(0)

    def time_pairs(self, width: int) -> None:
        """Making the pairs alone."""
        self.pairs.batch(1)

    def time_step(self, width: int) -> None:
        """A step on pairs that are there."""
        loss = batch_loss(self.model, self.fabric, self.batch)
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.optimizer.step()

    def peakmem_step(self, width: int) -> None:  # noqa: D102
        self.time_step(width)

"""How good a network is on held-out pictures: scores for the log, and a panel for the eye."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from skimage.io import imsave
from torch import Tensor

from napari_rpsnn.model.network import RPSNN
from napari_rpsnn.training.dataset import Picture
from napari_rpsnn.training.pair_synthesis import Batch, PairMaker

#: Pairs of each kind, and the side of a patch in pixels: the same for every run, so that runs can be compared.
PAIRS = 32
CROP = 112


class Validation:
    """The same held-out pairs at every call, whatever the seed of the run.

    Parameters
    ----------
    pictures : sequence of Picture
        Pictures that training does not see.
    kinds : mapping of str to int
        Kinds of pairs to look at: those with a count.
    fabric : Fabric
        Its device and arithmetic are used.
    """

    def __init__(self, pictures: Sequence[Picture], kinds: dict[str, int], fabric: Fabric) -> None:
        triples = any(p.is_triple for p in pictures)
        sharp = any(not p.is_triple for p in pictures)
        self.makers = {
            kind: PairMaker(pictures, crop=CROP, kinds={kind: 8}, seed=1, device=fabric.device)
            for kind, count in kinds.items()
            if count and (triples if kind == "measured" else sharp)
        }
        self.fabric = fabric

    @torch.no_grad()
    def scores(self, network: RPSNN) -> dict[str, float]:
        """PSNR in dB of the network and of the plain average of its inputs, by kind of defocus.

        The mean square error is averaged over all pairs first, so that pairs of two equal inputs, where the average is
        perfect, count as what they are: nothing to be done. 100 dB stands for no error at all.
        """
        scores = {}
        for kind, maker in self.makers.items():
            squares: dict[str, list[Tensor]] = {"network": [], "average": []}
            for i in range(PAIRS // 8):
                batch = maker.batch(i)
                squares["network"].append((self._fuse(network, batch) - batch.sharp) ** 2)
                squares["average"].append(((batch.near + batch.far) / 2 - batch.sharp) ** 2)
            for name, values in squares.items():
                scores[f"{kind} {name}"] = round(-10 * math.log10(max(torch.cat(values).mean().item(), 1e-10)), 2)
        return scores

    @torch.no_grad()
    def draw_panel(self, network: RPSNN, path: Path) -> None:
        """Write a picture of two pairs of each kind: near, far, fused, truth, 4 times the error."""
        if not self.makers:
            return
        rows = []
        for maker in self.makers.values():
            batch = maker.batch(0)
            fused = self._fuse(network, batch).float()
            error = (4 * (fused - batch.sharp)).abs()
            rows += [torch.cat([x[i] for x in (batch.near, batch.far, fused, batch.sharp, error)], 2) for i in (0, 1)]
        image = torch.cat(rows, 1).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
        path.parent.mkdir(parents=True, exist_ok=True)
        imsave(path, np.rint(image * 255).astype(np.uint8), check_contrast=False)

    def _fuse(self, network: RPSNN, batch: Batch) -> Tensor:
        with self.fabric.autocast():
            fused: Tensor = network(*batch.sources)
        return fused

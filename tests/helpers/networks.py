"""Networks that the tests share, and how they are run in tiles."""

import numpy as np
import torch
from torch import nn

from napari_rpsnn.engine.inference import iter_tiles
from napari_rpsnn.images.tiling import split_image
from napari_rpsnn.model.arithmetic import half_network
from napari_rpsnn.model.network import HALO, RPSNN


def randomized(width=16, seed=0):
    """A network in which every weight counts; the start's many zeros would hide mistakes."""
    torch.manual_seed(seed)
    network = RPSNN(width)
    for weight in network.parameters():
        nn.init.kaiming_normal_(weight, a=0.1)
        weight.data *= 0.6
    return network


def image(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def fuse_tiled(network, pair, tile, halo=HALO, dtype=torch.float64, **options):
    fused = np.full(pair[0].shape, np.nan)
    read = lambda window: tuple(torch.from_numpy(x[window]) for x in pair)  # noqa: E731
    device, compute = next(network.parameters()).device, network if dtype != torch.float16 else half_network(network)
    tiles = split_image(*fused.shape[:2], tile, halo)
    for place, values in iter_tiles(compute, read, tiles, device=device, dtype=dtype, **options):
        fused[place.write] = np.moveaxis(values, 0, -1)[place.inner]
    return fused

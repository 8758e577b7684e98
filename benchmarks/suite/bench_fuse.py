"""Time and peak memory of `fuse` and `fuse_stack` over size, model, precision, tile and planes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import data

from napari_rpsnn import fuse, fuse_stack
from napari_rpsnn.engine.device import choose_device
from napari_rpsnn.model.arithmetic import has_bfloat16


def planes(count: int, side: int) -> NDArray[np.uint8]:
    """8-bit grey planes, each sharp in a strip of its own."""
    sharp = np.resize(data.camera(), (side, side))
    blurred = (sharp // 2 + np.roll(sharp, 2, 0) // 4 + np.roll(sharp, 2, 1) // 4).astype(np.uint8)
    made = np.stack([blurred] * count)
    for k, strip in enumerate(np.array_split(np.arange(side), count)):
        made[k, strip] = sharp[strip]
    return made


class FusePair:
    """`fuse` of a pair, weights in the cache already."""

    params = ([128, 512], ["rpsnn-lite", "rpsnn"], ["float32", "bfloat16"])
    param_names = ("side", "model", "precision")
    timeout = 600

    def setup(self, side: int, model: str, precision: Any) -> None:
        """Make the pair; leave out what the hardware has not."""
        if precision == "bfloat16" and not has_bfloat16(choose_device("auto")):
            raise NotImplementedError
        self.pair = planes(2, side)
        fuse(*self.pair[:, :64, :64], model=model, precision=precision)

    def time_fuse(self, side: int, model: str, precision: Any) -> None:  # noqa: D102
        fuse(*self.pair, model=model, precision=precision)

    def peakmem_fuse(self, side: int, model: str, precision: Any) -> None:  # noqa: D102
        fuse(*self.pair, model=model, precision=precision)


class FuseTiles:
    """`fuse` of a pair in tiles: small ones save memory and cost overlap."""

    params = ([128, 256, 512, "auto"],)
    param_names = ("tile",)
    timeout = 600
    side = 768

    def setup(self, tile: Any) -> None:
        """Make the pair."""
        self.pair = planes(2, self.side)
        fuse(*self.pair[:, :64, :64])

    def time_fuse(self, tile: Any) -> None:  # noqa: D102
        fuse(*self.pair, tile=tile)

    def peakmem_fuse(self, tile: Any) -> None:  # noqa: D102
        fuse(*self.pair, tile=tile)


class FuseStack:
    """`fuse_stack` over the number of planes."""

    params = ([3, 6, 12], ["cascade", "tree"])
    param_names = ("planes", "order")
    timeout = 600
    side = 256

    def setup(self, count: int, order: Any) -> None:
        """Make the stack."""
        self.stack = planes(count, self.side)
        fuse(*self.stack[:2, :64, :64])

    def time_fuse_stack(self, count: int, order: Any) -> None:  # noqa: D102
        fuse_stack(self.stack, order=order)

    def peakmem_fuse_stack(self, count: int, order: Any) -> None:  # noqa: D102
        fuse_stack(self.stack, order=order)

    def time_height(self, count: int, order: Any) -> None:  # noqa: D102
        fuse_stack(self.stack, order=order, return_height=True)

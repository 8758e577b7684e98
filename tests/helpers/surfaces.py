"""What the tests of heights share."""

import numpy as np

from napari_rpsnn.engine.stacks.depth_from_focus import iter_heights
from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import Layout

GREY = Layout.of((1, 1), None, None)
VALUES = IntensityRange(0, 255)


def stack(rows, columns, planes, channels=1):
    """Planes and their index: uint8 noise, and a step with wrong pixels."""
    rng = np.random.default_rng(0)
    index = np.minimum(np.arange(columns) * planes // columns, planes - 1) + rng.integers(0, 2, (rows, columns))
    return rng.integers(0, 256, (planes, rows, columns, channels), np.uint8), (index % planes).astype(np.uint16)


def whole(images, index, layout=GREY):
    """Heights as of a stack in memory that has been fused."""
    heights = np.full(index.shape, np.nan, np.float32)
    steps = iter_heights(lambda k: (images[k], None), len(images), layout, VALUES, index, heights, threads=2)
    assert len(list(steps)) == len(images)
    return heights

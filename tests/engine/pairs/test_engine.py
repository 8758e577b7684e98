"""What happens where the memory of a GPU is too small: simulated, since the tests run on a CPU."""

import numpy as np
import pytest
import torch

from napari_rpsnn import fuse
from napari_rpsnn.engine import inference
from napari_rpsnn.engine.results import drain
from napari_rpsnn.fusion import iter_fuse
from napari_rpsnn.options import FuseOptions


@pytest.fixture
def room_for(monkeypatch):
    """Let networks run out of memory on windows of more than so many pixels."""
    run = inference._fuse_windows

    def room(pixels):
        def short(network, windows, *options):
            if windows[0][0][..., 0].numel() > pixels:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return run(network, windows, *options)

        monkeypatch.setattr(inference, "_fuse_windows", short)

    return room


@pytest.fixture(scope="module")
def large_pair(grey_pair):
    return [np.tile(picture, (4, 3)) for picture in grey_pair[:2]]  # 384x384


def test_tiles_are_halved_until_they_fit(room_for, large_pair):
    expected = fuse(*large_pair, precision="float32", tile=128)
    room_for(200**2)
    steps = list(iter_fuse(*large_pair, FuseOptions(precision="float32", tile=512)))
    notes = [step.note for step in steps if step.note]
    assert notes == [
        "The memory was too small: going on with tiles of 256 pixels.",
        "The memory was too small: going on with tiles of 128 pixels.",
    ]
    assert steps[-1].done == steps[-1].total
    np.testing.assert_array_equal(fuse(*large_pair, precision="float32", tile=512), expected)


def test_what_cannot_be_helped_is_raised(room_for, large_pair):
    room_for(0)
    with pytest.raises(torch.OutOfMemoryError):
        drain(iter_fuse(*large_pair, FuseOptions()))

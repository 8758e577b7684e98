"""The 20 Lytro pairs (M. Nejati et al., Information Fusion 25, 2015), where a copy lies beside the checkout."""

from pathlib import Path

import numpy as np
import pytest
from skimage.io import imread

from napari_rpsnn import fuse
from napari_rpsnn.cli.demo import sharper_source

LYTRO = Path(__file__).parents[2] / "shared" / "eval" / "lytro"

pytestmark = pytest.mark.skipif(not LYTRO.is_dir(), reason=f"no Lytro pairs at {LYTRO}")


def read(number):
    return (imread(LYTRO / f"img{k}" / f"lytro-{number:02}.jpg") for k in (1, 2))


def gradient(image):
    grey = image.mean(-1)
    return np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()


# The full model takes 11 times as long: four minutes for all pairs without bfloat16.
@pytest.mark.parametrize(
    ("model", "number"), [("rpsnn-lite", n) for n in range(1, 21)] + [("rpsnn", n) for n in range(1, 21, 5)]
)
def test_sharper_than_both_sources_without_a_shift_of_colour(model, number):
    near, far = read(number)
    fused = fuse(near, far, channel_axis=-1, model=model)
    assert gradient(fused) > max(gradient(near), gradient(far))
    # What is in focus is often darker than what is not, because bright points spread in defocus: on these pairs copies
    # of source pixels are already up to 3 grey levels from the mean of both. The result must stay between the two.
    plain = (near.mean((0, 1)) + far.mean((0, 1))) / 2
    copied = sharper_source(near, far).mean((0, 1))
    assert (fused.mean((0, 1)) > np.minimum(plain, copied) - 1).all()
    assert (fused.mean((0, 1)) < np.maximum(plain, copied) + 1).all()


def test_tiles_leave_no_seams():
    near, far = read(1)
    whole = fuse(near, far, channel_axis=-1, model="rpsnn-lite", precision="float32")
    tiled = fuse(near, far, channel_axis=-1, model="rpsnn-lite", precision="float32", tile=100)
    # Equal but for values that lie on the edge of rounding to 8 bits.
    assert np.mean(tiled != whole) < 1e-3
    assert np.abs(tiled.astype(int) - whole).max() <= 1

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from napari_rpsnn import fuse_stack
from napari_rpsnn.engine.stacks import statistics
from napari_rpsnn.engine.stacks.evidence import halved, is_oversampled

PLANES, SIDE = 8, 256


def tilted(resolved, noise, seed=0):
    """A texture seen at an angle by a microscope that resolves `resolved` pixels, and the truth."""
    rng = np.random.default_rng(seed)
    sharp = gaussian_filter(data.gravel()[:SIDE, :SIDE] / 255, resolved)
    sharp = 0.5 + 0.2 * (sharp - sharp.mean()) / sharp.std()
    where = np.linspace(0, PLANES - 1, SIDE)
    levels = np.stack([gaussian_filter(sharp, 1.5 * k / 16) for k in range(16 * PLANES)])
    clean = np.stack([levels[np.rint(16 * np.abs(where - k)).astype(int), :, np.arange(SIDE)].T for k in range(PLANES)])
    planes = np.rint(255 * (clean + noise / 255 * rng.normal(size=clean.shape))).clip(0, 255).astype(np.uint8)
    return planes, clean, where


def taken(planes, clean, where):
    index = fuse_stack(planes, return_index=True)[1].astype(int)
    return np.mean(np.abs(index - where) <= 1), np.take_along_axis(clean, index[None], 0)[0]


@pytest.mark.parametrize("seed", [0, 1])
def test_planes_are_compared_where_their_detail_is(seed, monkeypatch):
    planes, clean, where = tilted(4, 2.0, seed)
    share, _ = taken(planes, clean, where)
    monkeypatch.setattr(statistics, "is_oversampled", lambda *_: False)
    assert share > 0.9
    assert share > taken(planes, clean, where)[0] - 0.02


@pytest.mark.parametrize(
    ("resolved", "noise", "expected"),
    [(4, 2, True), (5, 3, True), (0.3, 2, False), (0.3, 20, False), (4, 40, False)],
)
def test_only_where_the_finest_band_shows_noise_alone(resolved, noise, expected):
    planes = torch.from_numpy(tilted(resolved, noise)[0] / np.float32(255))
    assert is_oversampled(list(planes[:, None, None]), [1.0] * PLANES) == expected


def test_what_is_copied_is_at_the_full_resolution():
    planes, _, _ = tilted(4, 2.0)
    planes = planes[:, :201, :243]
    image, index = fuse_stack(planes, return_index=True)
    np.testing.assert_array_equal(image, np.take_along_axis(planes, index[None].astype(int), 0)[0])


def test_halved_planes_are_in_steps():
    assert halved(torch.zeros(2, 1, 48, 80)).shape == (2, 1, 32, 48)

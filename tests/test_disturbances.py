"""What the network sees is protected: a hot pixel and another brightness of two images decide nothing."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from napari_rpsnn import fuse, fuse_stack

LITE = {"model": "rpsnn-lite", "device": "cpu"}


@pytest.fixture(scope="module")
def pair():
    """Near and far in 16 bits of little signal, each sharp in a half, and the truth."""
    truth = 100 + data.camera()[60:188, 120:264] * 2.0
    blurred = gaussian_filter(truth, 2)
    near, far = truth.copy(), truth.copy()
    near[:, 72:], far[:, :72] = blurred[:, 72:], blurred[:, :72]
    return near.astype(np.uint16), far.astype(np.uint16), truth


def quality(image, truth):
    return peak_signal_noise_ratio(truth, image.astype(float), data_range=510)


@pytest.mark.parametrize("run", [fuse, lambda a, b, **more: fuse_stack([a, b], **more)], ids=["pair", "stack of two"])
@pytest.mark.parametrize("hot", [20000, 65535])
def test_a_hot_pixel_changes_no_other_one_and_is_not_taken(pair, hot, run):
    near, far, truth = pair
    clean = run(near, far, **LITE)
    near = near.copy()
    near[40, 30], near[80, 100] = hot, hot
    fused = run(near, far, **LITE)
    assert fused.max() < 700
    assert np.mean(fused != clean) < 0.01
    assert quality(fused, truth) > quality(clean, truth) - 0.3


@pytest.mark.parametrize(("gain", "offset"), [(1.2, 0), (0.7, 0), (1, 60)])
def test_another_brightness_decides_nothing(pair, gain, offset):
    near, far, _ = pair
    brighter = np.rint(near * gain + offset).astype(np.uint16)
    _, clean = fuse(near, far, return_map=True, **LITE)
    _, share = fuse(brighter, far, return_map=True, **LITE)
    assert np.abs(share - clean).mean() < 0.02
    _, other = fuse(far, brighter, return_map=True, **LITE)
    np.testing.assert_allclose(other, 1 - share, atol=1e-6)
    maps = {"return_index": True, **LITE}
    _, index = fuse_stack([brighter, far], **maps)
    assert np.mean(index != (share < 0.5)) < 0.02


@pytest.mark.parametrize(("gain", "offset"), [(5, 0), (30, 0), (100, 0), (1000, 0), (1e6, 0), (1, 1e5)])
def test_a_plane_that_is_far_brighter_takes_nothing_from_the_others(gain, offset):
    sharp = data.camera()[60:160, 100:300].astype(np.float32) / 255
    planes = np.stack([gaussian_filter(sharp, 3)] * 5)
    for k in range(5):
        planes[k, :, 40 * k : 40 * (k + 1)] = sharp[:, 40 * k : 40 * (k + 1)]
    planes[2] = gain * planes[2] + offset
    _, index, confidence = fuse_stack(planes, return_index=True, return_confidence=True)
    assert not np.isnan(confidence).any()
    for k in (0, 1, 3, 4):
        assert np.mean(index[:, 40 * k + 4 : 40 * k + 36] == k) > 0.8


@pytest.mark.parametrize("count", [2, 3])
def test_what_is_returned_is_of_one_brightness_on_request(pair, count):
    near, far, truth = pair
    planes = np.stack([near * 1.2, far, gaussian_filter(truth, 2) * 0.9])[:count].astype(np.float32)
    fused = fuse_stack(planes, match_brightness=True, precision="float32", **LITE)
    assert quality(fused * (truth.mean() / fused.mean()), truth) > 40
    plain = fuse_stack(planes, precision="float32", **LITE)
    assert quality(plain * (truth.mean() / plain.mean()), truth) < 30
    da = pytest.importorskip("dask.array")
    lazy = fuse_stack(da.from_array(planes, chunks=(1, 50, 70)), match_brightness=True, precision="float32", **LITE)
    np.testing.assert_array_equal(lazy.compute(), fused)
    if count == 2:
        np.testing.assert_array_equal(fuse(*planes, match_brightness=True, precision="float32", **LITE), fused)


def test_plain_ground_does_not_come_from_a_plane_of_another_brightness():
    """Values made brighter for comparing have coarser steps, and steps are no detail."""
    sharp = data.camera()[20:148, 120:264].astype(float)
    blurred = gaussian_filter(sharp, 3)
    planes = np.stack([blurred] * 4)
    for k, part in enumerate(np.array_split(np.arange(144), 4)):
        planes[k, 64:, part] = sharp[64:, part].T
    dark = planes.copy()
    dark[2] *= 0.7
    _, clean = fuse_stack(np.rint(planes).astype(np.uint8), return_index=True)
    _, index = fuse_stack(np.rint(dark).astype(np.uint8), return_index=True)
    sky = slice(0, 48)
    assert np.mean(index[sky] == 2) <= np.mean(clean[sky] == 2) + 0.05
    assert np.mean(index[80:] != clean[80:]) < 0.1


@pytest.mark.parametrize("gain", [0.6, 1.35])
def test_a_plane_that_stands_apart_by_its_brightness_is_not_taken_for_a_little_more_detail(gain):
    """A flash: a band of that brightness is worse than its neighbours, which are a little out of focus there."""
    truth = data.camera()[60:188, 120:264] * 0.7
    focus = np.linspace(0, 5, truth.shape[1])
    levels = np.stack([gaussian_filter(truth, s) for s in np.linspace(0, 4, 41)])
    planes = np.stack([levels[np.abs(np.rint(8 * (focus - k))).astype(int), :, range(len(focus))].T for k in range(6)])
    planes[2] *= gain
    taken = fuse_stack(planes.astype(np.float32), **LITE)
    error = [np.sqrt(np.mean((image - truth) ** 2)) for image in (taken, planes.mean(0))]
    assert error[0] < 0.7 * error[1]
    matched, index = fuse_stack(planes.astype(np.float32), return_index=True, match_brightness=True, **LITE)
    assert np.mean(index == 2) > 0.15  # where brightness is made equal, it is taken where it is in focus
    assert np.abs(matched / matched.mean() - truth / truth.mean()).mean() < 0.01

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from napari_rpsnn import fuse, fuse_stack
from napari_rpsnn.cli.demo import average
from napari_rpsnn.plugin import sample_data

SAMPLES = {f.__name__: f for f in (sample_data.brightfield_pair, sample_data.fluorescence_stack)}


@pytest.fixture(scope="module")
def opened():
    """Layers of every sample by its name."""
    return {name: sample() for name, sample in SAMPLES.items()}


@pytest.fixture
def pair(opened):
    """Data of near, far and the truth."""
    return [data for data, *_ in opened["brightfield_pair"]]


@pytest.fixture
def stack(opened):
    """Data of the stack, the truth and the true height."""
    return [data for data, *_ in opened["fluorescence_stack"]]


@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_at_every_call_and_whatever_was_drawn_before(opened, name):
    np.random.seed(3)  # noqa: NPY002
    torch.manual_seed(3)
    for (data, *_), (expected, *_) in zip(SAMPLES[name](), opened[name], strict=True):
        np.testing.assert_array_equal(data, expected)


@pytest.mark.parametrize("name", SAMPLES)
def test_all_layers_lie_on_one_place_and_the_truth_is_hidden(opened, name):
    for data, attributes, kind in opened[name]:
        assert kind == "image"
        assert data.shape[len(attributes["scale"]) - 2 :][:2] == (384, 384)
        assert attributes["scale"][-2:] == (0.325, 0.325)
        assert set(attributes["units"]) == {"um"}
        assert attributes["axis_labels"][-2:] == ("y", "x")
        assert attributes.get("visible", True) != attributes["name"].startswith("tru")


def test_of_the_pair_each_is_sharp_where_the_other_is_not(pair):
    near, far, truth = (x.astype(float) for x in pair)
    left, right = (slice(None), slice(0, 100)), (slice(None), slice(-100, None))
    for image, sharp, blurred in ((near, left, right), (far, right, left)):
        assert np.abs(image - truth)[sharp].max() <= 1
        assert np.abs(image - truth)[blurred].mean() > 10


def test_the_pair_is_fused_well(pair):
    near, far, truth = pair
    fused = fuse(near, far, channel_axis=-1)
    assert peak_signal_noise_ratio(truth, fused) > peak_signal_noise_ratio(truth, average(near, far)) + 10


def test_the_specimen_lies_within_the_stack(stack):
    planes, _, height = stack
    assert (planes.dtype, planes.shape) == (np.uint16, (12, 384, 384))
    assert height.min() > 0
    assert height.max() < 22
    assert np.ptp(height) > 15


def test_every_place_is_closest_to_the_truth_in_the_plane_of_its_height(stack):
    planes, truth, height = (x.astype(float) for x in stack)
    error = np.square(planes - truth).reshape(12, 24, 16, 24, 16).mean((2, 4))  # of blocks of 16x16 pixels
    expected = height.reshape(24, 16, 24, 16).mean((1, 3)) / 2
    seen = truth.reshape(24, 16, 24, 16).std((1, 3)) > 300
    assert seen.mean() > 0.5
    assert np.abs(error.argmin(0) - expected)[seen].max() < 1.5


def test_part_of_the_stack_is_fused_well_and_its_height_is_found(stack):
    planes, truth, height = (x[..., 140:236, 140:236] for x in stack)
    fused, found = fuse_stack(planes, return_height=True, plane_spacing=2.0)
    scale = float(truth.max()) - 100
    decibels = [peak_signal_noise_ratio(truth, x, data_range=scale) for x in (fused, planes.mean(0))]
    assert decibels[0] > decibels[1] + 10
    assert np.median(np.abs(found - height)) < 0.5

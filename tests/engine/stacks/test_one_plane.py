import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom
from skimage import data
from skimage.io import imread

from napari_rpsnn import fuse_stack
from napari_rpsnn.engine.stacks.one_plane import QUIET, _quiet

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))

from truth.scenes import scene

SMEAR = Path(__file__).parents[4] / "shared" / "eval" / "stack_wbc"


def index_of(kind, disturbance, seed):
    one = scene(kind, disturbance, 288, 12, seed)
    return one, fuse_stack(one.planes, return_index=True)[1]


@pytest.mark.parametrize("disturbance", ["clean", "noise-30"])
@pytest.mark.parametrize("seed", [0, 5, 8, 11])
def test_a_thin_specimen_comes_from_one_plane(disturbance, seed):
    one, index = index_of("smear", disturbance, seed)
    assert index.min() == index.max()
    assert index[0, 0] in one.accepted


@pytest.mark.skipif(not SMEAR.is_dir(), reason=f"no smear at {SMEAR}")
@pytest.mark.parametrize("corner", [(0, 0), (100, 400), (200, 200), (300, 500)])
def test_crops_of_a_real_smear_come_from_one_plane(corner):
    row, column = corner
    planes = np.stack([imread(path) for path in sorted(SMEAR.glob("*.jpg"))])
    index = fuse_stack(planes[:, row : row + 600, column : column + 800], channel_axis=-1, return_index=True)[1]
    assert index.min() == index.max()


@pytest.mark.parametrize("kind", ["smear", "one-plane"])
def test_where_the_one_plane_has_no_data_the_nearest_one_that_has_is_taken(kind):
    one, index = index_of(kind, "borders", 1)
    best = np.bincount(index.ravel()).argmax()
    away = np.abs(np.arange(len(one.planes)) - best)[:, None, None]
    nearest = np.where(one.covered, away, len(one.planes)).min(0)
    lacking = nearest > 0
    assert lacking.any()
    assert (index[~lacking] == best).mean() > 0.99
    assert (np.abs(index.astype(int) - best) - nearest <= 1)[lacking].mean() > 0.99  # focus is between two planes


@pytest.mark.parametrize("lazy", [False, True])
def test_a_border_that_all_planes_of_a_thin_specimen_have_stays(lazy):
    planes = scene("smear", "clean", 200, 6, 0).planes.copy()
    planes[:, :, :8] = 0
    images = pytest.importorskip("dask.array").from_array(planes, chunks=(1, 90, 90)) if lazy else planes
    made = fuse_stack(images, return_index=True, return_confidence=True)
    fused, index, confidence = map(np.asarray, made)
    assert (index == index[0, 50]).all()
    np.testing.assert_array_equal(fused, planes[index[0, 50]])
    assert (confidence == 1).all()


@pytest.mark.parametrize("value", [0, 30])
def test_planes_that_contribute_nothing_change_nothing(value):
    one, index = index_of("smear", "clean", 0)
    dark = np.full_like(one.planes[0], value)
    _, more = fuse_stack([*one.planes, *[dark] * 40], return_index=True)
    np.testing.assert_array_equal(more, index)


def test_a_thin_specimen_whose_rings_are_wider_than_those_of_training_comes_from_one_plane():
    """Most of it would come from a plane that is out of focus, as R-PSNN sees at half the resolution."""
    one = scene("smear", "noise-6", 288, 12, 5)
    planes = zoom(one.planes.astype(np.float32), (1, 2, 2))[:, :432, :432].clip(0, 255)
    index = fuse_stack(planes.astype(np.uint8), return_index=True)[1]
    assert index.min() == index.max()
    assert index[0, 0] in one.accepted


def test_in_much_noise_what_most_of_it_was_decided_for_is_kept():
    """Smoothed by two pixels, R-PSNN takes rings for focus."""
    one, index = index_of("smear", "noise-30", 1)
    assert np.bincount(index.ravel()).argmax() in one.accepted


@pytest.mark.parametrize("disturbance", ["clean", "noise-30"])
@pytest.mark.parametrize(
    ("kind", "seed"), [("twigs", 11), ("bristles", 0), ("bristles", 6), ("bristles", 42), ("thick", 1), ("puncta", 1)]
)
def test_few_thin_things_before_a_flat_ground_are_no_thin_specimen(kind, seed, disturbance):
    _, index = index_of(kind, disturbance, seed)
    assert len(np.unique(index)) > 2


@pytest.mark.parametrize("noise", [0, 5])
@pytest.mark.parametrize("seed", [0, 4])
def test_faint_bristles_before_a_bright_ground_are_no_thin_specimen(seed, noise):
    """As bright as the gravel behind them, so that scores lose little by the plane of the gravel."""
    rng, side = np.random.default_rng(seed), 288
    y, x = np.mgrid[:side, :side]
    bristles = {}
    for _ in range(8):
        plane, angle = rng.integers(1, 6), rng.normal(1.2, 0.12)
        down, right = y - rng.uniform(-10, 40), x - rng.uniform(0, side)
        across, along = right * np.sin(angle) - down * np.cos(angle), right * np.cos(angle) + down * np.sin(angle)
        cover = (rng.uniform(1.2, 2.6) / 2 + 0.5 - np.abs(across)).clip(0, 1) * (along > 0) * (along < 250)
        light, covered = bristles.get(plane, (0, 0))
        grey = rng.uniform(0.62, 0.76)
        bristles[plane] = light * (1 - cover) + grey * cover, covered * (1 - cover) + cover
    ground = 0.35 + 0.55 * gaussian_filter(data.gravel()[:side, :side] / 255, 1)
    planes = [gaussian_filter(ground, 0.55 * abs(k - 10)) for k in range(12)]
    for k in range(12):
        for plane in sorted(bristles, reverse=True):
            light, covered = (gaussian_filter(part, 0.55 * abs(k - plane)) for part in bristles[plane])
            planes[k] = light + (1 - covered) * planes[k]
    seen = (255 * np.stack(planes) + rng.normal(0, noise, (12, side, side))).clip(0, 255).round().astype(np.uint8)
    thin = np.max([covered for _, covered in bristles.values()], axis=0) > 0.6
    index = fuse_stack(seen, return_index=True)[1]
    assert (index[thin] < 7).mean() > 0.6


@pytest.mark.parametrize("contrast", [50, 100])
def test_a_single_hair_before_what_is_flat_is_kept(contrast):
    ground, hair = data.brick()[:288, :288] / 2 + 100, np.zeros((288, 288))
    for k in range(120):
        hair[100 + k, 100 + k // 2 : 102 + k // 2] = 1
    planes = []
    for k in range(10):
        cover = gaussian_filter(hair, 1.2 * abs(k - 7))
        planes.append(gaussian_filter(ground, 1.2 * abs(k - 2)) * (1 - cover) + (150 - contrast) * cover)
    index = fuse_stack(np.rint(planes).astype(np.uint8), return_index=True)[1]
    assert (np.abs(index[hair == 1].astype(int) - 7) <= 1).mean() > 0.9
    assert (index[hair == 0] == 2).mean() > 0.95


@pytest.mark.parametrize("shape", [(3, 1, 5), (3, 2, 1), (4, 1, 1), (3, 7, 9)])
def test_pictures_of_few_pixels_are_asked_too(shape):
    planes = np.random.default_rng(0).integers(100, 200, shape, np.uint8)
    assert fuse_stack(planes).shape == shape[1:]


def test_what_has_noise_is_smoothed_and_nothing_else():
    sharp = (data.camera()[100:244, 200:344] / 255).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 30 / 255, sharp.shape).astype(np.float32)
    for planes in ([sharp, sharp], [sharp, sharp + noise]):  # what one plane lacks is no noise but detail
        assert all(quiet is plane for quiet, plane in zip(_quiet(planes), planes, strict=True))
    assert _quiet([noise, noise.T])[0].std() == pytest.approx(QUIET, rel=0.1)


@pytest.mark.parametrize(("radius", "kept"), [(9, 0.5), (14, 0.9)])
def test_a_small_thing_before_a_flat_ground_is_kept(radius, kept):
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:256, :256]
    there = (radius + 0.5 - np.hypot(rows - 120, columns - 90)).clip(0, 1)
    ground, thing = 0.6 * data.gravel()[:256, :256] + 50.0, 0.6 * data.grass()[:256, :256] + 50.0
    clean = []
    for k in range(12):
        far, near = 0.4 + 0.5 * abs(k - 3), 0.4 + 0.5 * abs(k - 9)
        covered, light = (gaussian_filter(x, near) for x in (there, thing * there))
        clean.append(gaussian_filter(ground, far) * (1 - covered) + light)
    planes = (np.stack(clean) + 1.5 * rng.normal(size=(12, 256, 256))).round().clip(0, 255).astype(np.uint8)
    index = fuse_stack(planes, return_index=True)[1].astype(int)
    assert np.mean(np.abs(index[there == 1] - 9) <= 1) > kept
    assert np.mean(index[there == 0] == 3) > 0.9

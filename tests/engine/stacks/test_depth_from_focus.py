import numpy as np
import pytest
from scipy import ndimage as ndi
from skimage import data
from surfaces import stack, whole

from napari_rpsnn import fuse_stack
from napari_rpsnn.engine.stacks import depth_from_focus

SPACING = 0.5
PLANES = 7
SIDE = 128


def focus_stack(truth, height, planes=PLANES, blur=1.2):
    """Planes 0, 1, ... of a textured surface: blur grows with the surface's distance from the plane."""
    sigmas = np.linspace(0, blur * planes, 8 * planes + 1)
    blurred = np.stack([ndi.gaussian_filter(truth.astype(float), s) for s in sigmas])
    rows, columns = np.mgrid[: truth.shape[0], : truth.shape[1]]
    stack = []
    for k in range(planes):
        place = np.abs(height - k) * blur / sigmas[1]
        low = np.minimum(place.astype(int), len(sigmas) - 2)
        part = place - low
        stack.append(blurred[low, rows, columns] * (1 - part) + blurred[low + 1, rows, columns] * part)
    return np.rint(np.stack(stack)).astype(np.uint8)


def surface(name):
    """Height in planes, from 1 to 5 of 0 to 6."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / (SIDE - 1)
    if name == "tilted":
        return 1 + 4 * columns
    if name == "dome":
        return 1 + 4 * np.clip(1 - ((rows - 0.5) ** 2 + (columns - 0.5) ** 2) / 0.4, 0, 1)
    return 1 + np.minimum((columns * 4).astype(int), 3) * 4 / 3


@pytest.mark.parametrize("texture", ["brick", "grass", "gravel"])
@pytest.mark.parametrize("name", ["tilted", "dome", "staircase"])
def test_height_of_a_textured_surface(name, texture):
    truth = getattr(data, texture)()[200 : 200 + SIDE, 200 : 200 + SIDE]
    expected = surface(name)
    planes = focus_stack(truth, expected)
    _, index, height = fuse_stack(planes, return_index=True, return_height=True, plane_spacing=SPACING)
    assert (height.shape, height.dtype) == ((SIDE, SIDE), np.float32)
    error = np.abs(height - SPACING * expected).mean()
    assert error < 0.5 * SPACING
    # And it is nearer than the mere number of the plane.
    if name != "staircase":
        assert error < np.abs(SPACING * index - SPACING * expected).mean()


def test_plane_spacing_is_a_factor_and_order_is_a_mirror():
    planes = focus_stack(data.grass()[:96, :96], surface("tilted")[:96, :96])
    _, height = fuse_stack(planes, return_height=True)
    _, wide = fuse_stack(planes, return_height=True, plane_spacing=2.5)
    np.testing.assert_allclose(wide, 2.5 * height, rtol=1e-5)
    _, mirrored = fuse_stack(planes[::-1], return_height=True)
    np.testing.assert_allclose(mirrored, PLANES - 1 - height, atol=1e-3)


@pytest.mark.parametrize("k", [0, 2, 4])
def test_flat_surface_has_the_height_of_its_plane(k):
    planes = focus_stack(data.grass()[:96, :96], np.full((96, 96), float(k)), planes=5)
    _, height = fuse_stack(planes, return_height=True)
    np.testing.assert_allclose(height.mean(), k, atol=0.25)


@pytest.mark.parametrize(("factor", "offset"), [(1, 1e6), (1e-3, 0), (1e4, 0)])
def test_scale_and_offset_of_intensities_do_not_move_the_surface(factor, offset):
    planes = focus_stack(data.gravel()[:96, :96], surface("tilted")[:96, :96]).astype(float)
    kwargs = {"return_height": True, "precision": "float32"}
    expected = fuse_stack(planes, **kwargs)[1]
    height = fuse_stack(planes * factor + offset, **kwargs)[1]
    assert np.abs(height - expected).mean() < 0.05


def test_places_without_detail_take_the_height_of_the_nearest():
    truth = data.grass()[:96, :96].copy()
    truth[40:56, 40:56] = 128
    expected = np.full((96, 96), 2.0)
    _, height = fuse_stack(focus_stack(truth, expected, planes=5), return_height=True)
    assert np.abs(height[40:56, 40:56] - 2).mean() < 0.5


def test_height_of_colour_and_of_channels_one_by_one():
    grey = focus_stack(data.grass()[:64, :64], surface("tilted")[:64, :64], planes=4)
    colour = np.stack([grey, grey // 2, grey // 3], -1)
    _, height = fuse_stack(colour, channel_axis=-1, return_height=True)
    assert height.shape == (64, 64)
    _, index, height = fuse_stack(colour[..., :2], channel_axis=-1, return_index=True, return_height=True)
    assert height.shape == index.shape == (64, 64, 2)


def test_equal_planes_have_a_finite_height():
    planes = np.stack([data.grass()[:40, :40]] * 3)
    _, height = fuse_stack(planes, return_height=True)
    assert np.isfinite(height).all()
    assert (height >= -0.5).all()
    assert (height <= 2.5).all()


def test_windows_do_not_show(monkeypatch):
    """Halos are as wide as what the filters see."""
    images, index = stack(200, 310, 4)
    monkeypatch.setattr(depth_from_focus, "TILE_PX", 48)
    assert (
        min(map(len, (depth_from_focus.detail_windows(*index.shape), depth_from_focus.fill_windows(*index.shape)))) > 1
    )
    parts = whole(images, index)
    monkeypatch.setattr(depth_from_focus, "TILE_PX", 1000)
    np.testing.assert_array_equal(parts, whole(images, index))


def test_height_by_regression_is_refused():
    with pytest.raises(ValueError, match="height: expected method='decision', got 'regression'"):
        fuse_stack(np.zeros((2, 8, 8)), method="regression", return_height=True)

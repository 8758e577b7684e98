import numpy as np
import pytest
import torch
from scipy import ndimage as ndi
from skimage import data

from napari_rpsnn import fuse_stack
from napari_rpsnn.engine.stacks import smooth_surface
from napari_rpsnn.engine.stacks.smooth_surface import BY_DETAIL, MOST, by_detail

SIDE = 192
EVEN = torch.zeros(8)


def tilted(planes=9, blur_px=1.0):
    """Tilted bricks, smooth between bright joints: the plane in focus at each column, and the stack."""
    truth = data.brick()[:SIDE, :SIDE].astype(float)
    depth = np.broadcast_to(np.linspace(0, planes - 1, SIDE), truth.shape)
    blurred = np.stack([ndi.gaussian_filter(truth, blur_px * k / 4) for k in range(4 * planes)])
    rows, columns = np.mgrid[:SIDE, :SIDE]
    stack = [blurred[np.rint(4 * np.abs(depth - k)).astype(int), rows, columns] for k in range(planes)]
    return depth, np.rint(stack).astype(np.uint8)


def energies_of(surface, planes):
    """Energies that fall by a power of ten for each plane away from a surface."""
    return torch.from_numpy(-np.abs(np.arange(planes)[:, None, None] - surface)).float()


def test_detail_counts_on_a_slope_and_not_at_a_step():
    slope = np.broadcast_to(np.linspace(0, 7, 64), (64, 64))
    step = np.where(np.arange(64) < 32, 0.0, 7.0) * np.ones((64, 1))
    places = range(8)
    on_slope, at_step = (by_detail(energies_of(surface, 8), places, EVEN) for surface in (slope, step))
    assert on_slope.shape == (8, 256, 256)
    # Of eight planes, all but those next to the surface lose all that they can.
    assert on_slope.amin(0).numpy() == pytest.approx(-BY_DETAIL * MOST)
    assert (on_slope.amax(0) > -0.5 * BY_DETAIL * MOST).all()
    assert (at_step[..., 120:136] == 0).all()
    assert (at_step[..., :64].amin(0) < 0).all()
    # Detail of a plane that stands apart by its brightness takes nothing from its neighbours.
    flash = by_detail(energies_of(slope, 8), places, 2.0 * (torch.arange(8) == 3))
    at_three = flash[..., round(256 * 3 / 7)]
    assert (at_three[3] == 0).all()
    assert (at_three.amax(0) == 0).all()
    assert (at_three[[2, 4]].amax(0) > -0.5 * BY_DETAIL * MOST).all()
    rough = np.random.default_rng(0).integers(0, 8, (64, 64))
    assert (by_detail(energies_of(rough, 8), places, EVEN) == 0).all()


def test_smooth_bricks_are_taken_from_planes_near_focus(monkeypatch):
    depth, planes = tilted()

    def far(stack):
        index = fuse_stack(stack, return_index=True)[1]
        return (np.abs(index - depth) > 1.5).mean()

    mended = far(planes)
    monkeypatch.setattr(smooth_surface, "BY_DETAIL", 0.0)
    assert mended < 0.5 * far(planes)

"""Pixels beside what lies far before something else."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from napari_rpsnn import fuse_stack
from napari_rpsnn.engine.stacks import decision
from napari_rpsnn.engine.stacks.outlines import Outlines, decide_outlines, far_apart
from napari_rpsnn.model.outline_decider import bundled_outline_decider

COUNT = 8


def hairs(count=COUNT):
    """A stack of dark hairs before gravel, the first plane focused on the gravel, and its truth."""
    ground = data.gravel()[:160, :160].astype(np.float32)
    matte = np.zeros_like(ground)
    for k, column in enumerate((30, 70, 110)):
        matte[np.arange(160), column + np.arange(160) * k // 8] = 1
    matte = np.maximum(matte, np.roll(matte, 1, 1))
    planes = []
    for k in range(count):
        before, behind = (gaussian_filter(matte, 0.6 * (count - 1 - k)), gaussian_filter(ground, 0.6 * k))
        planes.append(before * 20 + (1 - before) * behind)
    truth = matte * 20 + (1 - matte) * ground
    return np.rint(planes).astype(np.uint8), truth


def psnr(image, truth):
    return 10 * np.log10(255**2 / np.mean((image - truth) ** 2))


@pytest.fixture
def bar():
    """An index of planes: a bar of the last one before the first one."""
    index = torch.zeros(64, 64, dtype=torch.int64)
    index[:, 30:34] = COUNT - 1
    return index


def test_beside_hairs_the_picture_is_nearer_to_the_truth(monkeypatch):
    planes, truth = hairs()
    here = psnr(fuse_stack(planes), truth)
    monkeypatch.setattr(decision, "decide_outlines", lambda *known: ())
    assert here > psnr(fuse_stack(planes), truth) + 0.3


def test_outlines_are_where_planes_far_apart_meet(bar):
    outlines = Outlines.of(bar, range(COUNT), far_apart(COUNT))
    assert outlines.open.all(0).nonzero()[:, 0].tolist() == list(range(28, 36))
    assert outlines.open.any(0).sum() == 8
    assert not Outlines.of(bar, [3, 1, 0, 2, 5, 6, 7, 4], far_apart(COUNT)).open.any(), "places count, not numbers"


@pytest.mark.parametrize(("planes", "apart"), [(3, 2), (5, 3), (12, 6), (200, 6)])
def test_half_of_a_stack_is_far_or_six_planes(planes, apart):
    assert far_apart(planes) == apart


def test_of_one_plane_nothing_is_asked(bar):
    outlines = Outlines.of(torch.zeros_like(bar), range(COUNT), far_apart(COUNT))
    assert not list(decide_outlines(outlines, None, None, None))


def test_a_chain_may_begin_at_either_end(bar):
    planes = torch.from_numpy(hairs()[0][:, :64, :64] / np.float32(255))
    scores = torch.stack([bar == k for k in range(COUNT)]).float() * 20

    def chosen(places):
        outlines = Outlines.of(bar, places, far_apart(COUNT))
        [(square, told)] = decide_outlines(
            outlines,
            lambda k, part: planes[k][part],
            lambda k, part: scores[k][part],
            bundled_outline_decider(torch.device("cpu")),
        )
        assert square == (slice(0, 64), slice(0, 64))
        return torch.where(told > 0, outlines.first, outlines.last)

    assert torch.equal(chosen(range(COUNT)), chosen(range(COUNT)[::-1]))


def test_no_pixel_comes_from_a_plane_without_data_there():
    planes, _ = hairs()
    mask = np.ones(planes.shape, bool)
    mask[-1, 40:120] = False
    _, index = fuse_stack(planes, mask=mask, return_index=True)
    assert (index[40:120] != COUNT - 1).all()
    assert (index[:30] == COUNT - 1).any()


def test_order_plays_no_role_beside_outlines():
    planes, _ = hairs()
    mixed = np.random.default_rng(1).permutation(COUNT)
    np.testing.assert_array_equal(fuse_stack(planes), fuse_stack(planes[mixed]))

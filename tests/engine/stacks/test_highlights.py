import numpy as np
import pytest
import torch
from scipy.ndimage import convolve, gaussian_filter
from skimage import data
from skimage.morphology import disk

from napari_rpsnn import fuse_stack
from napari_rpsnn.engine.brightness import SAME, Level
from napari_rpsnn.engine.stacks import highlights
from napari_rpsnn.engine.stacks.evidence import compare, look
from napari_rpsnn.model.stack_decider import bundled_highlight_decider

PLANES, SIDE = 6, 160


@pytest.fixture(scope="module")
def glittering():
    """A tilted surface with glints six times as bright as white, which are disks out of focus, and the truth."""
    rng = np.random.default_rng(0)
    sharp = data.gravel()[:SIDE, :SIDE] / 400
    lamps = (rng.random((SIDE, SIDE)) < 0.002) * 40.0
    sharp = sharp + gaussian_filter(lamps, 0.7)
    levels = [convolve(sharp, disk(2 * k) / disk(2 * k).sum(), mode="reflect") for k in range(PLANES)]
    where = np.rint(np.linspace(0, PLANES - 1, SIDE)).astype(int)
    planes = [np.stack(levels)[np.abs(where - k), :, np.arange(SIDE)].T for k in range(PLANES)]
    return [np.rint(255 * np.clip(x, 0, 1)).astype(np.uint8) for x in (np.stack(planes), sharp)]


def psnr(truth, image):
    return 10 * np.log10(255**2 / np.mean((truth.astype(float) - image) ** 2))


def sharper(planes):
    energies = [gaussian_filter(convolve(p, [[0, 1, 0], [1, -4, 1], [0, 1, 0]]) ** 2, 2) for p in planes.astype(float)]
    return np.take_along_axis(planes, np.argmax(energies, 0)[None], 0)[0]


def test_disks_of_glints_out_of_focus_are_not_taken(glittering, monkeypatch):
    planes, truth = glittering
    made = psnr(truth, fuse_stack(planes))
    assert made > 33
    assert made > psnr(truth, sharper(planes)) + 10
    monkeypatch.setattr(highlights, "changes", lambda *_: None)
    assert made > psnr(truth, fuse_stack(planes)) + 10


@pytest.mark.parametrize("bits", [12, 16])
def test_the_greatest_value_is_that_of_the_stack_not_of_its_dtype(glittering, bits):
    planes, _ = glittering
    factor = (2**bits - 1) // 255
    index = fuse_stack(planes, return_index=True)[1]
    other = fuse_stack(planes.astype(np.uint16) * factor, return_index=True)[1]
    assert np.mean(index != other) < 0.001


def test_the_order_of_planes_plays_no_role(glittering):
    planes, _ = glittering
    order = [3, 0, 5, 1, 4, 2]
    image, index = fuse_stack(planes, return_index=True)
    other, other_index = fuse_stack(planes[order], return_index=True)
    np.testing.assert_array_equal(image, other)
    np.testing.assert_array_equal(np.array(order)[other_index], index)


def test_what_is_cut_off_is_known_by_the_brightness_that_a_plane_was_brought_to():
    plane = torch.zeros(1, 1, 32, 32)
    plane[..., :16, :16] = 0.8
    assert highlights.clipped(plane, SAME).sum() == 0
    share = highlights.clipped(plane, Level(0.7, 0.1))
    assert share.shape == (1, 1, 16, 16)
    assert (share[..., :8, :8] == 1).all()
    assert share.sum() == 64


def changes(planes):
    cut = highlights.clipped(planes, SAME)
    decider = bundled_highlight_decider(torch.device("cpu"))
    with torch.inference_mode():
        return highlights.changes(compare([look(planes)]), [cut], torch.zeros(len(planes), 5), decider)


def test_scores_change_near_light_that_is_cut_off_and_nowhere_else():
    torch.manual_seed(0)
    planes = 0.9 * torch.rand(3, 1, 128, 128)
    assert changes(planes) is None
    planes[1, 0, 40, 40] = 1  # a hot pixel
    assert changes(planes) is None
    planes[1, 0, 20:28, 20:28] = 1
    assert changes(planes) is None  # in one plane alone: a flash
    planes[2, 0, 20:28, 20:28] = 1
    scores, finer = changes(planes)
    assert (scores[:, 8:16, 8:16] != 0).any()
    for of in (scores, finer):
        assert (of[..., 40:, :] == 0).all()
        assert (of[..., 40:] == 0).all()


def test_evidence_is_not_used_up_and_knows_what_is_cut_off_at_each_level():
    evidence = compare([look(torch.rand(2, 1, 64, 64))])
    share = torch.rand(2, 1, 32, 32)
    told = highlights.known_to(evidence, [share])
    for level, compared in enumerate(told):
        parts = list(compared.own())
        assert not compared.seen
        assert len(evidence[level].seen) == 1
        torch.testing.assert_close(parts[0][:, -1:].mean((2, 3)), share.mean((2, 3)))
        torch.testing.assert_close(compared.common[:, -1:], parts[0][:, -1:].amax(0, keepdim=True))

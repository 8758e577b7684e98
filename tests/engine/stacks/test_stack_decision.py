import itertools

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from napari_rpsnn import fuse_stack
from napari_rpsnn.engine.borders import Border
from napari_rpsnn.engine.stacks import decision
from napari_rpsnn.engine.stacks.decision import HALO, beside_others, decide_window, windows
from napari_rpsnn.engine.stacks.engine import fuse_window
from napari_rpsnn.engine.stacks.evidence import STEP, look, without_hot_pixels
from napari_rpsnn.engine.stacks.statistics import PlaneStatistics, StackStatistics
from napari_rpsnn.images.layout import WHOLE, Layout
from napari_rpsnn.model.stack_decider import ENERGIES, OWN, SIGNS, bundled_stack_decider

GREY = Layout.of((1, 1), None, None)


def noise(*shape):
    return np.random.default_rng(0).integers(20, 236, shape, np.uint8)


def looked_at(planes):
    return StackStatistics.of(PlaneStatistics.of(k, plane[..., None], GREY) for k, plane in enumerate(planes))


def tilted(rows, columns, count=4):
    """Planes of a texture, each sharp in a strip of its own."""
    sharp = data.gravel()[:rows, :columns].astype(np.float32)
    where = np.linspace(0, count - 1, columns)
    levels = np.stack([gaussian_filter(sharp, 1.5 * k) for k in range(count)])
    away = np.abs(np.rint(where)[None] - np.arange(count)[:, None]).astype(int)
    return np.stack([levels[near, :, np.arange(columns)].T for near in away]).astype(np.uint8)


def test_what_lies_beyond_the_halo_hardly_plays_a_role():
    place = HALO + 2 * STEP
    planes = tilted(64, 2 * place)
    known, decider = looked_at(planes), bundled_stack_decider(torch.device("cpu"))
    middle = (slice(None), slice(place - STEP, place + STEP))

    def decided(stack):
        def read(k, window):
            return (stack[known.planes[k]][window] / 255).astype(np.float32), None

        return decide_window(read, (slice(0, 64), slice(0, 2 * place)), known, decider).index.numpy()[middle]

    other = np.array(planes)
    for beyond in (slice(0, STEP), slice(-STEP, None)):
        other[..., beyond] = noise(4, 64, STEP)
    assert np.mean(decided(other) != decided(planes)) < 0.0005
    other[..., place + STEP :] = noise(4, 64, place - STEP)
    assert np.mean(decided(other) != decided(planes)) > 0.0005, "nothing plays a role: the test says nothing"


@pytest.mark.parametrize("size", [(64, 64), (700, 530), (2048, 1000), (5, 3)])
@pytest.mark.parametrize("planes", [3, 60])
def test_windows_cover_a_picture_once(size, planes):
    covered = np.zeros(size, int)
    for place in windows(*size, planes):
        covered[place.write] += 1
        for read, write, inner, length in zip(place.read, place.write, place.inner, size, strict=True):
            assert read.start % STEP == 0
            assert read.stop % STEP == 0 or read.stop == length
            assert (write.start - read.start, write.stop - read.start) == (inner.start, inner.stop)
            assert read.start == 0 or inner.start >= HALO
            assert read.stop == length or read.stop - write.stop >= HALO
    assert (covered == 1).all()


def test_windows_do_not_show(monkeypatch):
    planes = np.stack([noise(40, 560)] * 3)
    planes[0, :, 300:] //= 2
    planes[1, :, :280] //= 3
    known, shape, cpu = looked_at(planes), planes.shape[1:], torch.device("cpu")

    def read(k, window):
        return planes[k][window][..., None], None

    def decided():
        index = np.zeros(shape, int)
        for place in windows(*shape, 3):
            _, index[place.write], _ = fuse_window(read, place, known, GREY, shape, cpu)
        return index

    whole = decided()
    monkeypatch.setattr(decision, "MOST_SIDE", 2 * HALO + 64)
    monkeypatch.setattr(decision, "LEAST_SIDE", 0)
    assert len(windows(*planes.shape[1:], 3)) > 2
    assert np.mean(decided() != whole) < 0.002


def test_a_pixel_that_no_neighbour_supports_is_no_detail():
    plane = torch.zeros(1, 1, 16, 16)
    plane[..., 5, 5] = 1
    assert without_hot_pixels(plane).max() == 0
    plane[..., 5, 6] = 1
    torch.testing.assert_close(without_hot_pixels(plane), plane)


def test_each_level_knows_the_energy_of_all_finer_bands():
    torch.manual_seed(0)
    levels = look(torch.rand(1, 1, 128, 128))
    assert [level.shape for level in levels] == [(1, own, 64 >> k, 64 >> k) for k, own in enumerate(OWN)]
    # Noise has the same energy everywhere, however wide a neighbourhood it is taken in.
    finest = [levels[0][0, 1], *(level[0, 3] for level in levels[1:])]
    for narrow, wide in itertools.pairwise(finest):
        assert wide.std() < narrow.std()
        assert (10**wide).mean().item() == pytest.approx((10**narrow).mean().item(), rel=0.05)


@pytest.mark.parametrize("degrees", [0, 20, 45, 75, 90, 130])
def test_a_line_stands_out_of_noise(degrees):
    rows, columns = np.mgrid[:128, :128] - 63.5
    away = np.abs(rows * np.cos(np.radians(degrees)) + columns * np.sin(np.radians(degrees)))
    noise = np.random.default_rng(0).normal(0.5, 0.1, away.shape)
    seen = look(torch.from_numpy((noise + 0.2 * (away < 1)).astype(np.float32))[None, None])[0][0]
    away = away.reshape(64, 2, 64, 2).min((1, 3))
    on, off = (torch.from_numpy(part) for part in (away < 1, away > 8))
    # Share of the line that is above nearly all of the noise.
    line, pixel, band = ((seen[k][on] > seen[k][off].quantile(0.98)).float().mean() for k in (3, 0, 2))
    assert line > 0.55
    assert line > 1.1 * band > 3 * pixel


def test_signs_tell_on_which_side_of_an_edge_a_pixel_lies():
    plane = torch.full((1, 1, 64, 64), 0.6)
    plane[..., 31] = plane[..., 32] = 0.2
    first, energies = look(plane)[0][0, :, 16], ENERGIES[0]
    # Of the four pixels of a square those of the upper row: each column of the plane once.
    across = first[energies : energies + 2].T.flatten()
    assert (across[[31, 32]] < -0.5).all()
    assert (across[[30, 33]] > 0.5).all()
    assert (across[:28].abs() < 1e-3).all()
    dark, light = (look(plane if sign > 0 else 1 - plane)[0][0, energies : energies + SIGNS[0]] for sign in (1, -1))
    torch.testing.assert_close(dark, -light, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("hot", [20000, 65535])
def test_a_hot_pixel_changes_no_other_one(hot):
    planes = tilted(96, 96).astype(np.uint16) * 4
    _, index = fuse_stack(planes, return_index=True)
    planes[1, 40, 50] = hot
    _, other = fuse_stack(planes, return_index=True)
    assert np.mean(index != other) < 0.01


@pytest.mark.parametrize("value", [0, 255])
def test_borders_of_an_earlier_alignment_are_found(value):
    plane = noise(120, 160)
    row, column = np.mgrid[:120, :160]
    lost = (column < 7) | (row >= 112 + column // 40)
    plane[lost] = value
    found = Border.of(plane[..., None]).valid(WHOLE, plane.shape)
    assert np.mean(found != ~lost) < 0.002
    part = Border.of(plane[..., None]).valid((slice(100, 120), slice(3, 60)), plane.shape)
    np.testing.assert_array_equal(part, found[100:120, 3:60])


def test_dark_ground_is_no_border():
    plane = data.camera().copy()
    plane[plane < 60] = 0
    assert Border.of(plane[..., None]).valid(WHOLE, plane.shape) is None


def test_pixels_come_from_planes_that_have_data():
    sharp = data.camera()[60:220, 120:300]
    planes = np.stack([np.roll(sharp // 2 + 60, k) for k in range(3)])
    for k in range(3):
        planes[k, :, : 4 * k + 3] = 0
    _, index = fuse_stack(planes, return_index=True)
    assert (index[:, 3:7] == 0).all()
    assert (index[:, 7:11] <= 1).all()


def test_a_plane_counts_up_to_its_border():
    """Coarse levels see far beyond it, and would have left it out for as far."""
    planes = tilted(160, 256).astype(np.float32)
    _, whole = fuse_stack(planes, return_index=True)
    mask = np.zeros(planes.shape, bool)
    mask[0, :, :16] = mask[1, :40] = mask[3, -40:] = True
    _, index = fuse_stack(planes, mask=~mask, return_index=True)
    beside = ~np.take_along_axis(mask, whole[None].astype(int), 0)[0]  # where the same plane can be taken
    assert np.mean(index[beside] != whole[beside]) < 0.005


def test_surroundings_decide_where_scores_leave_it_open():
    scores = torch.zeros(3, 64, 64)
    scores[0] = 5.0
    scores[1, 20, 20] = 6.0  # no more than noise
    scores[2, :, 40] = 20.0  # a bristle
    index = beside_others(scores).argmax(0)
    assert (index[:, 40] == 2).all()
    assert (index[:, torch.arange(64) != 40] == 0).all()


def test_statistics_do_not_depend_on_the_order_of_planes():
    planes = np.stack([noise(64, 80) // (k + 1) for k in range(4)])
    known, other = looked_at(planes), looked_at(planes[[2, 0, 3, 1]])
    assert [[2, 0, 3, 1][k] for k in other.planes] == known.planes
    assert other.values == known.values
    assert other.levels == known.levels
    assert torch.equal(other.detail, known.detail)

import numpy as np
import pytest
import torch

from napari_rpsnn import fuse
from napari_rpsnn.engine.pairs.decision import DECISION_HALO, NEAR_HALO, compose, decide, mix
from napari_rpsnn.engine.pairs.evidence import evidence, vote, widely
from napari_rpsnn.images.tiling import narrowed, split_image
from napari_rpsnn.model.pair_decider import bundled_decider


def mixed_by(function, pair, decision):
    return function(*map(torch.from_numpy, pair), decision).numpy() if function is mix else function(*pair, decision)


@pytest.mark.parametrize(
    ("function", "dtype"),
    [*((compose, kind) for kind in ("u1", "i2", "u2", "i8", "u8", "f4", "f8")), (mix, "u1"), (mix, "i2"), (mix, "u2")],
)
def test_all_or_nothing_copies_the_source(function, dtype):
    torch.manual_seed(0)
    kind, rng = np.dtype(dtype), np.random.default_rng(0)
    if kind.kind == "f":
        pair = rng.normal(size=(2, 30, 40, 3)).astype(kind) * 1e9
    else:
        limits = np.iinfo(kind)
        pair = rng.integers(limits.min, limits.max, (2, 30, 40, 3), dtype=kind, endpoint=True)
    np.testing.assert_array_equal(mixed_by(function, pair, torch.ones(30, 40)), pair[0])
    np.testing.assert_array_equal(mixed_by(function, pair, torch.zeros(30, 40)), pair[1])
    mixed = mixed_by(function, pair, torch.rand(30, 40))
    assert mixed.dtype == kind
    assert (mixed >= pair.min(0)).all()
    assert (mixed <= pair.max(0)).all()
    assert (mixed != pair[0]).any()
    assert (mixed != pair[1]).any()


def test_votes_tell_which_source_the_network_means():
    first, second = torch.rand(2, 3, 20, 20)
    assert (vote(first, first, second) > 120).all()
    assert (vote(second, first, second) < -120).all()
    assert (vote((first + second) / 2, first, second) == 0).all()
    assert (vote(second, first, first) == 0).all()


def weigh(votes, wide, grey0, grey1):
    known = evidence(votes, wide, grey0, grey1)
    return bundled_decider(torch.device("cpu"))(known[None])[0]


def test_the_order_of_the_sources_does_not_decide():
    votes = torch.where(torch.rand(60, 50) < 0.5, -90, 90).to(torch.int8)
    votes[:, :20] = 0
    grey0, grey1 = torch.rand(2, 60, 50)
    one = weigh(votes, widely(votes), grey0, grey1)
    other = weigh(-votes, widely(-votes), grey1, grey0)
    torch.testing.assert_close(other, -one, atol=1e-4, rtol=1e-4)
    tie = torch.zeros_like(votes)
    assert (decide(weigh(tie, widely(tie), grey0, grey0), 60, 50) == 0.5).all()


def test_windows_give_what_the_whole_gives():
    rng = np.random.default_rng(0)
    shape = (260, 300)
    votes = (100 * torch.sign(torch.randn(shape) + 0.3 * torch.sin(torch.arange(300) / 20))).to(torch.int8)
    greys = torch.rand(2, *shape)
    greys[1, :, 100:] = greys[0, :, 100:] + 0.1 * greys[1, :, 100:]
    pair = rng.integers(0, 4095, (2, *shape, 1), dtype=np.uint16)
    whole = compose(*pair, decide(weigh(votes, widely(votes), *greys), *shape))
    tiled = np.zeros_like(whole)
    for place in split_image(*shape, 30, DECISION_HALO):
        whole_read, near, inside = narrowed(place, NEAR_HALO)
        half = tuple(slice(axis.start // 2, (axis.stop + 1) // 2) for axis in near)
        votes_read, grey0, grey1, *pair_read = (x[place.read][whole_read][near] for x in (votes, *greys, *pair))
        weighed = weigh(votes_read, widely(votes[place.read][whole_read])[half], grey0, grey1)
        share = decide(weighed, *votes_read.shape)
        tiled[place.write] = compose(*pair_read, share)[inside]
    assert np.mean(tiled != whole) < 1e-3
    assert np.abs(tiled.astype(int) - whole).max() <= 1


def test_values_are_source_values_in_full_bit_depth(grey_pair):
    near, far, _ = (x.astype(np.uint16) * 16 + 3 for x in grey_pair)
    fused, share = fuse(near, far, return_map=True)
    assert share.shape == near.shape
    assert (share.dtype, share.min() >= 0, share.max() <= 1) == (np.float32, True, True)
    assert np.mean((fused == near) | (fused == far)) > 0.75
    assert share[:, :50].mean() > 0.9
    assert share[:, -50:].mean() < 0.1


def test_maps_have_channels_only_where_channels_decide(grey_pair, rgb_pair):
    near, far, _ = rgb_pair
    assert fuse(near, far, channel_axis=-1, return_map=True)[1].shape == near.shape[:2]
    two = [np.stack([x, 255 - x]) for x in grey_pair[:2]]
    assert fuse(*two, channel_axis=0, return_map=True)[1].shape == two[0].shape
    fused, share = fuse(*two, channel_axis=0, guide_channel=1, return_map=True)
    assert share.shape == two[0].shape[1:]
    np.testing.assert_array_equal(fused[0], 255 - fused[1])
    with pytest.raises(ValueError, match="guide_channel: expected a channel from 0 to 1, or several, got 2"):
        fuse(*two, channel_axis=0, guide_channel=2)
    with pytest.raises(ValueError, match="guide_channel: expected method='decision', got 'regression'"):
        fuse(*two, channel_axis=0, guide_channel=0, method="regression")
    with pytest.raises(ValueError, match="return_map: expected method='decision', got 'regression'"):
        fuse(near, far, channel_axis=-1, method="regression", return_map=True)


def test_an_aligned_pair(grey_pair):
    pytest.importorskip("SimpleITK")
    near, far, _ = grey_pair
    moved = np.roll(far, (2, -3), (0, 1))
    error = [np.abs(fuse(near, moved, register=kind).astype(int) - fuse(near, far)).mean() for kind in ("affine", None)]
    assert error[0] < error[1] / 2
    with pytest.raises(ValueError, match="register: expected None, 'translation', 'similarity' or 'aff"):
        fuse(near, far, register="warp")

"""Parts of a stack: some of its planes, a region, and sub-stacks, in memory and as dask arrays."""

from itertools import pairwise

import dask.array as da
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data

from napari_rpsnn import fuse_stack
from napari_rpsnn.images.slabs import split_planes, step_of
from napari_rpsnn.options import StackOptions
from napari_rpsnn.stack import iter_fuse_stack


@pytest.fixture(scope="module")
def strips():
    """Eight planes, each sharp in a strip of its own: uint8 of 64x128 pixels."""
    truth = data.camera()[128:192, 192:320]
    planes = np.stack([gaussian_filter(truth, 2)] * 8)
    for k in range(8):
        planes[k, :, 16 * k : 16 * (k + 1)] = truth[:, 16 * k : 16 * (k + 1)]
    return planes


MAPS = {"return_index": True, "return_confidence": True, "return_height": True}


def test_planes_from_the_first_to_the_last_keep_their_numbers(strips):
    made = fuse_stack(strips, planes=(2, 5), plane_spacing=0.5, plane_origin=12, **MAPS)
    fused, index, confidence, height = fuse_stack(strips[2:6], **MAPS)
    np.testing.assert_array_equal(made[0], fused)
    np.testing.assert_array_equal(made[1], index + 2)
    np.testing.assert_array_equal(made[2], confidence)
    np.testing.assert_array_equal(made[3], height * np.float32(0.5) + np.float32(13))
    assert made[1].dtype == np.uint16
    assert made[3].dtype == np.float32
    assert set(np.unique(made[1])) == {2, 3, 4, 5}


def test_a_region_is_cut_as_by_slices(strips):
    made = fuse_stack(strips, region=((8, 56), (16, 100)), **MAPS)
    for whole, part in zip(made, fuse_stack(strips[:, 8:56, 16:100], **MAPS), strict=True):
        np.testing.assert_array_equal(whole, part)


@pytest.mark.parametrize("method", ["decision", "regression"])
def test_a_part_of_times_and_channels_is_the_same_as_dask_array(strips, method):
    tczyx = np.stack([np.stack([strips, strips // 2]), np.stack([strips // 3, strips // 4])])
    options = {"axis": 2, "planes": (3, 5), "region": ((0, 40), (30, 110)), "method": method, "precision": "float32"}
    options |= {"channel_axis": 1} | ({"guide_channel": 0, "return_index": True} if method == "decision" else {})
    cut = tczyx[:, :, 3:6, :40, 30:110]
    expected = fuse_stack(cut, **options | {"planes": None, "region": None})
    lazy = fuse_stack(da.from_array(tczyx, chunks=(1, 1, 2, 30, 50)), **options)
    whole = fuse_stack(tczyx, **options)
    if method == "decision":
        np.testing.assert_array_equal(whole[1], expected[1] + 3)
        np.testing.assert_array_equal(lazy[1].compute(), whole[1])
        assert lazy[1].dtype == np.uint16
        expected, lazy, whole = expected[0], lazy[0], whole[0]
    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_array_equal(lazy.compute(), whole)


def test_of_a_dask_array_the_part_alone_is_computed(strips):
    def plane(block_info=None):
        assert block_info[None]["chunk-location"][0] in (2, 3), "another plane was asked for"
        return strips[block_info[None]["chunk-location"][0]][None]

    lazy = da.map_blocks(plane, chunks=((1,) * 8, (64,), (128,)), dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8))
    made = fuse_stack(lazy, planes=(2, 3), precision="float32", return_height=True, plane_origin=-7)
    expected = fuse_stack(strips, planes=(2, 3), precision="float32", return_height=True, plane_origin=-7)
    for some, other in zip(made, expected, strict=True):
        np.testing.assert_array_equal(some.compute(), other)


def test_of_what_is_read_when_it_is_indexed_the_part_alone_is_read(strips):
    keys = []

    class Lazy:
        shape, dtype, ndim = strips.shape, strips.dtype, strips.ndim

        def __getitem__(self, key):
            keys.append(key)
            return strips[key]

    part = {"planes": (4, 6), "region": ((8, 56), (16, 100))}
    np.testing.assert_array_equal(fuse_stack(Lazy(), **part), fuse_stack(strips, **part))
    assert {plane for plane, _, _ in keys} == {4, 5, 6}
    assert all(
        8 <= rows.start < rows.stop <= 56 and 16 <= columns.start < columns.stop <= 100 for _, rows, columns in keys
    )


def test_planes_one_by_one_and_colours(strips):
    rgb = np.stack([strips, strips // 2, strips // 3], -1)
    part = {"planes": (1, 3), "region": ((0, 64), (0, 64)), "channel_axis": -1, "return_index": True}
    fused, index = fuse_stack(list(rgb), **part)
    expected, counted = fuse_stack(rgb[1:4, :, :64], channel_axis=-1, return_index=True)
    np.testing.assert_array_equal(fused, expected)
    np.testing.assert_array_equal(index, counted + 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"planes": (5, 8)}, "planes: expected the first and the last one, two of 0 to 7, got 5 and 8"),
        ({"planes": (3, 3)}, "planes: expected the first and the last one, two of 0 to 7, got 3 and 3"),
        ({"planes": (-2, 3)}, "planes: expected .* got -2 and 3"),
        ({"region": ((0, 65), (0, 9))}, "region: expected rows and columns within 64 and 128, .* got 0:65 and 0:9"),
        ({"region": ((9, 9), (0, 9))}, "region: expected .* got 9:9 and 0:9"),
    ],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_what_is_not_in_the_stack_is_refused(strips, options, message, lazy):
    with pytest.raises(ValueError, match=message):
        fuse_stack(da.from_array(strips) if lazy else strips, **options)


def test_messages_count_planes_of_the_whole_stack(strips):
    bad = strips.astype(np.float32)
    bad[5, 3, 4] = np.inf
    for images in (bad, da.from_array(bad, chunks=(1, -1, -1))):
        with pytest.raises(ValueError, match="images, plane 5: expected finite"):
            fuse_stack(images, planes=(3, 6))


def test_planes_that_cannot_be_aligned_are_counted_in_the_whole_stack():
    pytest.importorskip("SimpleITK")
    picture = data.camera()
    planes = np.stack([picture[100:180, 100 + 2 * k : 180 + 2 * k] for k in range(5)])
    planes[4] = picture[300:380, 300:380]
    with pytest.warns(UserWarning, match=r"could not be aligned: plane 4 \(correlation "):
        fuse_stack(planes, planes=(2, 4), register="translation")


def test_slabs_are_images_of_neighbouring_planes(strips):
    fused, index, confidence, height = fuse_stack(strips, slab=4, plane_spacing=0.5, plane_origin=3, **MAPS)
    assert [made.shape for made in (fused, index, confidence, height)] == [(3, 64, 128)] * 4
    for k, first in enumerate((0, 2, 4)):
        alone = fuse_stack(strips, planes=(first, first + 3), plane_spacing=0.5, plane_origin=3, **MAPS)
        for made, expected in zip((fused, index, confidence, height), alone, strict=True):
            np.testing.assert_array_equal(made[k], expected)
    assert (fused.dtype, index.dtype, height.dtype) == (np.uint8, np.uint16, np.float32)


@pytest.mark.parametrize("method", ["decision", "regression"])
def test_slabs_lie_on_the_axis_of_the_planes_and_are_the_same_as_dask_array(strips, method):
    czyx = np.stack([strips, strips // 2])[:, :7]
    options = {"axis": 1, "slab": 4, "method": method, "precision": "float32", "channel_axis": 0}
    options |= {"guide_channel": 1, "return_index": True} if method == "decision" else {}
    whole = fuse_stack(czyx, **options)
    lazy = fuse_stack(da.from_array(czyx, chunks=(1, 2, 30, 50)), **options)
    if method == "decision":
        assert whole[1].shape == (3, 64, 128)  # planes 0 to 3, 2 to 5, 4 to 6: the last one has three
        assert [(int(part.min()), int(part.max())) for part in whole[1]] == [(0, 3), (2, 5), (4, 6)]
        np.testing.assert_array_equal(lazy[1].compute(), whole[1])
        whole, lazy = whole[0], lazy[0]
    assert whole.shape == (2, 3, 64, 128)
    np.testing.assert_array_equal(lazy.compute(), whole)
    expected = fuse_stack(czyx, **options | {"slab": None, "planes": (2, 5)})
    np.testing.assert_array_equal(whole[:, 1], expected[0] if method == "decision" else expected)


def test_of_slabs_the_image_alone_is_masked(strips):
    masked = np.ma.masked_array(strips, strips < 10)
    made = fuse_stack(masked, slab=4, **MAPS)
    assert [np.ma.isMaskedArray(one) for one in made] == [True, False, False, False]


@pytest.mark.parametrize("lazy", [False, True])
def test_slabs_keep_the_order_of_bytes(strips, lazy):
    planes = strips.astype(">u2")
    fused = fuse_stack(da.from_array(planes) if lazy else planes, slab=4)
    assert fused.dtype == np.asarray(fused).dtype == ">u2"


def test_slabs_of_a_part_have_progress_and_previews_of_their_own(strips):
    options = StackOptions(planes=(1, 6), slab=3)
    steps, result = [], np.zeros((4, 64, 128), np.uint8)
    for report in (work := iter_fuse_stack(strips, options)):
        steps.append(report.done / report.total)
        if report.preview:
            before = result.copy()
            report.preview.paint(result)
            assert np.count_nonzero((before != result).any((1, 2))) <= 1
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, 1)
    np.testing.assert_array_equal(result, fuse_stack(strips[1:7], slab=3))
    assert work.gi_frame is None


def test_slabs_that_cannot_be_are_refused(strips):
    with pytest.raises(ValueError, match="slab: expected a number of planes from 2 to 8, got 9"):
        fuse_stack(strips, slab=9)
    with pytest.raises(ValueError, match="slab: expected register=None, got 'affine'"):
        fuse_stack(strips, slab=2, register="affine")
    with pytest.raises(ValueError, match="slab: expected a number of planes of at least 2, got 1"):
        fuse_stack(strips, slab=1)


@pytest.mark.parametrize(("planes", "slab"), [(8, 8), (7, 4), (20, 5), (9, 2), (10, 3), (11, 10)])
def test_slabs_cover_the_stack_and_are_equally_far_apart(planes, slab):
    slabs = split_planes(planes, slab)
    assert set().union(*slabs) == set(range(planes))
    assert {b[0] - a[0] for a, b in pairwise(slabs)} <= {step_of(slab)}
    assert all(len(part) == slab for part in slabs[:-1])
    assert slab / 2 <= len(slabs[-1]) <= slab
    assert not any(set(part) <= set(other) for part in slabs for other in slabs if part is not other)


def test_parts_and_slabs_have_their_part_of_the_mask(strips):
    mask = np.ones(strips.shape, bool)
    mask[2:6, 3:9, 5:20] = False
    part = {"planes": (1, 6), "region": ((0, 40), (0, 60)), "slab": 4, "return_index": True}
    masked = np.ma.masked_array(strips, ~mask)
    for images, given in ((strips, mask), (masked, None), (da.from_array(strips, chunks=(1, 30, 50)), mask)):
        fused, index = (np.ma.asarray(np.ma.asanyarray(made)) for made in fuse_stack(images, mask=given, **part))
        assert fused.shape == index.shape == (2, 40, 60)  # planes 1 to 4, and 3 to 6
        assert (index[0].data[3:9, 5:20] == 1).all()  # the only one that has data there
        assert (index[1].data[3:9, 5:20] == 6).all()

"""What says "no data here": a mask, NaN, alpha 0, numpy.ma, and borders of an earlier alignment."""

import warnings

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data

from napari_rpsnn import fuse, fuse_stack
from napari_rpsnn.engine.borders import Border
from napari_rpsnn.engine.results import drain
from napari_rpsnn.options import StackOptions
from napari_rpsnn.stack import iter_fuse_stack

ROWS, COLUMNS = 90, 120
LITE = {"model": "rpsnn-lite", "device": "cpu", "precision": "float32"}


@pytest.fixture(scope="module")
def planes():
    """Three planes of float32, each sharp in a third, from 20 to 235."""
    sharp = data.camera()[60 : 60 + ROWS, 120 : 120 + COLUMNS].astype(np.float32) * np.float32(215 / 255) + 20
    made = np.stack([gaussian_filter(sharp, 2)] * 3)
    for k in range(3):
        made[k, :, 40 * k : 40 * (k + 1)] = sharp[:, 40 * k : 40 * (k + 1)]
    return made


@pytest.fixture(scope="module")
def covered():
    """Where they have data: each lacks some rows at the top, and all a corner."""
    made = np.ones((3, ROWS, COLUMNS), bool)
    for k in range(3):
        made[k, : 8 * (k + 1)] = False
    return made


def spoiled(planes, covered, how):
    """A stack, and options, that say so; what is under a mask must never be seen."""
    junk = np.where(covered, planes, 9999)
    if how == "NaN":
        return np.where(covered, planes, np.float32(np.nan)), {}
    if how == "numpy.ma":
        return np.ma.masked_array(junk.astype(np.uint16), ~covered), {}
    if how == "mask":
        return junk.astype(np.uint16), {"mask": covered.astype(np.uint8)}
    rgba = np.stack([np.where(covered, planes, 0)] * 3 + [np.where(covered, 200, 0)], -1)
    return rgba.astype(np.uint8), {"channel_axis": -1}


WAYS = ["NaN", "numpy.ma", "mask", "alpha"]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("method", ["decision", "regression"])
@pytest.mark.parametrize("count", [2, 3])
def test_only_planes_with_data_compete_and_nothing_is_made_up(planes, covered, how, method, count):
    images, options = spoiled(planes[:count], covered[:count], how)
    fused = fuse_stack(images, method=method, **options, **LITE)
    nowhere = ~covered[:count].any(0)
    if how == "NaN":
        said, values = np.isnan(fused), np.nan_to_num(fused)
    elif how == "alpha":
        said, values = fused[..., 3] == 0, fused[..., 0]
        assert set(np.unique(fused[..., 3])) == {0, 200}
    else:
        assert isinstance(fused, np.ma.MaskedArray)
        said, values = fused.mask, fused.data
    np.testing.assert_array_equal(said, nowhere)
    low, high = (np.floor(planes[:count].min(0)), np.ceil(planes[:count].max(0)))
    assert ((values >= low) & (values <= high))[~nowhere].all()
    # In these rows there is one plane alone.
    alone = (slice(9, 15), slice(None))
    np.testing.assert_allclose(values[alone], images[0][..., 0][alone] if how == "alpha" else planes[0][alone], atol=1)


@pytest.mark.parametrize("how", WAYS)
def test_maps_say_so_too(planes, covered, how):
    images, options = spoiled(planes, covered, how)
    maps = {"return_index": True, "return_confidence": True, "return_height": True}
    _, index, confidence, height = fuse_stack(images, **maps, **options, **LITE)
    nowhere = ~covered.any(0)
    np.testing.assert_array_equal(index == 65535, nowhere)
    np.testing.assert_array_equal(np.isnan(confidence), nowhere)
    np.testing.assert_array_equal(np.isnan(height), nowhere)
    taken = np.take_along_axis(covered, np.where(nowhere, 0, index)[None].astype(int), 0)[0]
    assert taken[~nowhere].all()
    assert np.abs(height - index)[~nowhere].max() < 3


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("method", ["decision", "regression"])
@pytest.mark.parametrize("count", [2, 3])
def test_chunked_equals_whole(planes, covered, how, method, count):
    da = pytest.importorskip("dask.array")
    images, options = spoiled(planes[:count], covered[:count], how)
    maps = ("return_index", "return_confidence", "return_height") if method == "decision" else ()
    options |= {"method": method, **dict.fromkeys(maps, True), **LITE}
    whole = fuse_stack(images, **options)
    lazy = fuse_stack(da.from_array(images, chunks=(1, 50, 41, 4)[: images.ndim]), **options)
    for one, other in zip(lazy, whole, strict=True) if maps else [(lazy, whole)]:
        computed = one.compute()
        assert isinstance(computed, np.ma.MaskedArray) == isinstance(other, np.ma.MaskedArray)
        np.testing.assert_array_equal(np.ma.getdata(computed), np.ma.getdata(other))
        np.testing.assert_array_equal(np.ma.getmaskarray(computed), np.ma.getmaskarray(other))


def both_ways(images, **options):
    """The result in memory, which that of a dask array must equal."""
    da = pytest.importorskip("dask.array")
    whole = fuse_stack(images, **options, **LITE)
    lazy = fuse_stack(da.from_array(images, chunks=(1, 50, 41, 4)[: images.ndim]), **options, **LITE).compute()
    np.testing.assert_array_equal(np.ma.getmaskarray(lazy), np.ma.getmaskarray(whole))
    np.testing.assert_array_equal(np.ma.getdata(lazy), np.ma.getdata(whole))
    return whole


@pytest.mark.parametrize("alone", ["equal planes", "the others are empty", "all are empty"])
def test_by_regression_a_plane_alone_leaves_what_it_lacks_empty(planes, alone):
    images = np.stack([planes[0]] * 3)
    images[:, :5] = np.nan
    images[{"equal planes": 3, "the others are empty": 1, "all are empty": 0}[alone] :] = np.nan
    np.testing.assert_array_equal(both_ways(images, method="regression"), images[0])


def test_by_regression_a_plane_alone_shows_nothing_that_is_under_a_mask(planes):
    here = np.ones((ROWS, COLUMNS), bool)
    here[:5] = False
    fused = both_ways(np.stack([planes[0].astype(np.uint8)] * 3), method="regression", mask=here)
    assert (fused.data[:5] == 0).all()
    assert fused.mask[:5].all()


def test_by_regression_planes_that_differ_in_where_they_have_data_are_all_taken():
    images = np.full((3, 64, 64), 7, np.float32)
    images[0, 32:] = images[1, :32] = images[2] = np.nan
    assert (both_ways(images, method="regression") == 7).all()


@pytest.mark.parametrize("method", ["decision", "regression"])
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("how", ["NaN", "mask"])
def test_alpha_is_0_where_all_else_says_no_data(planes, covered, how, count, method):
    """In the sources it is not, and under a mask it differs from plane to plane."""
    planes, covered = planes[:count], covered[:count]
    rgba = np.stack([planes] * 3 + [np.full_like(planes, 200)], -1)
    options = {"channel_axis": -1, "method": method}
    if how == "NaN":
        rgba[~covered, :3] = np.nan
    else:
        rgba = rgba.astype(np.uint8)
        for k in range(count):
            rgba[k, ~covered[k], 3] = k + 1
        options["mask"] = covered
    expected = np.where(covered.any(0), 200, 0)
    np.testing.assert_array_equal(both_ways(rgba, **options)[..., 3], expected)
    if count == 2:
        da = pytest.importorskip("dask.array")
        for images in (rgba, da.from_array(rgba, chunks=(1, 50, 41, 4))):
            np.testing.assert_array_equal(np.asarray(fuse(*images, **options, **LITE))[..., 3], expected)


def test_a_mask_of_one_picture_counts_for_all_planes(planes):
    here = np.ones((ROWS, COLUMNS), bool)
    here[10:20, 30:60] = False
    fused = fuse_stack(planes, mask=here, **LITE)
    np.testing.assert_array_equal(np.isnan(fused), ~here)
    whole = fuse_stack(planes, mask=np.broadcast_to(here, planes.shape), **LITE)
    np.testing.assert_array_equal(fused, whole)


def test_planes_one_by_one_may_be_masked(planes, covered):
    images = [np.ma.masked_array(plane, ~there) for plane, there in zip(planes, covered, strict=True)]
    fused = fuse_stack(images, **LITE)
    np.testing.assert_array_equal(fused.mask, ~covered.any(0))


def test_a_plane_of_one_value_counts_where_it_is_all_there_is(planes, covered):
    images, _ = spoiled(planes, covered, "NaN")
    fused = fuse_stack(np.concatenate([images, np.full_like(images[:1], 77)]), **LITE)
    assert (fused[:8] == 77).all()


def test_without_any_data_there_is_no_result(planes):
    fused, index = fuse_stack(np.full_like(planes, np.nan), return_index=True, **LITE)
    assert np.isnan(fused).all()
    assert (index == 65535).all()


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.ones((3, 4)), TypeError, "mask: expected a boolean or integer dtype, nonzero where there is data, got fl"),
        (np.ones((3, 4), bool), ValueError, r"mask: expected the shape \(3, 90, 120\), or one that .*, got \(3, 4\)"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(planes, mask, error, message):
    with pytest.raises(error, match=message):
        fuse_stack(planes, mask=mask)


def test_alpha_that_differs_where_both_have_data_is_refused(planes, covered):
    images, options = spoiled(planes, covered, "alpha")
    images[2, 40, 40, 3] = 7
    with pytest.raises(ValueError, match=r"planes before 2 and plane 2: .* or 0 for no data, got 1 pixels"):
        fuse_stack(images, **options)


def test_borders_of_an_earlier_alignment_are_said(planes):
    images = planes.astype(np.uint8)
    images[1, :, :9] = 0
    steps = iter_fuse_stack(images, StackOptions(return_index=True, **LITE))
    result = drain(steps)
    (note,) = result.made_by["notes"]
    assert "Borders without data were found" in note
    assert "plane 1" in note
    assert not (result.index[:, :9] == 1).any()


def test_registration_takes_nothing_from_where_there_is_no_data(planes):
    pytest.importorskip("SimpleITK")
    sharp = data.camera()[60:220, 120:300].astype(np.float32)
    images = np.stack([gaussian_filter(np.roll(sharp, 3 * k, 1), 0.6 * k) for k in range(3)])
    images[:, :10] = np.nan
    images[0, :20] = np.nan
    fused, index = fuse_stack(images, register="translation", return_index=True, **LITE)
    assert np.isnan(fused[:9]).all()
    assert not (index[:19] == 0).any()
    assert np.isfinite(fused[25:]).all()
    assert fused[25:].min() >= np.nanmin(images)


def test_where_a_mask_says_that_all_is_data_no_borders_are_looked_for_in_planes_to_be_aligned():
    pytest.importorskip("SimpleITK")
    sharp = data.camera()[60:220, 120:300]
    images = np.stack([gaussian_filter(sharp, 0.6 * k) for k in range(3)])
    images[:, :, :8] = 0
    everywhere = np.ones(images.shape, np.uint8)
    fused = fuse_stack(images, register="translation", mask=everywhere, return_index=True, **LITE)
    assert (fused[0][5:-5, :6] == 0).all()
    assert (fused[1][5:-5, 2:-2] < 3).all()


@pytest.mark.parametrize("method", ["decision", "regression"])
@pytest.mark.parametrize(("shift", "lacking", "empty"), [(-12, [0, 1, 2], 0), (12, [1], 10)])
def test_alpha_of_aligned_planes_is_0_where_none_of_them_has_data(method, shift, lacking, empty):
    """The first and the last plane lie beside the middle one: they show what it lacks, or neither shows it."""
    pytest.importorskip("SimpleITK")
    sharp = data.camera()[100:196, 100:240]
    starts = 20 + shift, 20, 20 + shift
    planes = np.stack([gaussian_filter(sharp, k / 2)[:, start : start + 96] for k, start in enumerate(starts)])
    rgba = np.stack([planes] * 3 + [np.full_like(planes, 255)], -1)
    rgba[lacking, :, :10] = 0
    fused = fuse_stack(rgba, channel_axis=-1, register="translation", method=method, **LITE)
    alpha = fused[2:-2, :, 3]  # a fraction of a pixel may be missing above or below
    assert (alpha[:, :empty] == 0).all()
    assert (alpha[:, empty:] == 255).all()


# Of two images.


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("method", ["decision", "regression"])
def test_of_two_images_the_one_with_data_is_taken(planes, covered, how, method):
    images, options = spoiled(planes[:2], covered[:2], how)
    decided = method == "decision"
    fused = fuse(*images, method=method, return_map=decided, **options, **LITE)
    fused, share = fused if decided else (fused, None)
    nowhere = ~covered[:2].any(0)
    if how == "NaN":
        said, values = np.isnan(fused), fused
    elif how == "alpha":
        said, values = fused[..., 3] == 0, fused[..., 0]
    else:
        said, values = fused.mask, fused.data
    np.testing.assert_array_equal(said, nowhere)
    source = images[..., 0] if how == "alpha" else images
    np.testing.assert_array_equal(values[9:15], np.asarray(source[0])[9:15])
    if decided:
        np.testing.assert_array_equal(np.isnan(share), nowhere)
        assert (share[8:16] == 1).all()


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("method", ["decision", "regression"])
def test_chunked_pairs_equal_whole_ones(planes, covered, how, method):
    da = pytest.importorskip("dask.array")
    images, options = spoiled(planes[:2], covered[:2], how)
    options |= {"method": method, "return_map": method == "decision", **LITE}
    whole = fuse(*images, **options)
    lazy = fuse(*(da.from_array(image, chunks=(50, 41, 4)[: image.ndim]) for image in images), **options)
    for one, other in zip(lazy, whole, strict=True) if method == "decision" else [(lazy, whole)]:
        computed = one.compute()
        assert isinstance(computed, np.ma.MaskedArray) == isinstance(other, np.ma.MaskedArray)
        np.testing.assert_array_equal(np.ma.getdata(computed), np.ma.getdata(other))
        np.testing.assert_array_equal(np.ma.getmaskarray(computed), np.ma.getmaskarray(other))


def test_of_a_chunked_pair_one_image_may_be_masked(planes):
    da = pytest.importorskip("dask.array")
    masked, plain = np.ma.masked_greater(planes[0], 100), planes[1]
    expected = fuse(masked, plain, precision="float32")
    found = fuse(da.from_array(masked), da.from_array(plain), precision="float32").compute()
    assert np.ma.isMaskedArray(found)
    np.testing.assert_array_equal(found, expected)


def test_of_a_chunked_pair_a_mask_and_numpy_ma_count_together_whatever_number_the_mask_has(planes):
    da = pytest.importorskip("dask.array")
    masked = np.ma.masked_greater(planes[0], 100)
    options = {"mask": np.where(np.arange(120) < 20, 0, 2), "precision": "float32"}
    expected = fuse(masked, planes[1], **options)
    found = fuse(da.from_array(masked, chunks=50), da.from_array(planes[1]), **options).compute()
    np.testing.assert_array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(expected))
    np.testing.assert_array_equal(found.filled(0), expected.filled(0))


def test_a_border_of_one_image_is_said_and_left_out(planes):
    images = planes[:2].astype(np.uint8)
    images[0, :9] = 0
    with pytest.warns(UserWarning, match=r"Borders without data were found \(.*\): image0\. There"):
        fused, share = fuse(*images, return_map=True, **LITE)
    assert (share[:9] == 0).all()
    np.testing.assert_array_equal(fused[:9], images[1, :9])
    images[1, :9] = 0
    with pytest.warns(UserWarning, match="image0, image1"):
        assert (fuse(*images, **LITE)[:9] == 0).all()


def test_a_border_of_a_chunked_pair_is_said_to_whoever_computes(planes):
    da = pytest.importorskip("dask.array")
    near, far = planes[:2].astype(np.uint8)
    near[:, :9] = 0
    fused = fuse(*(da.from_array(image, chunks=(50, 41)) for image in (near, far)), **LITE)
    with pytest.warns(UserWarning, match=r"Borders without data were found \(.*\): image0\. There"):
        fused.compute()


def test_an_aligned_pair_takes_nothing_from_where_there_is_no_data(planes):
    pytest.importorskip("SimpleITK")
    sharp = data.camera()[60:220, 120:300].astype(np.float32)
    first, second = sharp.copy(), np.roll(sharp, 3, 1)
    first[:20], second[:10] = np.nan, np.nan
    fused, share = fuse(first, second, register="translation", return_map=True, **LITE)
    assert np.isnan(fused[:9]).all()
    assert (share[11:20, :170] == 0).all()
    assert np.isfinite(fused[20:]).all()


def test_alpha_of_an_aligned_pair_is_that_of_where_there_is_data():
    pytest.importorskip("SimpleITK")
    sharp = data.camera()[60:220, 120:300].astype(np.float32)
    first = np.stack([sharp] * 3 + [np.full_like(sharp, 200)], -1)
    second = np.roll(first, 3, 1)
    first[:20], second[:10] = 0, np.nan
    fused = fuse(first, second, register="translation", channel_axis=-1, **LITE)
    assert (fused[:9, :, 3] == 0).all()
    assert (fused[11:, :170, 3] == 200).all()


def test_a_plane_with_data_in_every_other_column_alone(planes):
    holed = planes.copy()
    holed[1, :, ::2] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image, index = fuse_stack(holed, return_index=True, **LITE)
    assert np.isfinite(image).all()
    assert not (index[:, ::2] == 1).any()
    assert (index == 1).any()


@pytest.mark.parametrize("background", [-8, 263])
@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_a_straight_side_before_a_background_that_is_cut_off_is_no_border(background, slope):
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:192, :192]
    there = (columns - 40 - slope * rows + 0.5).clip(0, 1)
    truth = (0.7 * data.grass()[:192, :192] + 40) * there + background * (1 - there)
    clean = np.stack([gaussian_filter(truth, 0.4 + 0.6 * abs(k - 3)) for k in range(7)])
    planes = (clean + rng.normal(size=clean.shape)).round().clip(0, 255).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        index = fuse_stack(planes, return_index=True)[1]
    assert np.mean(index[np.abs(columns - 40 - slope * rows) < 12] == 3) > 0.99


def test_a_shadow_in_the_middle_of_a_side_is_no_border():
    picture = (0.5 * data.grass()[:160, :160, None]).astype(np.uint8) + 40
    deep = 12 - np.arange(24) // 3
    for column, rows in enumerate(deep, 60):
        picture[:rows, column] = 0
    assert Border.of(picture).depth == 0
    picture[:12, :90] = 0
    assert Border.of(picture).depth >= 12

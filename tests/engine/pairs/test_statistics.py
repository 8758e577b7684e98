import numpy as np
import pytest

from napari_rpsnn.engine.brightness import SAME, Level
from napari_rpsnn.engine.pairs.statistics import PairStatistics, plan_of
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.images.tiling import one_more
from napari_rpsnn.images.validity import known

NAMES = ("image0", "image1")


def plan(a, b, layout=None, block=None):
    layout = layout or Layout.of(a.shape[:2], None, None)
    block = block or max(a.shape)
    starts = [(i, j) for i in range(0, a.shape[0], block) for j in range(0, a.shape[1], block)]
    blocks = [(slice(i, i + block), slice(j, j + block)) for i, j in starts]
    shape = a.shape[:2]
    looked = [
        PairStatistics.of(
            *(known(x[one_more(part)], layout) for x in (a, b)),
            layout,
            a[part].shape[:2],
            shape,
            (part[0].start, part[1].start),
        )
        for part in blocks
    ]
    return plan_of(looked, NAMES, shape)


@pytest.mark.parametrize("dtype", ["u1", "i8", ">f2", "f4", "f8"])
def test_the_brighter_one_goes_first_in_any_dtype_and_in_any_blocks(dtype):
    dark = np.random.default_rng(0).integers(0, 100, (40, 50, 1)).astype(dtype)
    bright = dark.copy()
    bright[30, 20] += 1
    for block in (None, 7, 20):
        assert plan(dark, bright, block=block).swapped
        assert not plan(bright, dark, block=block).swapped
    assert plan(dark, bright).first((1, 2)) == (2, 1)
    assert plan(bright, dark).first((1, 2)) == (1, 2)


def test_a_scale_and_an_offset_do_not_decide():
    a, b = np.random.default_rng(0).random((2, 40, 50, 1))
    swapped = plan(a, b).swapped
    for scale, offset in ((1e-6, 0), (3, -1e3), (1e8, 1e8)):
        assert plan(scale * a + offset, scale * b + offset).swapped == swapped


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [
        ("f8", 1, 1e12),
        ("f8", 1e-3, -1e12),
        ("f8", 1e297, 0),
        ("f8", 1e296, 9e299),
        ("f8", 5e-324, 0),
        ("f4", 1, 1e6),
        ("u4", 1, 2**32 - 200),
        ("i8", 1, 2**62),
        ("i8", 2**55, -(2**62)),
        ("u8", 1, 2**64 - 4096),
    ],
)
@pytest.mark.parametrize("block", [None, 7])
def test_the_brighter_one_goes_first_whatever_the_offset(dtype, scale, offset, block):
    dark = np.random.default_rng(0).integers(0, 100, (40, 50, 1))
    bright = dark.copy()
    bright[30, 20] += 50
    number = np.dtype(dtype).type
    a, b = (image.astype(dtype) * number(scale) + number(offset) for image in (dark, bright))
    assert plan(a, b, block=block).swapped
    assert not plan(b, a, block=block).swapped


@pytest.mark.parametrize("block", [None, 3, 11])
def test_equal_means_leave_the_order_whatever_the_rounding(block):
    values = np.random.default_rng(0).random((40, 50, 1))
    assert not plan(values, values[::-1, ::-1], block=block).swapped
    assert not plan(values[::-1, ::-1], values, block=block).swapped


def test_the_range_is_that_of_what_the_network_sees():
    a, b = np.random.default_rng(0).integers(0, 1000, (2, 8, 9, 5))
    seen = np.stack([a, b])[..., 2]
    found = plan(a, b, Layout.of(a.shape, -1, 2), block=4).values
    assert (found.low, found.high) == (seen.min(), seen.max())


def test_what_cannot_be_fused_is_refused_with_its_number():
    a, b = np.zeros((2, 8, 9, 1))
    b[2, 3], b[7, 8] = -np.inf, np.inf
    with pytest.raises(ValueError, match="image1: expected finite values, or NaN for no data, got 2"):
        plan(a, b, block=4)
    a, b = np.ones((2, 8, 9, 4))
    b[5:, 3, 3] = 2
    with pytest.raises(ValueError, match=r"image0 and image1: .* 3 pixels"):
        plan(a, b, Layout.of(a.shape, -1, None), block=4)


@pytest.mark.parametrize("block", [None, 7, 20])
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_a_hot_pixel_has_no_part_in_the_range(block, dtype):
    a, b = np.random.default_rng(0).integers(100, 400, (2, 40, 50, 1)).astype(dtype)
    clean = plan(a, b, block=block)
    assert not clean.hot
    a[20, 19], b[0, 0] = 60000, 20000
    found = plan(a, b, block=block)
    assert found.hot
    assert found.values.high < 400
    a[20, 20] = 60000  # two side by side are something
    assert plan(a, b, block=block).values.high == 60000


@pytest.mark.parametrize("dtype", ["u4", "f8"])
@pytest.mark.parametrize("block", [None, 7])
def test_a_hot_pixel_that_both_have_leaves_the_order(block, dtype):
    dark = np.random.default_rng(0).integers(100, 400, (40, 50, 1)).astype(dtype)
    dark[20, 19] = 4e9
    bright = dark.copy()
    bright[30, 20] += 50
    assert plan(dark, bright, block=block).swapped
    assert not plan(bright, dark, block=block).swapped


@pytest.mark.parametrize("hot", [1e200, 1e300])
def test_brightness_is_told_beside_a_hot_pixel_of_any_value(hot):
    a = np.random.default_rng(0).random((40, 50, 1))
    b = a + 0.01
    b[20, 19] = hot
    with np.errstate(all="raise"):
        assert np.isfinite([(level.gain, level.offset) for level in plan(a, b).levels]).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_brightness_does_not_leave_the_range_of_a_type(dtype):
    largest = np.finfo(dtype).max
    image = np.array([[-largest, -1, 0, 1, largest]], dtype)
    np.testing.assert_array_equal(Level(1.5).bring(image), np.array([[-largest, -1.5, 0, 1.5, largest]], dtype))


@pytest.mark.parametrize("block", [None, 7, 20])
@pytest.mark.parametrize(("gain", "offset"), [(1.2, 0), (0.8, 0), (1, 30), (1.15, 40)])
def test_brightness_is_found_in_any_blocks(block, gain, offset):
    a = np.random.default_rng(0).random((9, 11)).repeat(9, 0).repeat(9, 1)[..., None] * 150 + 20
    b = gain * a + offset
    assert plan(a, a + 0.1).levels == (SAME, SAME)
    first, second = plan(a, b, block=block).levels
    assert plan(b, a, block=block).levels == (second, first)
    np.testing.assert_allclose(first.bring(a), second.bring(b), atol=2)
    assert plan(a, b, block=block).levels == plan(a, b).levels


def test_what_is_known_of_parts_without_data():
    a, b = np.random.default_rng(0).random((2, 40, 50, 1))
    a[:10], b[:, :20] = np.nan, np.nan
    found = plan(a, b, block=11)
    assert found.lacking
    assert not plan(b, b[::-1]).hot
    assert (found.values.low, found.values.high) == (np.nanmin([a, b]), np.nanmax([a, b]))
    assert plan(np.full_like(a, np.nan), b).lacking

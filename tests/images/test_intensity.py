import numpy as np
import pytest

from napari_rpsnn.images.intensity import IntensityRange


@pytest.mark.parametrize("dtype", ["u1", "i2", ">u2", "u4", "f2", "f4", ">f8"])
def test_sources_come_back(dtype):
    image = np.arange(100).astype(dtype)
    values = IntensityRange.of([image[:50], image[50:]])
    unit = values.to_unit(image)
    assert unit.dtype == np.float32
    assert (unit.min(), unit.max()) == (0, 1)
    back = values.from_unit(unit, image.dtype)
    assert back.dtype == image.dtype
    np.testing.assert_allclose(back.astype(float), image.astype(float), atol=1e-5)


def test_all_of_16_bits_come_back_exactly():
    image = np.arange(65536, dtype=np.uint16)
    values = IntensityRange.of([image, image])
    np.testing.assert_array_equal(values.from_unit(values.to_unit(image), image.dtype), image)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_64_bit_integers_do_not_wrap_around(dtype):
    image = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
    values = IntensityRange.of([image, image])
    np.testing.assert_array_equal(values.to_unit(image), [0, 1])
    np.testing.assert_array_equal(values.from_unit(np.array([-0.1, 1.1]), image.dtype), image)


@pytest.mark.parametrize("value", [2**53 + 1, 2**63 - 1])
def test_integers_that_float64_cannot_hold_come_back(value):
    image = np.array([value - 3, value], np.int64)
    values = IntensityRange.of([image, image])
    np.testing.assert_array_equal(values.from_unit(values.to_unit(image), image.dtype), image)


def test_nothing_leaves_the_range():
    values = IntensityRange(100, 200)
    np.testing.assert_array_equal(values.from_unit(np.array([-0.5, 1.5]), np.dtype("u1")), [100, 200])


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", ">u4", "i8", "f4", ">f8"])
@pytest.mark.parametrize("low", [10, 10.5])
def test_values_beyond_the_range_are_beyond_0_and_1(dtype, low):
    """Dead and hot pixels are no part of a stack's range, whose ends may lie between two integers."""
    image = np.array([0, 10, 15, 20, 40], dtype)
    expected = (image.astype(float) - low) / 5
    np.testing.assert_allclose(IntensityRange(low, low + 5).to_unit(image), expected, rtol=1e-6)


def test_ranges_below_zero_of_wide_integers():
    image = np.array([-9, -4, -3, 5], np.int32)
    np.testing.assert_allclose(IntensityRange(-3.5, 4.5).to_unit(image), (image + 3.5) / 8)
    wide = np.array([np.iinfo(np.int64).min, -1, np.iinfo(np.int64).max])
    np.testing.assert_array_equal(IntensityRange(-1, 2**63 - 2).to_unit(wide), [-1, 0, 1])


def test_a_constant_comes_back():
    image = np.full(3, 7.5)
    values = IntensityRange.of([image, image])
    np.testing.assert_array_equal(values.from_unit(values.to_unit(image), image.dtype), image)


@pytest.mark.parametrize("largest", [1e308, -1e301, np.nan])
def test_values_that_sums_of_them_could_leave_float64_by_are_refused(largest):
    with pytest.raises(ValueError, match=r"images: expected values of at most 1e\+300, got"):
        IntensityRange.of([np.array([0.0]), np.array([largest])])


@pytest.mark.parametrize("dtype", ["i4", "u4", "i8", "u8", "f8"])
def test_values_below_and_above_the_range_stay_there(dtype):
    low = 2**30 if dtype == "i4" else 2**31
    image = np.array([low - 100, low, low + 50, low + 100, low + 300], dtype)
    np.testing.assert_array_equal(IntensityRange(low, low + 100).to_unit(image), [-1, 0, 0.5, 1, 3])


def test_hot_pixels_are_finite_whatever_the_range():
    unit = IntensityRange(0.0, 1e-300).to_unit(np.array([-1e300, 1e300]))
    assert np.isfinite(unit * unit).all()

import numpy as np
import pytest
from networks import randomized
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from napari_rpsnn import fuse, load_model
from napari_rpsnn.engine.results import drain
from napari_rpsnn.fusion import iter_fuse
from napari_rpsnn.options import FuseOptions

# float32 makes the invariants exact to rounding; bfloat16 has a test of its own.
EXACT = {"precision": "float32"}


@pytest.mark.parametrize("model", ["rpsnn-lite", "rpsnn"])
def test_fused_is_nearer_to_the_truth_than_the_average(rgb_pair, model):
    near, far, truth = rgb_pair
    fused = fuse(near, far, channel_axis=-1, model=model)
    mean = ((near.astype(int) + far) // 2).astype(np.uint8)
    assert peak_signal_noise_ratio(truth, fused) > peak_signal_noise_ratio(truth, mean) + 3


def test_bfloat16_is_as_near_to_the_truth(grey_pair):
    near, far, truth = grey_pair
    fast, exact = (peak_signal_noise_ratio(truth, fuse(near, far, precision=p)) for p in ("bfloat16", "float32"))
    assert abs(fast - exact) < 0.5


def test_two_equal_images_give_the_image(grey_pair):
    for image in (grey_pair[2], grey_pair[2] * np.float64(1e7 / 3)):
        np.testing.assert_array_equal(fuse(image, image), image)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_real_dtype_comes_back(grey_pair, dtype, order):
    near, far = (x[:40, 40:90] // 2 for x in grey_pair[:2])
    kind = np.dtype(dtype).newbyteorder(order)
    fused = fuse(near.astype(kind), far.astype(kind), **EXACT)
    assert fused.dtype == kind
    expected = fuse(near, far, **EXACT)
    np.testing.assert_allclose(fused.astype(float), expected.astype(float), atol=0.51)


def test_12_bit_camera_counts_in_uint16(grey_pair):
    near, far, truth = (x.astype(np.uint16) * 16 for x in grey_pair)
    fused = fuse(near, far, **EXACT)
    assert fused.dtype == np.uint16
    assert fused.max() <= 4095
    assert peak_signal_noise_ratio(truth, fused, data_range=4095) > 30


@pytest.mark.parametrize(("factor", "offset"), [(1, -1000), (1, 1000), (1e-3, 0), (3000, 500), (1e-6, 7)])
def test_a_common_scale_and_offset_do_the_same_to_the_result(grey_pair, factor, offset):
    near, far = (x.astype(np.float64) for x in grey_pair[:2])
    expected = fuse(near, far, **EXACT) * factor + offset
    fused = fuse(near * factor + offset, far * factor + offset, **EXACT)
    np.testing.assert_allclose(fused, expected, rtol=0, atol=1e-4 * 255 * factor)


def test_float32_with_a_negative_offset(grey_pair):
    near, far, truth = (x.astype(np.float32) / 255 - 1000 for x in grey_pair)
    fused = fuse(near, far, **EXACT)
    assert fused.dtype == np.float32
    assert peak_signal_noise_ratio(truth, fused, data_range=1) > 30


def test_every_value_lies_between_the_sources_at_its_place(rgb_pair):
    near, far, _ = rgb_pair
    fused = fuse(near, far, channel_axis=-1)
    assert (fused >= np.minimum(near, far)).all()
    assert (fused <= np.maximum(near, far)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 500)])
def test_small_and_narrow_images(shape):
    rng = np.random.default_rng(0)
    near, far = rng.integers(0, 255, (2, *shape), dtype=np.uint8)
    fused = fuse(near, far)
    assert (fused.shape, fused.dtype) == (shape, np.uint8)


def test_a_constant_pair_gives_the_constant():
    flat = np.full((5, 6), 42, np.uint16)
    np.testing.assert_array_equal(fuse(flat, flat), flat)


def test_layout_in_memory_makes_no_difference_and_inputs_stay(grey_pair):
    near, far, _ = grey_pair
    expected = fuse(near, far, **EXACT)
    wide = np.zeros((near.shape[0] * 2, near.shape[1] * 3), np.uint8)
    wide[::2, ::-3] = near
    strided = wide[::2, ::-3]
    read_only = far.copy(order="F")
    read_only.flags.writeable = False
    before = strided.copy(), read_only.copy()
    np.testing.assert_array_equal(fuse(strided, read_only, **EXACT), expected)
    np.testing.assert_array_equal(strided, before[0])
    np.testing.assert_array_equal(read_only, before[1])


def test_lists_are_images_too():
    assert fuse([[1, 2], [3, 4]], [[1, 2], [3, 4]]).shape == (2, 2)


def test_tiles_do_not_show(grey_pair):
    near, far, _ = (x.astype(np.float64) for x in grey_pair)
    whole = fuse(near, far, **EXACT)
    np.testing.assert_allclose(fuse(near, far, tile=16, **EXACT), whole, rtol=0, atol=2e-3)


def test_same_input_same_result(grey_pair):
    near, far, _ = grey_pair
    np.testing.assert_array_equal(fuse(near, far), fuse(near, far))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_colour_channels_on_any_axis(rgb_pair, axis):
    near, far, _ = rgb_pair
    expected = fuse(near, far, channel_axis=-1, **EXACT)
    fused = fuse(np.moveaxis(near, -1, axis), np.moveaxis(far, -1, axis), channel_axis=axis, **EXACT)
    np.testing.assert_array_equal(np.moveaxis(fused, axis, -1), expected)


def test_alpha_is_kept_and_not_fused(rgb_pair):
    near, far, _ = rgb_pair
    alpha = np.random.default_rng(0).integers(1, 255, (*near.shape[:2], 1), dtype=np.uint8)
    fused = fuse(*(np.concatenate([x, alpha], -1) for x in (near, far)), channel_axis=-1, **EXACT)
    np.testing.assert_array_equal(fused[..., 3:], alpha)
    np.testing.assert_array_equal(fused[..., :3], fuse(near, far, channel_axis=-1, **EXACT))


def test_differing_alpha_is_refused(rgb_pair):
    near, far, _ = rgb_pair
    rgba = [np.concatenate([x, np.full((*x.shape[:2], 1), v, np.uint8)], -1) for x, v in ((near, 255), (far, 9))]
    with pytest.raises(ValueError, match="the last is alpha and must be the same in both, or 0 for no data, got 12288"):
        fuse(*rgba, channel_axis=-1)


def test_other_numbers_of_channels_are_fused_one_by_one(grey_pair):
    near, far, _ = grey_pair
    stack0, stack1 = np.stack([near, near // 3], -1), np.stack([far, far // 3], -1)
    fused = fuse(stack0, stack1, channel_axis=-1, **EXACT)
    np.testing.assert_array_equal(fused[..., 0], fuse(near, far, **EXACT))
    np.testing.assert_array_equal(fused[..., 1], fuse(near // 3, far // 3, **EXACT))


def test_leading_axes_are_fused_picture_by_picture(grey_pair):
    near, far, _ = grey_pair
    times0, times1 = np.stack([near, near // 2])[:, None], np.stack([far, far // 2])[:, None]
    fused = fuse(times0, times1, **EXACT)
    assert fused.shape == (2, 1, 96, 128)
    np.testing.assert_array_equal(fused[0, 0], fuse(near, far, **EXACT))
    np.testing.assert_array_equal(fused[1, 0], fuse(near // 2, far // 2, **EXACT))


def test_time_series_of_colour(rgb_pair):
    near, far, _ = rgb_pair
    fused = fuse(np.stack([near, far]), np.stack([far, near]), channel_axis=-1, **EXACT)
    np.testing.assert_array_equal(fused[0], fuse(near, far, channel_axis=-1, **EXACT))


def test_a_loaded_model_is_taken_and_left_alone(grey_pair):
    near, far, _ = grey_pair
    network = load_model("rpsnn-lite")
    before = {n: t.clone() for n, t in network.state_dict().items()}
    np.testing.assert_array_equal(fuse(near, far, model=network), fuse(near, far, model="rpsnn-lite"))
    assert all((t == before[n]).all() for n, t in network.state_dict().items())


@pytest.mark.parametrize("dtype", ["uint8", ">f4"])
@pytest.mark.parametrize("method", ["decision", "regression"])
def test_the_order_of_the_images_makes_no_difference(method, dtype, grey_pair):
    near, far = (image.astype(dtype) for image in grey_pair[:2])
    one, other = (fuse(*pair, method=method, tile=48) for pair in ((near, far), (far, near)))
    np.testing.assert_array_equal(one, other)
    assert near.mean() != far.mean()  # else it would


def test_a_map_is_of_the_first_image_whichever_is_the_brighter_one(grey_pair):
    near, far, _ = grey_pair
    (_, share), (_, other) = (fuse(*pair, return_map=True) for pair in ((near, far), (far, near)))
    np.testing.assert_array_equal(share, 1 - other)
    assert 0 in share
    assert 1 in share


def test_progress_comes_after_every_tile(grey_pair):
    near, far, _ = grey_pair
    reports = list(iter_fuse(np.stack([near] * 2), np.stack([far] * 2), FuseOptions(tile=20)))
    done = [r.done for r in reports]
    assert done == sorted(done)
    assert len(set(done)) > 3
    assert {r.total for r in reports} == {len(set(done)) - 1}


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
@pytest.mark.parametrize("which", [0, 1])
def test_infinity_is_refused_by_name(bad, which):
    pair = [np.zeros((4, 4)), np.zeros((4, 4))]
    pair[which][1, 2] = bad
    with pytest.raises(ValueError, match=f"image{which}: expected finite values, or NaN for no data, got 1 that"):
        fuse(*pair)


@pytest.mark.parametrize("dtype", [bool, complex, "U1", object, "M8[s]"])
def test_other_dtypes_are_refused_by_name(dtype):
    good, bad = np.zeros((4, 4)), np.zeros((4, 4)).astype(int).astype(dtype)
    with pytest.raises(TypeError, match=r"image1: expected an integer or floating-point dtype, got"):
        fuse(good, bad)


@pytest.mark.parametrize(
    ("image0", "image1", "message"),
    [
        (np.zeros((4, 4)), np.zeros((4, 5)), r"expected the same shape, got \(4, 4\) and \(4, 5\)"),
        (np.zeros((4, 4), "u1"), np.zeros((4, 4), "u2"), "expected the same dtype, got uint8 and uint16"),
        (np.zeros(4), np.zeros(4), r"expected images with at least 2 axes.*got the shape \(4,\)"),
        (np.zeros((0, 4)), np.zeros((0, 4)), r"none of them empty, got the shape \(0, 4\)"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(image0, image1, message):
    with pytest.raises(ValueError, match=message):
        fuse(image0, image1)


def test_a_channel_axis_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"channel_axis: expected an axis.*\(4, 4, 3\), got 3"):
        fuse(np.zeros((4, 4, 3)), np.zeros((4, 4, 3)), channel_axis=3)
    with pytest.raises(ValueError, match="expected images with at least 3 axes"):
        fuse(np.zeros((4, 4)), np.zeros((4, 4)), channel_axis=0)


class Watched:
    """An array that only gives parts of itself away, and remembers them."""

    def __init__(self, data):
        self.data, self.shape, self.dtype, self.read = data, data.shape, data.dtype, []

    def __getitem__(self, key):
        self.read.append(self.data[key].shape)
        return self.data[key]

    def __array__(self, *args, **kwargs):
        raise AssertionError("read as a whole")


@pytest.mark.parametrize("channel_axis", [None, 0, 1, 2, -1])
def test_what_is_no_numpy_array_is_read_picture_by_picture(channel_axis, rgb_pair):
    near, far, _ = (x[:40, :50] for x in rgb_pair)
    near, far = (np.stack([x, x[::-1]]) for x in (near, far))  # pictures, rows, columns, colours
    if channel_axis is not None:
        near, far = (np.moveaxis(x, -1, channel_axis) for x in (near, far))
    else:
        near, far = near[..., 0], far[..., 0]
    lazy = Watched(near), Watched(far)
    np.testing.assert_array_equal(fuse(*lazy, channel_axis=channel_axis), fuse(near, far, channel_axis=channel_axis))
    assert [len(x.read) for x in lazy] == [2, 2]
    assert {int(np.prod(shape)) for shape in lazy[0].read} == {near.size // 2}


@pytest.mark.parametrize("method", ["decision", "regression"])
@pytest.mark.parametrize("channel_axis", [None, -1])
def test_a_picture_larger_than_a_tile_is_read_window_by_window(method, channel_axis, monkeypatch):
    monkeypatch.setattr("napari_rpsnn.fusion.LOOK_PX", 100)
    rng = np.random.default_rng(0)
    near, far = rng.integers(0, 255, (2, 330, 400, 4), dtype=np.uint8)
    far[..., 3] = near[..., 3] = np.maximum(near[..., 3], 1)
    if channel_axis is None:
        near, far = near[..., 0], far[..., 0]
    options = {"channel_axis": channel_axis, "method": method, "tile": 50, "model": randomized(4)}
    lazy = Watched(near), Watched(far)
    np.testing.assert_array_equal(fuse(*lazy, **options), fuse(near, far, **options))
    # No window is larger than that of the decision: a tile and 137 pixels to each side.
    assert max(shape[0] for x in lazy for shape in x.read) <= 50 + 2 * 137
    assert max(shape[1] for x in lazy for shape in x.read) <= 50 + 2 * 137


def test_registration_reads_a_picture_whole(grey_pair):
    pytest.importorskip("SimpleITK")
    near, far, _ = (x[:64, :64] for x in grey_pair)
    options = {"register": "translation", "tile": 30}
    np.testing.assert_array_equal(fuse(Watched(near), Watched(far), **options), fuse(near, far, **options))
    bad = far.astype(float)
    bad[3, 4] = np.inf
    with pytest.raises(ValueError, match="image1: expected finite values, or NaN for no data, got 1"):
        fuse(near.astype(float), Watched(bad), **options)


def test_a_pair_that_cannot_be_aligned_is_told():
    pytest.importorskip("SimpleITK")
    near, far = data.camera()[100:180, 100:180], data.camera()[300:380, 300:380]
    with pytest.warns(UserWarning, match=r"register: image1 could not be aligned with image0 \(correlation ") as said:
        fuse(near, far, register="affine")
    assert said[0].filename == __file__
    result = drain(iter_fuse(near, far, FuseOptions(register="affine")))
    assert result.made_by["notes"] == [str(said[0].message)]


def test_values_that_are_not_finite_are_refused_where_they_are_read():
    images = np.zeros((2, 8, 8))
    bad = images.copy()
    bad[1, 2, 3] = np.inf
    with pytest.raises(ValueError, match="image1: expected finite values, or NaN for no data, got 1"):
        fuse(Watched(images), Watched(bad))

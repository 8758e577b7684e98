import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from napari_rpsnn import fuse_stack
from napari_rpsnn.engine.results import drain
from napari_rpsnn.options import StackOptions
from napari_rpsnn.stack import iter_fuse_stack


@pytest.fixture(scope="module")
def strips():
    """Four planes, each sharp in a strip of its own, and the truth: uint16 of 12 bits, 96x128 pixels."""
    truth = data.camera()[128:224, 192:320].astype(np.uint16) * 16
    planes = np.stack([gaussian_filter(truth, 2)] * 4)
    for k in range(4):
        planes[k, :, 32 * k : 32 * (k + 1)] = truth[:, 32 * k : 32 * (k + 1)]
    return planes, truth


def psnr(truth, image):
    return peak_signal_noise_ratio(truth, image, data_range=4095)


@pytest.mark.parametrize("order", ["cascade", "tree"])
def test_every_pixel_comes_from_the_plane_that_is_sharp_there(strips, order):
    planes, truth = strips
    fused, index = fuse_stack(planes, order=order, return_index=True)
    assert (fused.shape, fused.dtype) == (truth.shape, truth.dtype)
    assert psnr(truth, fused) > psnr(truth, planes.mean(0)) + 5
    assert [np.median(index[:, 32 * k : 32 * (k + 1)]) for k in range(4)] == [0, 1, 2, 3]


def test_values_are_those_of_the_planes(strips):
    planes, _ = strips
    fused, index = fuse_stack(planes, return_index=True)
    copied = np.take_along_axis(planes, index[None].astype(int), 0)[0]
    assert np.mean(fused == copied) > 0.5  # the rest lies beside outlines, where two planes are blended
    assert (fused >= planes.min(0)).all()
    assert (fused <= planes.max(0)).all()


@pytest.mark.parametrize("order", [[3, 2, 1, 0], [2, 0, 3, 1]])
def test_the_order_of_the_planes_makes_no_difference(strips, order):
    planes, _ = strips
    fused, index = fuse_stack(planes, return_index=True)
    other, other_index = fuse_stack(planes[order], return_index=True)
    np.testing.assert_array_equal(other, fused)
    np.testing.assert_array_equal(np.array(order)[other_index], index)


def test_equal_and_constant_planes_are_left_out(strips):
    planes, _ = strips
    fused = fuse_stack(planes)
    blank = np.full_like(planes[:1], planes.max())
    more, index = fuse_stack(np.concatenate([planes, planes[:2], blank]), return_index=True)
    np.testing.assert_array_equal(more, fused)
    assert index.max() < 4
    np.testing.assert_array_equal(fuse_stack([planes[0]] * 3), planes[0])


def test_a_list_of_planes_and_another_axis(strips):
    planes, _ = strips
    fused = fuse_stack(planes)
    np.testing.assert_array_equal(fuse_stack(list(planes)), fused)
    np.testing.assert_array_equal(fuse_stack(np.moveaxis(planes, 0, -1), axis=-1), fused)


def test_a_constant_plane_does_not_change_the_scale(strips):
    planes, _ = strips
    blank = np.full_like(planes[:1], 65535)
    np.testing.assert_array_equal(fuse_stack(np.concatenate([blank, planes])), fuse_stack(planes))


def test_a_list_of_arrays_with_the_planes_on_another_axis(strips):
    planes, _ = strips
    channels = [planes, planes // 2]
    fused = fuse_stack(channels, axis=1, channel_axis=0)
    np.testing.assert_array_equal(fused, fuse_stack(np.stack(channels), axis=1, channel_axis=0))


def test_planes_are_read_one_at_a_time(strips):
    planes, _ = strips

    class Lazy:
        shape, dtype, ndim = planes.shape, planes.dtype, planes.ndim

        def __getitem__(self, key):
            part = planes[key]
            assert part.ndim == 2
            return part

    np.testing.assert_array_equal(fuse_stack(Lazy()), fuse_stack(planes))


def test_times_and_channels_are_fused_one_by_one(strips):
    planes, _ = strips
    tczyx = np.stack([np.stack([planes, planes // 2]), np.stack([planes // 3, planes // 4])])
    fused, index = fuse_stack(tczyx, axis=2, channel_axis=1, return_index=True)
    assert fused.shape == index.shape == (2, 2, 96, 128)
    np.testing.assert_array_equal(fused[1, 0], fuse_stack(planes // 3))


def test_one_channel_decides_for_all(strips):
    planes, _ = strips
    flat = np.full_like(planes, 7) + np.arange(4, dtype=np.uint16)[:, None, None]
    fused, index = fuse_stack(np.stack([planes, flat], 1), channel_axis=1, guide_channel=0, return_index=True)
    alone, alone_index = fuse_stack(planes, return_index=True)
    np.testing.assert_array_equal(index, alone_index)
    assert np.mean(fused[0] == alone) > 0.95
    assert np.mean(fused[1] == 7 + index) > 0.6


def test_colour_and_alpha(strips):
    planes = (strips[0] // 16).astype(np.uint8)
    rgba = np.stack([planes, planes // 2, planes // 3, np.full_like(planes, 200)], -1)
    fused, index = fuse_stack(rgba, channel_axis=-1, return_index=True)
    assert fused.shape == (96, 128, 4)
    assert index.shape == (96, 128)
    assert (fused[..., 3] == 200).all()
    np.testing.assert_array_equal(fused[..., :3], fuse_stack(rgba[..., :3], channel_axis=-1))


def test_regression_of_a_stack(strips):
    planes, truth = strips
    fused = fuse_stack(planes, method="regression")
    assert psnr(truth, fused) > psnr(truth, planes.mean(0)) + 3
    with pytest.raises(ValueError, match="return_index: expected method='decision', got 'regression'"):
        fuse_stack(planes, method="regression", return_index=True)


@pytest.mark.parametrize("method", ["decision", "regression"])
@pytest.mark.parametrize(("scale", "offset"), [(1e300, 0), (1, 1e12), (1e-310, 0)])
def test_nor_does_it_beyond_float32_and_beside_a_large_offset(method, scale, offset):
    rng = np.random.default_rng(0)
    planes = scale * rng.integers(0, 2, (5, 6, 7)).astype(float) + offset
    fused = fuse_stack(planes, method=method, precision="float32")
    np.testing.assert_array_equal(fuse_stack(planes[::-1], method=method, precision="float32"), fused)
    assert ((fused >= planes.min(0)) & (fused <= planes.max(0))).all()


def test_aligned_planes_leave_no_borders():
    pytest.importorskip("SimpleITK")
    picture = data.camera()[100:260, 150:330]
    truth = picture[10:-10, 10:-10]
    planes = np.stack([picture[10 + k : 150 + k, 10 - k : 170 - k] for k in (-3, 0, 3)])
    planes[0, :, 80:] = gaussian_filter(planes[0], 2)[:, 80:]
    planes[2, :, :80] = gaussian_filter(planes[2], 2)[:, :80]
    planes[1] = gaussian_filter(planes[1], 1)
    aligned, plain = (fuse_stack(planes, register=kind) for kind in ("translation", None))
    assert aligned.shape == truth.shape
    assert peak_signal_noise_ratio(truth, aligned) > peak_signal_noise_ratio(truth, plain) + 3


@pytest.mark.parametrize("method", ["decision", "regression"])
def test_planes_that_cannot_be_aligned_are_told_by_their_numbers(method):
    pytest.importorskip("SimpleITK")
    picture = data.camera()
    planes = np.stack([picture[100:180, 100 + 2 * k : 180 + 2 * k] for k in range(4)])
    planes[2] = picture[300:380, 300:380]
    with pytest.warns(UserWarning, match=r"register: images: could not be aligned: plane 2 \(corr.*, plane 3 \(corr"):
        fuse_stack(planes, register="translation", method=method)
    series = np.stack([planes[:2], planes[1:3]], axis=1)
    result = drain(iter_fuse_stack(series, StackOptions(register="translation", method=method), "s.tif"))
    (note,) = result.made_by["notes"]
    assert note.startswith("register: s.tif, picture 1: could not be aligned: plane 1 (correlation ")


def test_steps_that_lead_astray_are_told():
    """Each plane lies on its neighbour, and the ends hardly on the middle one."""
    pytest.importorskip("SimpleITK")
    planes = np.stack([data.camera()[100:180, 10 + 18 * k : 90 + 18 * k] for k in range(7)])
    with pytest.warns(UserWarning, match=r"aligned: plane 0 \(overlap 3\d%, expected 50% or more\), plane 6 \(ov"):
        fuse_stack(planes, register="translation")


def test_pixels_of_which_none_supports_another():
    """The range of two pixels is upside down, and 64 bits have no room for eight times that."""
    planes = np.array([[[2**64 - 1, 9 * 2**60]], [[15 * 2**60, 2**60]], [[11 * 2**60, 7 * 2**60]]], np.uint64)
    assert np.isin(fuse_stack(planes), planes).all()


@pytest.mark.parametrize("method", ["decision", "regression"])
def test_the_order_of_bytes_makes_no_difference(method):
    """Little detail in large numbers, so that all depends on the order of the planes, and that on their contents."""
    rng = np.random.default_rng(0)
    for planes in (rng.integers(0, 4, (3, 11, 12)), np.full((2, 5, 5), [[[7]], [[9]]])):
        results = [fuse_stack(planes.astype(dtype), method=method, precision="float32") for dtype in ("<i4", ">i4")]
        np.testing.assert_array_equal(*results)
        assert [result.dtype for result in results] == ["<i4", ">i4"]
        if method == "decision":
            assert np.isfinite(fuse_stack(planes.astype(">i4"), return_confidence=True)[1]).all()


def test_progress_never_falls_and_ends_at_the_total(strips):
    reports = list(iter_fuse_stack(strips[0], StackOptions(return_height=True, tile=40)))
    done = [r.done for r in reports]
    assert done == sorted(done)
    assert (done[0], done[-1], len({r.total for r in reports})) == (0, reports[0].total, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": 3}, r"axis: expected an axis of a stack of shape \(4, 96, 128\), got 3"),
        ({"channel_axis": 0}, "channel_axis: expected another axis than that of the planes, 0"),
        ({"order": "spiral"}, "order: expected 'cascade' or 'tree', got 'spiral'"),
        ({"plane_spacing": 0.0}, "plane_spacing: expected a positive number from 1e-30 to 1e.30, got 0.0"),
        ({"guide_channel": 1}, "guide_channel: expected None without channel_axis, got 1"),
        ({"method": "magic"}, "method: expected 'decision' or 'regression', got 'magic'"),
    ],
)
def test_wrong_options_are_refused_by_name(strips, options, message):
    with pytest.raises(ValueError, match=message):
        fuse_stack(strips[0], **options)


def test_planes_that_do_not_fit_are_refused_by_number():
    with pytest.raises(ValueError, match=r"images: expected at least 2 planes on axis 0"):
        fuse_stack(np.zeros((1, 4, 4)))
    with pytest.raises(ValueError, match=r"images: expected a stack of at least 3 axes, .*planes.*\(96, 96\)"):
        fuse_stack(np.zeros((96, 96)))
    with pytest.raises(ValueError, match=r"images: expected a stack of at least 4 axes, .*planes.*\(9, 9, 3\)"):
        fuse_stack(np.zeros((9, 9, 3)), channel_axis=-1)
    with pytest.raises(ValueError, match=r"images\[0\] and images\[2\]: expected the same shape"):
        fuse_stack([np.zeros((4, 4)), np.ones((4, 4)), np.zeros((4, 5))])
    with pytest.raises(TypeError, match="images: expected an integer or floating-point dtype, got bool"):
        fuse_stack(np.zeros((2, 4, 4), bool))
    planes = np.random.default_rng(0).random((3, 8, 8))
    planes[1, 2, 3] = np.inf
    with pytest.raises(ValueError, match="images, plane 1: expected finite values, or NaN for no data, got 1"):
        fuse_stack(planes)


@pytest.mark.parametrize("order", ["cascade", "tree"])
def test_previews_come_plane_by_plane_and_are_not_written_to_again(strips, order):
    planes, truth = strips
    planes = np.stack([planes, planes], axis=1)  # planes, times
    planes = np.stack([planes, planes, planes, np.full_like(planes, 4095)], axis=-1)
    seen = []
    steps = iter_fuse_stack(planes, StackOptions(order=order, channel_axis=-1))
    result = None
    while result is None:
        try:
            report = next(steps)
        except StopIteration as end:
            result = end.value
        else:
            if report.preview is not None:
                seen.append((report.preview, report.preview.picture.copy()))
    assert [preview.where for preview, _ in seen] == sorted(preview.where for preview, _ in seen)
    assert {preview.where for preview, _ in seen} == {(0,), (1,)}
    live = np.zeros(result.image.shape, result.image.dtype)
    errors = []
    for preview, copy in seen:
        np.testing.assert_array_equal(preview.picture, copy)
        preview.paint(live)
        errors.append(np.abs(live[preview.where][..., 0].astype(float) - truth).mean())
    first = errors[: len(errors) // 2]
    assert len(first) >= 2
    assert first[-1] < first[0]
    assert (live[..., 3] == 4095).all()


@pytest.mark.parametrize("values", [[217, 163, 130, 69], [4, 9], [4e37, -7e37], [1.0, 2.0, 4.0]])
def test_planes_that_differ_in_brightness_alone_have_a_plane_for_every_pixel(values):
    stack = np.float32(values)[:, None, None] * np.ones((3, 4), np.float32)
    fused, index, confidence = fuse_stack(stack, return_index=True, return_confidence=True)
    assert index.max() < len(values)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert np.isfinite(fused).all()


@pytest.mark.parametrize("method", ["decision", "regression"])
def test_pixels_at_the_end_of_64_bits(method):
    planes = np.array([2**64 - 7, 2**64 - 15], np.uint64)[:, None, None]
    fused = fuse_stack(planes, method=method)
    assert planes.min() <= fused[0, 0] <= planes.max()

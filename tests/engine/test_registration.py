import sys

import numpy as np
import pytest
from scipy import ndimage as ndi
from skimage import data
from skimage.color import rgb2gray

from napari_rpsnn.engine import registration
from napari_rpsnn.engine.registration import KINDS, doubt, doubt_overlap, estimate, warp

MARGIN = 20
PICTURES = {
    "camera": lambda: data.camera()[100:380, 120:400],
    "coins": lambda: data.coins()[:280, :300],
    "ihc": lambda: rgb2gray(data.immunohistochemistry())[:280, :300],
    "cell": lambda: data.cell()[150:430, 100:400],
}
# Linear parts: what refocusing does to the scale, a stage that is not level, and both with a little shear.
SIMILAR = 1.02 * np.array([[np.cos(0.0175), -np.sin(0.0175)], [np.sin(0.0175), np.cos(0.0175)]])
LINEAR = {
    "translation": np.eye(2),
    "similarity": SIMILAR,
    "affine": SIMILAR @ np.array([[1.003, 0.004], [-0.002, 0.997]]),
}


def matrix_about_centre(shape, linear, shift):
    matrix = np.eye(3)
    centre = (np.array(shape) - 1) / 2
    matrix[:2, :2] = linear
    matrix[:2, 2] = centre - linear @ centre + shift
    return matrix


def planes(picture, matrix):
    """The inner part of `picture`, and the same seen through `matrix`; no border is made up."""
    rows, columns = (length - 2 * MARGIN for length in picture.shape)
    inverse = np.linalg.inv(matrix)
    picture = picture / picture.max()
    fixed = picture[MARGIN:-MARGIN, MARGIN:-MARGIN]
    moving = ndi.affine_transform(
        picture, inverse[:2, :2], inverse[:2, 2] + MARGIN, output_shape=(rows, columns), order=3
    )
    return fixed.astype(np.float32), moving.astype(np.float32)


def blur_part(plane, part):
    blurred = plane.copy()
    blurred[part] = ndi.gaussian_filter(plane, 4)[part]
    return blurred


def mean_error(found, matrix, shape):
    """Mean displacement error over the picture, in pixels."""
    rows, columns = np.mgrid[: shape[0] : 8, : shape[1] : 8].reshape(2, -1)
    return np.hypot(*((found - matrix) @ [rows, columns, np.ones(rows.size)])[:2]).mean()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PICTURES)
def test_a_known_map_is_found_although_the_focus_differs(name, kind):
    pytest.importorskip("SimpleITK")
    picture = PICTURES[name]()
    shape = tuple(length - 2 * MARGIN for length in picture.shape)
    matrix = matrix_about_centre(shape, LINEAR[kind], (8.3, -11.6))
    fixed, moving = planes(picture, matrix)
    middle = shape[1] // 2
    fixed = blur_part(fixed, np.s_[:, :middle])
    moving = 1.05 * moving
    assert mean_error(np.eye(3), matrix, shape) > 10
    assert mean_error(estimate(fixed, moving, kind), matrix, shape) < 0.2
    # Each plane sharp where the other is not, so that no detail is sharp in both.
    moving = blur_part(moving, np.s_[:, middle:])
    assert mean_error(estimate(fixed, moving, kind), matrix, shape) < 0.3


def test_a_large_picture_is_aligned_on_a_smaller_copy():
    pytest.importorskip("SimpleITK")
    picture = ndi.zoom(data.camera()[100:380, 120:400].astype(float), 3, order=1)
    shape = tuple(length - 2 * MARGIN for length in picture.shape)
    assert max(shape) > registration._SIDE
    matrix = matrix_about_centre(shape, 0.995 * np.eye(2), (-9.4, 5.2))
    assert mean_error(estimate(*planes(picture, matrix), "similarity"), matrix, shape) < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_equal_planes_stay(kind):
    pytest.importorskip("SimpleITK")
    plane = data.camera()[100:356, 120:376].astype(np.float32)
    assert mean_error(estimate(plane, plane, kind), np.eye(3), plane.shape) < 0.05


def test_focus_alone_moves_nothing():
    pytest.importorskip("SimpleITK")
    plane = data.camera()[100:356, 120:376].astype(np.float32)
    blurred = blur_part(plane, np.s_[:, 128:])
    assert mean_error(estimate(plane, blurred, "similarity"), np.eye(3), plane.shape) < 0.1


def test_illumination_that_stays_does_not_hold_the_specimen():
    pytest.importorskip("SimpleITK")
    matrix = matrix_about_centre((240, 240), np.eye(2), (6, 9))
    fixed, moving = planes(data.camera()[100:380, 120:400], matrix)
    rows, columns = np.mgrid[-1:1:240j, -1:1:240j].astype(np.float32)
    shading = 1 - 0.35 * (rows**2 + columns**2)
    assert mean_error(estimate(fixed * shading, moving * shading, "similarity"), matrix, fixed.shape) < 0.2


@pytest.mark.parametrize("factor", [1e-300, 1e-30, 65535, 1e30, 1e300])
def test_the_scale_of_intensity_does_not_matter(factor):
    pytest.importorskip("SimpleITK")
    matrix = matrix_about_centre((160, 160), np.eye(2), (3, -4))
    fixed, moving = (factor * x.astype(float) for x in planes(data.camera()[100:300, 120:320], matrix))
    assert mean_error(estimate(fixed, moving, "translation"), matrix, fixed.shape) < 0.1
    assert doubt(fixed, moving, matrix) is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_planes_give_the_same_matrix(kind):
    pytest.importorskip("SimpleITK")
    matrix = matrix_about_centre((160, 160), LINEAR[kind], (3.3, -4.4))
    fixed, moving = planes(data.camera()[100:300, 120:320], matrix)
    np.testing.assert_array_equal(estimate(fixed, moving, kind), estimate(fixed, moving, kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0, 0.1, 65535])
def test_a_plane_without_texture_is_left_alone(kind, value):
    pytest.importorskip("SimpleITK")
    plane = data.camera()[:96, :128].astype(np.float32)
    constant = np.full(plane.shape, value, np.float32)
    for pair in ((plane, constant), (constant, plane), (constant, constant)):
        np.testing.assert_array_equal(estimate(*pair, kind), np.eye(3))


@pytest.mark.parametrize("kind", KINDS)
def test_planes_with_nothing_in_common_are_left_alone(kind):
    pytest.importorskip("SimpleITK")
    noise = np.random.default_rng(0).standard_normal((2, 64, 64)).astype(np.float32)
    np.testing.assert_array_equal(estimate(*noise, kind), np.eye(3))
    brick, grass = (x[50:114, 50:114].astype(np.float32) for x in (data.brick(), data.grass()))
    np.testing.assert_array_equal(estimate(brick, grass, kind), np.eye(3))


def test_what_no_refocusing_does_is_left_alone():
    pytest.importorskip("SimpleITK")
    picture = data.camera().astype(np.float32)
    # 60 of 160 pixels is more than a quarter, and phase correlation does find it.
    np.testing.assert_array_equal(estimate(picture[:160, 100:260], picture[:160, 160:320], "translation"), np.eye(3))


@pytest.mark.parametrize(
    "change",
    [
        [[0.79, 0, 0], [0, 1, 0]],
        [[1, 0, 0], [0, 1.26, 0]],
        [[1, 0, 26], [0, 1, 0]],
        [[-1, 0, 99], [0, 1, 0]],
        [[np.nan, 0, 0], [0, 1, 0]],
    ],
)
def test_an_absurd_result_is_refused(change, monkeypatch):
    pytest.importorskip("SimpleITK")
    plane = data.camera()[100:200, 120:220].astype(np.float32)
    monkeypatch.setattr(registration, "_refine", lambda *_: np.array([*change, [0, 0, 1]]))
    monkeypatch.setattr(registration, "_likeness", lambda fixed, moving, matrix: float(matrix[0, 0] != 1) + 0.5)
    np.testing.assert_array_equal(estimate(plane, plane, "affine"), np.eye(3))


def test_a_result_worse_than_no_move_is_refused(monkeypatch):
    pytest.importorskip("SimpleITK")
    plane = data.camera()[100:200, 120:220].astype(np.float32)
    monkeypatch.setattr(registration, "_refine", lambda *_: matrix_about_centre(plane.shape, np.eye(2), (1, 0)))
    np.testing.assert_array_equal(estimate(plane, plane, "affine"), np.eye(3))


def test_a_failure_of_the_optimiser_is_no_error(monkeypatch):
    pytest.importorskip("SimpleITK")

    def fail(*_):
        raise RuntimeError("All samples map outside moving image buffer")

    plane = data.camera()[100:200, 120:220].astype(np.float32)
    monkeypatch.setattr(registration, "_refine", fail)
    np.testing.assert_array_equal(estimate(plane, plane, "affine"), np.eye(3))


def test_there_is_no_doubt_where_planes_lie_together_and_a_reason_where_not():
    pytest.importorskip("SimpleITK")
    picture = data.camera().astype(float)
    fixed, moved = picture[100:356, 100:356], picture[103:359, 98:354]
    flat = np.full_like(fixed, 7)
    for moving, said in (
        (ndi.gaussian_filter(moved, 2), None),
        (fixed, None),
        (picture[:256, :256], "correlation 0.0"),  # 100 pixels away
        (255 - moved, "correlation -"),  # as in brightfield beyond focus
        (flat, "no detail"),
    ):
        found = doubt(fixed, moving, estimate(fixed, moving, "translation"))
        assert found is None if said is None else said in found
    assert doubt(fixed[:7], moved[:7], np.eye(3)) == "7x256 pixels are too few"


def test_doubt_is_of_the_map_that_was_found_in_pictures_of_any_size():
    picture = ndi.zoom(data.camera()[100:380, 120:400].astype(float), 3, order=1)
    fixed, moving = planes(picture, matrix_about_centre((800, 800), np.eye(2), (9, -12)))
    assert doubt(fixed, moving, matrix_about_centre((800, 800), np.eye(2), (9, -12))) is None
    assert "expected 0.3 or more" in doubt(fixed, moving, matrix_about_centre((800, 800), np.eye(2), (-40, 60)))


@pytest.mark.parametrize(("shift", "said"), [(0, None), (49, None), (60, "overlap 41%"), (-101, "overlap 0%")])
def test_planes_that_hardly_overlap_are_doubted(shift, said):
    found = doubt_overlap(matrix_about_centre((40, 101), np.eye(2), (0, shift)), (40, 101))
    assert found is None if said is None else found.startswith(said)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (7, 7), (2, 2000), (9, 9)])
@pytest.mark.parametrize("kind", KINDS)
def test_tiny_planes_are_no_error(kind, shape):
    pytest.importorskip("SimpleITK")
    planes = np.random.default_rng(0).random((2, *shape), np.float32)
    assert np.isfinite(estimate(*planes, kind)).all()


def test_another_kind_is_refused():
    plane = np.zeros((32, 32), np.float32)
    expected = "^register: expected None, 'translation', 'similarity' or 'affine', got 'rigid'$"
    with pytest.raises(ValueError, match=expected):
        estimate(plane, plane, "rigid")


def test_a_missing_library_is_named(monkeypatch):
    plane = np.zeros((32, 32), np.float32)
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'napari-rpsnn\[register\]'"):
        estimate(plane, plane, "translation")


@pytest.mark.parametrize("dtype", ["u1", "i2", ">u2", "i4", "u8", "i8", "f2", "f4", ">f8"])
def test_shifts_by_whole_pixels_are_copies(dtype):
    image = np.random.default_rng(0).integers(0, 120, (9, 11, 3)).astype(dtype)
    if image.dtype.kind != "f":
        image[4, 5] = np.iinfo(dtype).max
    same, inside = warp(image, np.eye(3))
    assert same.dtype == image.dtype
    assert inside.all()
    np.testing.assert_array_equal(same, image)

    shifted, inside = warp(image, np.array([[1, 0, 2], [0, 1, -3], [0, 0, 1]], float))
    assert shifted.dtype == image.dtype
    np.testing.assert_array_equal(shifted[:-2, 3:], image[2:, :-3])
    expected = np.zeros((9, 11), bool)
    expected[:-2, 3:] = True
    np.testing.assert_array_equal(inside, expected)


@pytest.mark.parametrize("dtype", ["u1", "i2", ">u2", "i4", "u8", "f2", "f4", ">f8"])
def test_half_a_pixel_is_the_mean_of_two(dtype):
    image = np.array([10, 21, 20, 120]).astype(dtype)[None, :, None]
    warped, inside = warp(image, np.array([[1, 0, 0], [0, 1, 0.5], [0, 0, 1]]))
    assert warped.dtype == image.dtype
    expected = np.array([15.5, 20.5, 70])
    np.testing.assert_array_equal(warped[0, :3, 0], np.rint(expected) if image.dtype.kind != "f" else expected)
    np.testing.assert_array_equal(inside, [[True, True, True, False]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint64])
def test_extreme_integers_do_not_wrap_around(dtype):
    limits = np.iinfo(dtype)
    matrix = matrix_about_centre((8, 8), SIMILAR, (0.3, 0.2))
    for value in (limits.min, limits.max):
        warped, _ = warp(np.full((8, 8, 1), value, dtype), matrix)
        np.testing.assert_allclose(warped.astype(float), float(value), rtol=1e-15)


def test_nothing_overshoots():
    image = np.random.default_rng(0).integers(0, 2, (40, 50, 1)).astype(np.float32)
    warped, _ = warp(image, matrix_about_centre((40, 50), LINEAR["affine"], (0.3, -1.2)))
    assert 0 <= warped.min() < warped.max() <= 1


def test_the_border_has_data_in_spite_of_rounding():
    nearly = matrix_about_centre((30, 40), np.eye(2) * (1 + 1e-12), (0, 0))
    assert warp(np.zeros((30, 40, 1), np.uint8), nearly)[1].all()


def test_what_the_estimate_says_brings_the_planes_together():
    pytest.importorskip("SimpleITK")
    fixed, moving = planes(data.camera()[100:380, 120:400], matrix_about_centre((240, 240), SIMILAR, (6.3, -9.4)))
    warped, inside = warp(moving[..., None], estimate(fixed, moving, "similarity"))
    apart, together = (np.abs(x - fixed)[inside].mean() for x in (moving, warped[..., 0]))
    assert inside.mean() > 0.8
    assert together < 0.2 * apart

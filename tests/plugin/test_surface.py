import numpy as np
import pytest

from napari_rpsnn.plugin.results.surface import MOST, surface_mesh


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_points_lie_where_the_stack_has_them_and_have_the_values_of_the_image(axis):
    planes = np.arange(12.0).reshape(3, 4) / 4
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    points, faces, values = surface_mesh(planes, image, axis)
    np.testing.assert_array_equal(points[:, axis], planes.ravel())
    rest = np.delete(points, axis, axis=1)
    np.testing.assert_array_equal(rest, np.argwhere(np.ones((3, 4))))
    np.testing.assert_array_equal(values, image.ravel())
    assert faces.shape == (2 * 2 * 3, 3)
    # Together the triangles cover the picture once.
    sides = rest[faces[:, 1:]] - rest[faces[:, :1]]
    areas = sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]
    assert np.abs(areas).sum() / 2 == 2 * 3
    assert (np.sign(areas) == np.sign(areas[0])).all()


def test_large_ones_have_fewer_points_in_the_same_place():
    planes = np.zeros((1500, 700))
    points, _, values = surface_mesh(planes, np.zeros((1500, 700, 3), np.uint8), 0)
    assert len(points) == len(values) == 500 * 234
    assert points[:, 1].max() == 1497
    assert points[:, 2].max() == 699
    assert MOST >= 1500 / 3


def test_where_there_is_no_height_there_is_a_hole():
    planes = np.arange(20.0).reshape(4, 5) + 3
    planes[0, 0] = np.nan
    points, faces, values = surface_mesh(planes, np.full((4, 5), np.nan), 0)
    assert len(faces) == 2 * 3 * 4 - 1
    assert 0 not in faces
    assert np.isfinite(points).all()
    assert np.isfinite(values).all()

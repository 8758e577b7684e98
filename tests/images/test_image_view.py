import numpy as np
import pytest

from napari_rpsnn.images.image_view import ImageView
from napari_rpsnn.images.layout import WHOLE, Layout


@pytest.mark.parametrize(
    ("shape", "channel_axis", "where"),
    [((8, 9), None, ()), ((2, 3, 8, 9), None, (1, 2)), ((2, 8, 9, 4), -1, (1,)), ((2, 4, 8, 9), 1, (0,))],
)
def test_a_window_is_that_part_of_the_picture(shape, channel_axis, where):
    images = np.arange(np.prod(shape)).reshape(shape)
    layout = Layout.of(shape, channel_axis, None)
    picture = ImageView(images, layout, where)
    whole = layout.pictures(images)[where]
    colours = whole[..., :3]  # of four channels the last is alpha
    window = slice(2, 5), slice(1, 9)
    for view in (picture, picture.loaded()):
        assert (view.shape, view.dtype) == (colours.shape, whole.dtype)
        np.testing.assert_array_equal(view[WHOLE], colours)
        np.testing.assert_array_equal(view[window], colours[window])
        np.testing.assert_array_equal(view.read(window), whole[window])


def test_channels_that_are_no_colours_are_pictures():
    images = np.arange(8 * 9 * 2).reshape(8, 9, 2)
    picture = ImageView(images, Layout.of(images.shape, -1, None), (1,))
    assert picture.shape == (8, 9, 1)
    np.testing.assert_array_equal(picture[2:3, :], images[2:3, :, [1]])

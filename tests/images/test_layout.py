import warnings

import numpy as np
import pytest

from napari_rpsnn.images.layout import Layout


@pytest.mark.parametrize(
    ("shape", "channel_axis", "guide", "pictures", "made"),
    [
        ((4, 5), None, None, (4, 5, 1), (4, 5)),
        ((2, 4, 5), None, None, (2, 4, 5, 1), (2, 4, 5)),
        ((4, 5, 3), -1, None, (4, 5, 3), (4, 5)),
        ((3, 2, 4, 5), 0, None, (2, 4, 5, 3), (2, 4, 5)),
        ((2, 4, 4, 5), 1, None, (2, 4, 5, 4), (2, 4, 5)),
        ((6, 2, 4, 5), 1, None, (2, 6, 4, 5, 1), (6, 2, 4, 5)),
        ((4, 5, 2), 2, None, (2, 4, 5, 1), (4, 5, 2)),
        ((4, 5, 2), 2, 1, (4, 5, 2), (4, 5)),
        ((6, 7, 4, 5), 1, (0, 3), (6, 4, 5, 7), (6, 4, 5)),
    ],
)
def test_pictures_and_maps(shape, channel_axis, guide, pictures, made):
    layout = Layout.of(shape, channel_axis, guide)
    images = np.arange(np.prod(shape)).reshape(shape)
    view = layout.pictures(images)
    assert view.shape == pictures
    assert np.shares_memory(view, images)
    assert np.array_equal(np.sort(view, axis=None), images.ravel())
    whole, parts = layout.new_map(shape, np.uint16)
    assert (whole.shape, whole.dtype) == (made, np.uint16)
    # One picture of the map for each picture of the images.
    assert parts.shape == pictures[:-1]
    parts[...] = 1
    assert (whole == 1).all()


def test_colours_that_nobody_named_are_not_silently_columns():
    with pytest.warns(UserWarning, match=r"shape \(20, 30, 3\) are pictures of 30 rows and 3 columns.*channel_axis=-1"):
        Layout.of((20, 30, 3), None, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for shape, channel_axis in (((20, 30, 3), -1), ((3, 20, 30), None), ((20, 3), None), ((2, 4, 3), None)):
            Layout.of(shape, channel_axis, None)


def test_a_map_lies_where_its_picture_lies():
    images = np.arange(2 * 3 * 4 * 5).reshape(3, 4, 2, 5)
    layout = Layout.of(images.shape, 2, None)
    whole, parts = layout.new_map(images.shape, np.int64)
    parts[...] = layout.pictures(images)[..., 0]
    np.testing.assert_array_equal(whole, images)


def test_alpha_is_the_last_of_four_unless_a_guide_says_that_they_are_channels():
    assert Layout.of((4, 5, 4), -1, None).alpha
    assert not Layout.of((4, 5, 3), -1, None).alpha
    assert not Layout.of((4, 5, 4), -1, 0).alpha
    assert not Layout.of((4, 5, 4), None, None).alpha


def test_alpha_is_taken_off_and_put_back():
    images = np.arange(4 * 5 * 4).reshape(4, 5, 4)
    layout = Layout.of(images.shape, -1, None)
    assert layout.colours(images).shape == (4, 5, 3)
    np.testing.assert_array_equal(layout.with_alpha(layout.colours(images), layout.alpha_of(images)), images)
    rgb = Layout.of((4, 5, 3), -1, None)
    assert rgb.alpha_of(images[..., :3]) is None
    np.testing.assert_array_equal(rgb.with_alpha(rgb.colours(images[..., :3]), None), images[..., :3])


def test_the_network_sees_the_guide():
    picture = np.random.default_rng(0).integers(0, 255, (4, 5, 6), dtype=np.uint8)
    for guide in (2, np.int64(2), [2], (2,)):
        layout = Layout.of((4, 5, 6), -1, guide)
        np.testing.assert_array_equal(layout.guide_channels(picture), picture[..., [2]])
        np.testing.assert_array_equal(layout.grey(picture), picture[..., 2])
    layout = Layout.of((4, 5, 6), -1, (5, 0))
    np.testing.assert_array_equal(layout.guide_channels(picture), picture[..., [5, 0]])
    np.testing.assert_allclose(layout.grey(picture), picture[..., [5, 0]].mean(-1), rtol=1e-6)
    rgb = Layout.of((4, 5, 3), -1, None)
    np.testing.assert_array_equal(rgb.guide_channels(picture[..., :3]), picture[..., :3])


@pytest.mark.parametrize(
    ("shape", "channel_axis", "guide", "message"),
    [
        ((4,), None, None, r"at least 2 axes.*\(4,\)"),
        ((4, 5), 0, None, r"at least 3 axes.*\(4, 5\)"),
        ((0, 4), None, None, r"none of them empty.*\(0, 4\)"),
        ((4, 5, 0), -1, None, r"none of them empty.*\(4, 5, 0\)"),
        ((4, 5, 3), 3, None, r"channel_axis: expected an axis of an image of shape \(4, 5, 3\), got 3"),
        ((4, 5, 3), -4, None, "channel_axis: .*got -4"),
        ((4, 5), None, 0, "guide_channel: expected None without channel_axis, got 0"),
        ((4, 5, 2), -1, 2, "guide_channel: expected a channel from 0 to 1, or several, got 2"),
        ((4, 5, 2), -1, -1, "guide_channel: expected a channel from 0 to 1"),
        ((4, 5, 2), -1, (), "guide_channel: expected a channel from 0 to 1"),
        ((4, 5, 2), -1, (0, 2), r"guide_channel: expected a channel from 0 to 1, or several, got \(0, 2\)"),
        ((4, 5, 2), -1, (0.5,), "guide_channel: expected a channel from 0 to 1"),
    ],
)
def test_options_that_do_not_fit_are_refused_by_name(shape, channel_axis, guide, message):
    with pytest.raises(ValueError, match=message):
        Layout.of(shape, channel_axis, guide)

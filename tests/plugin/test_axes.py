import numpy as np
import pytest
from duck_layers import layer

from napari_rpsnn.plugin.axes import (
    View,
    axis_names,
    channel_names,
    describe_stack,
    find_channel_axis,
    find_plane_axis,
    possible_channel_axes,
)

NOBODY = View(("0", "1", "2", "3"), (0, 1))


def test_axes_have_their_labels_else_numbers():
    labelled = layer("s", (2, 7, 4, 5), axis_labels=("C", "Z", "y", "x"))
    assert find_plane_axis(labelled, View()) == 1
    assert find_channel_axis(labelled) == 0
    assert axis_names(labelled) == ["C (2)", "Z (7)", "y (4)", "x (5)"]
    for unlabelled in (("-3", "-2", "-1"), ("axis -3", "axis -2", "axis -1"), ("", "", "")):
        plain = layer("s", (4, 5, 7), axis_labels=unlabelled)
        assert find_channel_axis(plain) is None
        assert axis_names(plain) == ["axis 0 (4)", "axis 1 (5)", "axis 2 (7)"]
    assert find_plane_axis(layer("s"), View()) is None


@pytest.mark.parametrize(
    ("shape", "changes", "planes"),
    [
        ((3, 6, 96, 96), {}, 1),  # time, planes
        ((9, 4, 96, 96), {}, 1),
        ((6, 3, 96, 96), {}, 0),  # planes, channels: ImageJ's order
        ((9, 6, 2, 96, 96), {}, 1),
        ((6, 4, 96, 96), {"units": ("um", "pixel", "um", "um")}, 0),
        ((6, 4, 96, 96), {"scale": np.array([2, 1, 0.3, 0.3])}, 0),
        ((96, 96, 6), {}, 2),  # rows, columns, planes
        ((5, 96, 24), {}, 0),
        ((96, 6, 90), {"axis_labels": ("y", "-2", "x")}, 1),
        ((6, 5, 96, 96), {"axis_labels": ("-4", "t", "-2", "-1")}, 0),
    ],
)
def test_of_unlabelled_axes_planes_are_never_rows_columns_or_time(shape, changes, planes):
    units = {"units": tuple(_Unit(name) for name in changes.pop("units", ("pixel",) * len(shape)))}
    assert find_plane_axis(layer("s", shape, **units | changes), NOBODY) == planes


def test_the_viewer_counts():
    series, plain = layer("s", (3, 6, 96, 96)), layer("s", (96, 6, 90))
    assert find_plane_axis(series, View(("z", "t", "y", "x"), (0, 1))) == 0
    assert find_plane_axis(plain, View(("t", "y", "z", "x"), (0, 1))) == 1
    assert find_plane_axis(plain, View(("1", "2", "3"), (1,), rolled=True)) == 1
    # Rows and columns of a layer that is gone say nothing of this one, and rolling the axes says more.
    assert find_plane_axis(layer("s", (96, 96, 6)), View(("z", "y", "x"), (2,), rolled=True)) == 2
    assert axis_names(plain, View(("t", "y", "z", "x"))) == ["axis 0 (96)", "z (6)", "axis 2 (90)"]


def test_a_line_says_before_the_work_what_it_will_be():
    times = "\N{MULTIPLICATION SIGN}"
    movie = layer("s", (3, 12, 64, 80), axis_labels=("t", "z", "y", "x"))
    assert describe_stack(movie, View(), 1) == f"12 planes of 64{times}80 → 3 images, one for each time point"
    assert describe_stack(movie, View(), 0).endswith("→ 12 images, one for each step of z")
    cells = layer("s", (1, 2, 12, 64, 80), axis_labels=("p", "c", "z", "y", "x"))
    assert describe_stack(cells, View(), 2).endswith("→ 2 images, one for each channel")
    assert describe_stack(cells, View(), 2, 1).endswith("→ 1 image of 2 channels")
    plain = layer("s", (2, 3, 12, 64, 80))
    assert describe_stack(plain, View(), 2).endswith("→ 6 images, one for each step of axis 0 and step of axis 1")


def test_rows_and_columns_are_no_channels():
    stack = layer("s", (2, 7, 4, 5))
    assert possible_channel_axes(stack, planes=1) == [0]
    assert possible_channel_axes(stack) == [0, 1]
    assert possible_channel_axes(stack, planes=3) == [0]
    assert channel_names(stack, 0) == ["channel 0", "channel 1"]
    assert channel_names(stack, None) == []
    colours = layer("s", (7, 4, 5, 3), ndim=3, rgb=True)
    assert possible_channel_axes(colours, planes=0) == []
    assert channel_names(colours, None) == ["red", "green", "blue"]


class _Unit(str):
    """What is asked of a unit of napari."""

    def is_compatible_with(self, other):
        return self == "um" and other == "meter"

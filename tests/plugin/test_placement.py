import numpy as np
import pytest

from napari_rpsnn.plugin.placement import is_mixed, without_axes


def place(ndim, **changes):
    values = {
        "scale": np.arange(1.0, ndim + 1),
        "translate": np.zeros(ndim),
        "rotate": np.eye(ndim),
        "shear": np.zeros(ndim * (ndim - 1) // 2),
        "affine": np.eye(ndim + 1),
        "units": tuple("abcd"[:ndim]),
        "axis_labels": tuple("tzyx"[-ndim:]),
    }
    return values | changes


def test_an_axis_is_left_out_of_everything():
    turn = np.eye(3)
    turn[1:, 1:] = [[0, -1], [1, 0]]
    affine = np.arange(16.0).reshape(4, 4)
    affine[0, 1:3] = affine[1:3, 0] = 0
    fewer = without_axes(place(3, rotate=turn, shear=np.array([0, 0, 0.3]), affine=affine), {0})
    np.testing.assert_array_equal(fewer["scale"], [2, 3])
    np.testing.assert_array_equal(fewer["rotate"], [[0, -1], [1, 0]])
    np.testing.assert_array_equal(fewer["shear"], [0.3])
    np.testing.assert_array_equal(fewer["affine"], affine[1:, 1:])
    assert fewer["units"] == ("b", "c")
    assert fewer["axis_labels"] == ("y", "x")


def test_axes_that_nobody_labelled_are_called_as_napari_calls_them():
    fewer = without_axes(place(4, axis_labels=("-4", "z", "axis -2", "-1")), {1})
    assert fewer["axis_labels"] == ("-3", "axis -2", "-1")
    assert without_axes(place(3, axis_labels=("-3", "-2", "-1")), {2})["axis_labels"] == ("-2", "-1")


def test_no_axis_left_out_changes_nothing():
    before = place(2, shear=np.array([0.2]))
    after = without_axes(before, ())
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)


@pytest.mark.parametrize("name", ["rotate", "shear", "affine"])
def test_what_turns_the_axis_into_others_is_left_out(name):
    changed = {"rotate": np.eye(3), "shear": np.zeros(3), "affine": np.eye(4)}[name]
    changed[(0, 1) if changed.ndim == 2 else 0] = 0.5
    mixed = place(3, **{name: changed})
    assert is_mixed(mixed, {0})
    assert not is_mixed(mixed, {2})
    assert without_axes(mixed, {0}).keys() == {"scale", "translate", "units", "axis_labels"}
    assert name in without_axes(mixed, {2})


def test_a_shear_may_be_a_matrix():
    matrix = np.eye(3)
    matrix[1, 2] = 0.3
    np.testing.assert_array_equal(without_axes(place(3, shear=matrix), {0})["shear"], [0.3])

from types import SimpleNamespace

import numpy as np
import pytest

from napari_rpsnn.layers import read_pair


def layer(name, shape=(4, 5), **changes):
    """What `read_pair` looks at of a napari image layer."""
    attributes = {
        "name": name,
        "data": np.zeros(shape),
        "rgb": False,
        "multiscale": False,
        "scale": np.ones(len(shape)),
        "translate": np.zeros(len(shape)),
        "rotate": np.eye(len(shape)),
        "shear": np.zeros(1),
        "affine": SimpleNamespace(affine_matrix=np.eye(len(shape) + 1)),
        "units": ("pixel",) * len(shape),
        "axis_labels": ("axis -2", "axis -1"),
        "blending": "additive",
        "interpolation2d": "linear",
        "colormap": "magenta",
        "contrast_limits": [0, 1],
        "gamma": 0.8,
    }
    return SimpleNamespace(**attributes | changes)


def test_the_result_takes_over_where_it_lies_and_how_it_looks():
    first = layer("near", scale=np.array([0.1, 0.2]), contrast_limits=[5, 50])
    second = layer("far", scale=np.array([0.1, 0.2]), contrast_limits=[0, 40])
    pair = read_pair(first, second)
    assert pair.image0 is first.data
    assert pair.channel_axis is None
    assert pair.attributes["name"] == "near + far fused"
    assert tuple(pair.attributes["scale"]) == (0.1, 0.2)
    assert pair.attributes["contrast_limits"] == (0, 50)
    assert (pair.attributes["colormap"], pair.attributes["gamma"]) == ("magenta", 0.8)


def test_rgb_layers_have_colours_on_the_last_axis():
    pair = read_pair(*(layer(n, (4, 5, 3), rgb=True) for n in "ab"))
    assert pair.channel_axis == -1
    assert pair.attributes["rgb"]
    assert "colormap" not in pair.attributes


def test_multiscale_layers_give_their_full_resolution():
    full = np.zeros((8, 8))
    pair = read_pair(layer("a", multiscale=True, data=[full, full[::2, ::2]]), layer("b", (8, 8)))
    assert pair.image0 is full


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": (4, 6)}, r"same shape, got \(4, 5\) \('a'\) and \(4, 6\) \('b'\)"),
        ({"scale": np.array([1, 2.0])}, r"same scale, got \[1.0, 1.0\] \('a'\) and \[1.0, 2.0\] \('b'\)"),
        ({"translate": np.array([0, 2.0])}, r"same translate, got \[0.0, 0.0\] \('a'\) and \[0.0, 2.0\] \('b'\)"),
        ({"rotate": -np.eye(2)}, "same rotate"),
        ({"affine": SimpleNamespace(affine_matrix=np.ones((3, 3)))}, "same affine"),
        ({"units": ("um", "um")}, r"same units, got \('pixel', 'pixel'\) \('a'\) and \('um', 'um'\)"),
        ({"rgb": True}, r"same kind of colour, got grey \('a'\) and RGB \('b'\)"),
    ],
)
def test_layers_that_do_not_fit_are_refused_with_both_values(changes, message):
    with pytest.raises(ValueError, match=message):
        read_pair(layer("a"), layer("b", **changes))


def test_missing_and_equal_layers_are_refused():
    with pytest.raises(ValueError, match="Expected two image layers"):
        read_pair(layer("a"), None)
    same = layer("a")
    with pytest.raises(ValueError, match="Expected two different layers, got 'a' twice"):
        read_pair(same, same)


def test_the_result_shares_nothing_with_its_source():
    first = layer("a")
    attributes = read_pair(first, layer("b")).attributes
    attributes["affine"][0, 2] = 9
    attributes["scale"][0] = 9
    assert first.affine.affine_matrix[0, 2] == 0
    assert first.scale[0] == 1

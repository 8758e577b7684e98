"""What the tests of image files share."""

import numpy as np
import pytest

from napari_rpsnn.io.image_file import ImageFile

PROVENANCE = {"program": "napari-rpsnn", "sources": ["a.tif"], "note": "ä <&>"}


def pixels(*shape, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, 250, shape).astype(dtype)


def described(data, axes):
    """`data` with a pixel size of 0.1 µm, planes 0.3 µm apart, 2.5 s between pictures and named channels."""
    sizes = {"Y": (0.1, "µm"), "X": (0.1, "µm"), "Z": (0.3, "µm"), "T": (2.5, "s")}
    names = tuple(f"dye {i}" for i in range(data.shape[axes.index("C")])) if "C" in axes else ()
    kept = {axis: size for axis, size in sizes.items() if axis in axes}
    scale, units = ({axis: size[i] for axis, size in kept.items()} for i in (0, 1))
    return ImageFile(data, axes, scale, units, names)


def assert_same(got, expected):
    data = np.asarray(got.data[...])
    assert (got.axes, data.dtype, got.data.shape) == (expected.axes, expected.data.dtype, expected.data.shape)
    np.testing.assert_array_equal(data, expected.data)
    assert got.scale == pytest.approx(expected.scale)
    assert (got.units, got.channel_names) == (expected.units, expected.channel_names)

"""Layers as the plugin's values are read of them, without napari."""

from types import SimpleNamespace

import numpy as np


def layer(name, shape=(4, 5), **changes):
    """What is looked at of a napari image layer."""
    attributes = {
        "name": name,
        "data": np.zeros(shape),
        "ndim": len(shape),
        "rgb": False,
        "multiscale": False,
        "scale": np.ones(len(shape)),
        "translate": np.zeros(len(shape)),
        "rotate": np.eye(len(shape)),
        "shear": np.zeros(len(shape) * (len(shape) - 1) // 2),
        "affine": SimpleNamespace(affine_matrix=np.eye(len(shape) + 1)),
        "units": ("pixel",) * len(shape),
        "axis_labels": tuple(f"axis {i}" for i in range(-len(shape), 0)),
        "blending": "additive",
        "interpolation2d": "linear",
        "colormap": "magenta",
        "contrast_limits": [0, 1],
        "gamma": 0.8,
    }
    return SimpleNamespace(**attributes | changes)

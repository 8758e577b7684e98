"""Planes of a confocal microscope hold the light of what lies in them alone: no lamp that drifts."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_rpsnn import fuse_stack

SIDE, PLANES, AT = 160, 12, 5


def sections(cover, width, seed=0, peak=2000.0):
    """Photons of one layer, `width` planes thick, and where it is: cells that touch each other, or a few."""
    rng = np.random.default_rng(seed)
    light = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1.5)
    light = (0.6 + 0.15 * light / light.std()).clip(0.05)
    if cover == "cells":
        y, x = np.mgrid[:SIDE, :SIDE]
        centres = rng.uniform(20, SIDE - 20, (6, 2))
        light = light * np.any([np.hypot(y - row, x - column) < 14 for row, column in centres], 0)
    away = np.arange(PLANES) - AT
    clean = [np.exp(-(z**2) / (2 * width**2)) * gaussian_filter(light, np.hypot(0.7, 0.5 * z)) for z in away]
    return rng.poisson(peak * np.stack(clean) + 15).astype(np.uint16), light > 0


@pytest.mark.parametrize("cover", ["cells", "confluent"])
@pytest.mark.parametrize("width", [0.8, 1.5, 2.5])
def test_a_layer_is_taken_from_where_it_is(cover, width):
    planes, there = sections(cover, width)
    index = fuse_stack(planes, return_index=True)[1].astype(int)
    assert np.mean(np.abs(index[there] - AT) <= 1) > 0.95


def test_light_in_few_planes_is_no_flash():
    planes, _ = sections("confluent", 0.5, peak=60.0)
    image, index = fuse_stack(planes, return_index=True)
    assert np.mean(index == AT) > 0.9
    assert image.mean() > 0.9 * planes[AT].mean()

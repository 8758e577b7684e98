"""Planes of a confocal microscope hold the light of what lies in them alone: no lamp that drifts."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_rpsnn import fuse_stack
from napari_rpsnn.engine.stacks.statistics import PlaneStatistics, StackStatistics
from napari_rpsnn.images.layout import Layout

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))

from truth.scenes import scene
from truth.scores import at_planes, psnr

SIDE, PLANES, AT = 160, 12, 5
GREY = Layout.of((1, 1), None, None)


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


@pytest.mark.parametrize(("disturbance", "least"), [("clean", 34), ("noise-30", 32)])
def test_what_is_bright_on_an_uneven_layer_is_in_focus(disturbance, least):
    one = scene("sections", disturbance, 288, 12, 0)
    index = fuse_stack(one.planes, return_index=True)[1]
    assert psnr(one.truth, at_planes(one.clean, index), one.peak) > least


@pytest.mark.parametrize("disturbance", ["clean", "noise-30", "drift-20", "borders", "hot-pixels"])
@pytest.mark.parametrize("kind", ["tilt", "glints", "puncta", "haze", "smear", "one-plane"])
def test_other_planes_have_no_light_of_their_own(kind, disturbance):
    planes = scene(kind, disturbance, 288, 12, 0).planes
    known = StackStatistics.of(PlaneStatistics.of(k, plane[..., None], GREY) for k, plane in enumerate(planes))
    assert not known.own_light

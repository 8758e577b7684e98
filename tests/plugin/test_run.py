from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from duck_layers import layer

from napari_rpsnn.engine.results import Preview, Progress, Result, drain
from napari_rpsnn.engine.stages import Stage
from napari_rpsnn.fusion import fuse
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.options import FuseOptions, StackOptions
from napari_rpsnn.plugin.layers import Sources, read_stack
from napari_rpsnn.plugin.results.reports import PREVIEW_S, REPORT_S, STAGE_S, now_and_then
from napari_rpsnn.plugin.run import Task
from napari_rpsnn.stack import fuse_stack


def pair_of(near, far):
    options = {"channel_axis": None, "guide_channel": None}
    return Sources((near, far), ("near", "far"), options, {"name": "both"}, {}, "near + far")


def test_a_pair_gives_its_image_and_map(grey_pair):
    near, far, _ = grey_pair
    fused, share = drain(Task(pair_of(near, far), FuseOptions(return_map=True, tile=128)).run())
    expected, expected_share = fuse(near, far, return_map=True, tile=128)
    np.testing.assert_array_equal(fused.data, expected)
    np.testing.assert_array_equal(share.data, expected_share)
    assert fused.attributes["name"] == "both"
    assert share.attributes["name"] == "near + far decision map"
    assert share.attributes["contrast_limits"] == (0, 1)
    said = fused.attributes["metadata"]["napari-rpsnn"]
    assert said["options"]["tile"] == 128
    assert len(said["model_sha256"]) == 64


def test_maps_are_made_when_asked_for_and_the_method_has_them(grey_pair):
    near, far, _ = grey_pair
    assert len(drain(Task(pair_of(near, far), FuseOptions()).run())) == 1
    assert len(drain(Task(pair_of(near, far), FuseOptions(method="regression")).run())) == 1


def test_a_stack_gives_heights_in_its_unit(small_stack):
    planes, _ = small_stack
    options = {"axis": 0, "channel_axis": None, "guide_channel": None}
    sources = Sources((planes,), ("s",), options, {}, {}, "s", planes=4, unit="µm")
    _, height = drain(Task(sources, StackOptions(return_height=True, plane_spacing=0.5)).run())
    np.testing.assert_array_equal(height.data, fuse_stack(planes, return_height=True, plane_spacing=0.5)[1])
    assert height.attributes["name"] == "s height [µm]"
    assert height.attributes["contrast_limits"] == (0, 1.5)
    assert height.colorbar


def test_errors_name_the_layer(grey_pair):
    near, far, _ = (x.astype(float) for x in grey_pair)
    near[0, 0] = np.inf
    with pytest.raises(ValueError, match="Layer 'near': expected finite values, or NaN for no data, got 1"):
        drain(Task(pair_of(near, far), FuseOptions()).run())
    sources = replace(pair_of(near, far), names=("image1 of image0", "far"))  # no word in a name is replaced
    with pytest.raises(ValueError, match="Layer 'image1 of image0': expected finite values, or NaN for no data, got 1"):
        drain(Task(sources, FuseOptions()).run())
    planes = Sources((np.stack([far, near]),), ("images",), {}, {}, {}, "s")
    with pytest.raises(ValueError, match="Layer 'images', plane 1: expected finite values, or NaN for no data, got 1"):
        drain(Task(planes, StackOptions()).run())


def test_few_reports_pass_and_all_notes(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("napari_rpsnn.plugin.results.reports.time.perf_counter", lambda: clock.now)
    preview = Preview(np.zeros((2, 2, 1)), (), Layout.of((2, 2), None, None))

    def steps():
        for done in range(1000):
            clock.now += 0.01
            yield Progress(
                done, 1000, note="halved" if done == 500 else None, preview=preview if done % 10 == 0 else None
            )
        return Result(np.zeros(1), {})

    passed = list(now_and_then(steps()))
    assert any(report.note == "halved" for report in passed)
    assert abs(len(passed) - 10 / REPORT_S) < 5  # 10 seconds
    assert len([report for report in passed if report.preview]) in range(8, int(10 / PREVIEW_S) + 2)


def test_the_first_report_of_a_stage_passes_at_once_but_stages_that_are_short_do_not_flood(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("napari_rpsnn.plugin.results.reports.time.perf_counter", lambda: clock.now)
    # Eight quick looks, then a comparison of five seconds, then windows; all of it again, and many short stages then.
    one = (Stage("Looking", 8, 0.01), Stage("Comparing", 1, 5.0), Stage("Fusing", 4, 0.1))
    stages = (*one, *one)
    seconds = [0.01] * 8 + [5.0] + [0.1] * 4 + [0.01] * 8 + [5.0] + [0.1] * 4
    short, quick = (Stage("Short", 1, 0.01),) * 400, [0.01] * 400

    def steps():
        yield Progress(0, 426, stages=stages + short)
        for done, spent in enumerate(seconds + quick, 1):
            clock.now += spent
            yield Progress(done, 426)
        return Result(np.zeros(1), {})

    passed = [report.done for report in now_and_then(steps())]
    assert passed[:3] == [0, 8, 9]
    assert 8 + 13 in passed  # entered a moment after the stage before
    assert len(passed) < 6 + (0.9 + 4) / STAGE_S + 2


def test_a_surface_lies_in_the_stack_and_is_of_one_picture(small_stack):
    place = {"scale": np.array([2, 0.5, 0.5]), "translate": np.array([9, 1, 2]), "units": ("um",) * 3}
    sources = read_stack(layer("s", (4, 96, 128), data=small_stack[0], **place), 0)
    options = StackOptions(**sources.options, return_height=True, plane_spacing=2, device="cpu")
    fused, height, surface = drain(Task(sources, options, surface=True).run())
    points, faces, values = surface.data
    np.testing.assert_allclose(9 + points[:, 0] * 2, height.data.ravel(), rtol=1e-6)
    np.testing.assert_array_equal(values, fused.data.ravel())
    assert faces.max() == len(points) - 1
    assert tuple(surface.attributes["scale"]) == (2, 0.5, 0.5)
    assert tuple(surface.attributes["translate"]) == (9, 1, 2)
    assert (surface.attributes["name"], surface.attributes["colormap"]) == ("s surface", "magenta")
    series = read_stack(layer("t", (2, 4, 96, 128), data=np.stack([small_stack[0]] * 2)), 1)
    with pytest.raises(ValueError, match="Surface: expected a stack of one picture, got 2; take one time point"):
        drain(Task(series, StackOptions(**series.options, return_height=True), surface=True).run())
    slabs = read_stack(layer("s", (4, 96, 128), data=small_stack[0]), 0, slab=4)  # one slab alone
    with pytest.raises(ValueError, match=r"Surface: expected a stack of one picture, got slabs; .*choose no slabs"):
        drain(Task(slabs, StackOptions(**slabs.options, return_height=True), surface=True).run())

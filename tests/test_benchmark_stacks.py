import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from stacks import compare, report
from truth.kinds import KINDS
from truth.pictures import sheet
from truth.rivals import average, oracle, sharper
from truth.scenes import DISTURBANCES, scene
from truth.scores import MOST, at_planes, evaluate, score

TINY = {"size": 64, "planes": 5}


@pytest.mark.parametrize("kind", KINDS)
def test_planes_in_focus_are_nearest_to_the_truth(kind):
    """By the true depth: better than the average, and never better than the oracle, of which the truth is the limit."""
    one = scene(kind, **TINY)
    assert one.planes.shape == one.clean.shape == (5, 64, 64)
    assert one.planes.dtype == np.uint8
    index = np.clip(np.rint(np.nan_to_num(one.depth)), 0, 4).astype(int)
    known = score(one, at_planes(one.planes, index), index)
    mean, best = evaluate(average, one), score(one, oracle(one))
    assert mean.psnr < known.psnr <= best.psnr
    assert known.within_one == 1
    assert known.height_error <= 0.5 or one.accepted
    perfect = score(one, one.truth)
    assert (perfect.psnr, perfect.ssim) == (MOST, pytest.approx(1))
    if one.thin is not None:
        assert perfect.thin_lost == 0
        assert score(one, one.behind).thin_lost == 1


@pytest.mark.parametrize("disturbance", DISTURBANCES)
@pytest.mark.parametrize("kind", ["bristles", "puncta"])
def test_disturbances(kind, disturbance):
    one, again = (scene(kind, disturbance, **TINY) for _ in range(2))
    np.testing.assert_array_equal(one.planes, again.planes)
    assert one.planes.ndim == (4 if disturbance == "rgb" else 3)
    assert one.planes.dtype == (np.uint16 if disturbance in ("16-bit", "hot-pixels") else np.uint8)
    assert one.covered.all() == (disturbance != "borders")
    assert not one.planes[~one.covered].any()
    # Clean planes are what the planes are without the disturbance.
    error = np.abs(one.planes[one.covered] - one.clean[one.covered]) / one.peak
    assert np.median(error) < {"noise-6": 0.04, "noise-30": 0.16, "drift-10": 0.1, "drift-20": 0.2}.get(
        disturbance, 0.02
    )


def test_decision_is_judged_without_noise():
    """The same choice of planes is worth the same with noise and without."""
    clean, noisy = scene("tilt", **TINY), scene("tilt", "noise-30", **TINY)
    _, index = sharper(clean.planes, 2)
    worth = score(noisy, at_planes(noisy.planes, index), index)
    assert worth.psnr == pytest.approx(score(clean, at_planes(clean.planes, index), index).psnr, abs=0.2)
    assert score(noisy, at_planes(noisy.planes, index)).psnr < worth.psnr - 3


def test_tables_and_pictures(tmp_path):
    stackers = {"sharper": lambda planes: sharper(planes, 2), "average": average}
    scores = compare(stackers, ["twigs", "flat"], ["clean", "rgb"], **TINY, pictures=tmp_path)
    assert len(list(tmp_path.glob("*.png"))) == 4
    text = report(scores, "psnr")
    assert text.startswith("| kind | disturbance | sharper | average | oracle |")
    assert "| twigs | clean | **" in text
    assert "flat" not in report(scores, "thin_lost")
    one = scene("twigs", **TINY)
    assert sheet(one, {"average": average(one.planes)}).ndim == 3


def test_unknown_names():
    with pytest.raises(ValueError, match=r"kind: expected one of tilt, .*, got 'hills'"):
        scene("hills")
    with pytest.raises(ValueError, match=r"disturbance: expected one of clean, .*, got 'dust'"):
        scene("tilt", "dust")

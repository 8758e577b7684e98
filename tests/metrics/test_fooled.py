"""What scores more than the truth, on pictures that scikit-image ships: the table in docs/metrics.md, measured."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fusions import blended, mean, sharper
from scipy import ndimage as ndi
from skimage import data

from napari_rpsnn.metrics import MEASURES, spatial_frequency_agreement, to_grey
from napari_rpsnn.metrics.measures import BLENDING, COPIES, NOISE, NOISY_BLUR, SHARPENING, UNFUSED

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
PICTURES = ("astronaut", "brick", "camera", "cell", "coffee", "coins", "grass", "gravel", "immunohistochemistry",
            "moon", "page", "text")  # fmt: skip
TRICKS = (NOISE, SHARPENING, NOISY_BLUR, UNFUSED, BLENDING, COPIES)


def contest(name):
    """Two sources, the truth, and what shall score less than it."""
    truth = to_grey(getattr(data, name)())
    rows, columns = truth.shape
    truth = truth[rows // 2 - 80 : rows // 2 + 80, columns // 2 - 80 : columns // 2 + 80]
    y, x = np.indices(truth.shape)
    # As at real outlines, on which neither source is sharp.
    share = ndi.gaussian_filter((x > truth.shape[1] / 2 + 12 * np.sin(y / 15)).astype(float), 2)
    blurred = ndi.gaussian_filter(truth, 3)
    near, far = (np.rint(truth * (1 - part) + blurred * part) for part in (share, 1 - share))
    noise = np.random.default_rng(0).normal(size=truth.shape)
    # As much noise as gives a plain average the detail of the sources.
    blurs = [mean(near, far) + amount * noise for amount in np.linspace(0, 25, 101)]
    noisy_blur = max((blur.clip(0, 255) for blur in blurs), key=lambda x: spatial_frequency_agreement([near, far], x))
    tricks = {
        NOISE: truth + 6 * noise,
        SHARPENING: 2 * truth - ndi.gaussian_filter(truth, 1),
        NOISY_BLUR: noisy_blur,
        UNFUSED: near,
        BLENDING: blended(near, far, 4),
        COPIES: sharper(near, far, 2),
    }
    return (near, far), truth, {name: np.clip(np.rint(image), 0, 255) for name, image in tricks.items()}


@pytest.fixture(scope="module")
def wins():
    """On how many pictures a trick scores more than the truth, by measure and trick."""
    counts = Counter()
    for name in PICTURES:
        sources, truth, tricks = contest(name)
        for measure in MEASURES:
            best = measure.of(sources, truth, truth)
            for trick, image in tricks.items():
                counts[measure.name, trick] += measure.of(sources, image, truth) > best
    return counts


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_what_fools_a_measure_is_what_is_said(measure, wins):
    fooled = [trick for trick in TRICKS if 2 * wins[measure.name, trick] > len(PICTURES)]
    assert set(fooled) == set(measure.fooled_by)
    # Trust is for those that no picture fools that a user would throw away.
    thrown_away = sum(wins[measure.name, trick] for trick in (NOISE, SHARPENING, NOISY_BLUR, UNFUSED))
    assert not measure.trusted or thrown_away == 0


def test_the_table_in_the_docs_is_the_measured_one(wins):
    lines = [f"| {m.name} | {' | '.join(str(wins[m.name, trick]) for trick in TRICKS)} |" for m in MEASURES]
    table = "\n".join([f"| | {' | '.join(TRICKS)} |", "|---|" + "---|" * len(TRICKS), *lines])
    assert table.replace("1-|rSFe|", "1-\\|rSFe\\|") in PAGE.read_text(encoding="utf-8"), table

import numpy as np
import pytest

from napari_rpsnn.engine.stacks.ranking import STRIP_ROWS, Survey, strip_rows, survey_strip
from napari_rpsnn.engine.stacks.samples import sample_windows
from napari_rpsnn.images.layout import Layout


@pytest.fixture
def layout():
    return Layout.of((10, 10), None, None)


def known(picture, layout):
    rows, columns, _ = picture.shape
    strips = [survey_strip(picture[r.start : r.stop + 1], None, r.stop - r.start, layout) for r in strip_rows(rows)]
    return strips, [picture[part] for part in sample_windows(rows, columns)]


@pytest.mark.parametrize("rows", [1, STRIP_ROWS - 1, STRIP_ROWS, STRIP_ROWS + 1, 3 * STRIP_ROWS])
def test_strips_cover_the_rows_and_add_up(rows, layout):
    picture = np.random.default_rng(0).integers(0, 200, (rows, 7, 1)).astype(np.uint16)
    strips, _ = known(picture, layout)
    grey = picture[..., 0].astype(int)
    assert sum(strip.gradients for strip in strips) == sum(np.abs(np.diff(grey, axis=i)).sum() for i in (0, 1))
    assert min(strip.ends[0].item() for strip in strips) == picture.min()
    assert max(strip.ends[1].item() for strip in strips) == picture.max()


def test_what_contributes_nothing_is_left_out(layout):
    """Planes: half constant and half another constant, less detail, a copy of the first, constant, more detail."""
    rng = np.random.default_rng(0)
    steps = np.repeat([10, 20], STRIP_ROWS)[:, None, None].repeat(9, 1)
    planes = [steps, rng.integers(0, 9, steps.shape), steps, np.full_like(steps, 99), rng.integers(0, 99, steps.shape)]
    survey = Survey()
    for k, plane in enumerate(planes):
        survey.add(k, *known(plane, layout))
    survey.choose()
    assert survey.order == [4, 1, 0]
    assert (survey.values.low, survey.values.high) == (0, 98)


def test_memory_layout_makes_no_difference(layout):
    picture = np.random.default_rng(0).random((STRIP_ROWS, 300, 1)).astype(np.float32)
    columns_first = np.asfortranarray(picture)
    assert survey_strip(columns_first, None, STRIP_ROWS, layout) == survey_strip(picture, None, STRIP_ROWS, layout)

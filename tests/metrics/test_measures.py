"""Closed cases of all measures, what they refuse, and that they are pure."""

import doctest
import importlib

import numpy as np
import pytest
from scipy import ndimage as ndi
from skimage import data

from napari_rpsnn import metrics
from napari_rpsnn.metrics import MEASURES, to_grey
from napari_rpsnn.metrics.phase import q_p

MODULES = ("greys", "truth", "edges", "phase", "structure", "vision", "detail", "information", "stacks")
#: Of a fused image that is equal to both sources.
IDEAL = {"PSNR": np.inf, "SSIM": 1, "Q_G": 0.9994 / (1 + np.exp(-7.5)) * 0.9879 / (1 + np.exp(-4.4)), "Q_CB": 1,
         "Q_E": 1, "Q_W": 1, "Q_Y": 1, "1-|rSFe|": 1, "VIFF": 1}  # fmt: skip


def texture(seed, shape=(97, 120)):
    image = ndi.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.2)
    return np.rint(np.interp(image, (image.min(), image.max()), (0, 255)))


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module):
    failed, tried = doctest.testmod(importlib.import_module(f"napari_rpsnn.metrics.{module}"))
    assert (failed, tried > 0) == (0, True)


def test_all_measures_are_listed_and_say_what_fools_them():
    functions = {measure.function for measure in MEASURES}
    for name in set(metrics.__all__) - {"MEASURES", "Measure", "to_grey", "thin_things_lost", "index_error"}:
        assert getattr(metrics, name) in functions
    for function in functions | {metrics.thin_things_lost, metrics.index_error}:
        text = function.__doc__
        assert all(word in text for word in ("Range:", "er is ", "What fools it:", "Raises", "Examples"))
    trusted = [measure.trusted for measure in MEASURES]
    assert trusted == sorted(trusted, reverse=True)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
class TestAll:
    def test_equal_to_both_sources(self, measure):
        picture = texture(0)
        got = measure.of([picture, picture], picture, picture)
        assert got == pytest.approx(IDEAL.get(measure.name, got), abs=1e-6)
        if measure.name in IDEAL:
            assert measure.of([picture, picture], texture(1), picture) < got - 1e-3

    @pytest.mark.parametrize("grey", [0, 128, 255])
    def test_nothing_there_and_nothing_made_up_is_right(self, measure, grey):
        flat = np.full((80, 90), grey)
        wanted = IDEAL.get(measure.name)
        if wanted is not None:
            assert measure.of([flat, flat], flat, flat) == pytest.approx(wanted, abs=1e-6)
        for sources, fused in (([texture(0, flat.shape), flat], flat), ([flat, flat], texture(0, flat.shape))):
            assert not np.isnan(measure.of(sources, fused, sources[0]))

    @pytest.mark.parametrize("shape", [(64, 64), (65, 64), (131, 87)])
    def test_order_and_dtype_of_the_sources_do_not_matter(self, measure, shape):
        first, second, fused = (texture(k, shape) for k in range(3))
        sources = [first.astype(np.uint8), second.astype(np.uint16)]
        before = [source.copy() for source in sources]
        got = measure.of(sources, fused, first)
        assert np.isfinite(got)
        assert measure.of([second, first], fused.astype(np.uint8), first) == pytest.approx(got, rel=1e-9)
        assert all((source == old).all() for source, old in zip(sources, before, strict=True))

    def test_a_stack_has_more_than_two_sources(self, measure):
        planes = [texture(k) for k in range(4)]
        got = measure.of(planes, planes[0], planes[0])
        assert got is None if measure.pairs_only else not np.isnan(got)
        if measure.trusted and measure.needs == "sources":
            # Planes that show nothing, or are blurred everywhere, have no say, however many they are.
            flat, blurred = np.full_like(planes[0], 7), np.rint(ndi.gaussian_filter(planes[0], 4))
            for fused in (planes[0], blurred):
                pair = measure.of(planes[:2], fused)
                assert measure.of([flat, *planes[:2], blurred, blurred], fused) == pytest.approx(pair, abs=0.02)

    @pytest.mark.parametrize(
        ("image", "error", "said"),
        [
            (np.full((64, 64), 256.0), ValueError, "fused: expected values from 0 to 255"),
            (np.full((64, 64), np.nan), ValueError, "fused: expected values from 0 to 255"),
            (np.zeros((64, 64, 3)), ValueError, r"fused: expected a grey image .* \(64, 64, 3\)"),
            (np.zeros((64, 64), bool), TypeError, "fused: expected an integer or floating-point dtype of .*, got bool"),
            (np.zeros((64, 64), np.longdouble), TypeError, "fused: expected .* of at most 64 bits, got "),
            (np.zeros((64, 63)), ValueError, "expected the same shape"),
        ],
    )
    def test_what_is_no_grey_image_is_refused(self, measure, image, error, said):
        picture = texture(0, (64, 64))
        if image.shape == (64, 63) and measure.needs == "nothing":
            return
        with pytest.raises(error, match=said):
            measure.of([picture, picture], image, picture)

    def test_too_few_sources_or_pixels_are_refused(self, measure):
        if measure.needs == "sources":
            with pytest.raises(ValueError, match="sources: expected"):
                measure.function([texture(0)], texture(0))
        least = {"Q_W": 8, "Q_E": 8, "Q_Y": 7, "VIFF": 41, "SSIM": 11}.get(measure.name, 1)
        small = np.zeros((least, 50))
        assert measure.of([small, small], small, small) is not None
        if least > 1:
            tiny = small[1:]
            with pytest.raises(
                ValueError, match=f"fused: expected at least {least}x{least} pixels, got {least - 1}x50"
            ):
                measure.of([tiny, tiny], tiny, tiny)


def test_nothing_told_is_0_bits_without_a_sign():
    flat = np.full((20, 30), 7)
    figures = metrics.entropy(flat), metrics.mutual_information([flat, flat], flat)
    assert list(map(str, figures)) == ["0.0", "0.0"]


def test_grey_of_colours_is_that_of_published_figures():
    picture = data.astronaut()[:40, :50]
    grey = to_grey(picture)
    assert grey.shape == (40, 50)
    assert (grey == np.rint(grey)).all()
    assert (to_grey(np.dstack([picture, picture[..., 0]])) == grey).all()
    assert (to_grey(np.repeat(picture[..., :1], 3, 2)) == picture[..., 0]).all()


def test_sixteen_bits_keep_their_steps():
    picture = np.arange(1000, 1100, dtype=np.uint16).reshape(10, 10)
    grey = to_grey(picture, low=1000, high=5000)
    assert len(np.unique(grey)) == 100
    np.testing.assert_allclose(grey, (picture - 1000) * 255 / 4000)
    with pytest.raises(ValueError, match="high: expected more than low, which is 5, got 5"):
        to_grey(picture, low=5, high=5)


def test_features_of_a_step_are_found_whatever_its_contrast():
    """Phase congruency, and so Q_P, hardly sees contrast."""
    step = np.where(np.arange(96) < 48, 60.0, 180.0) + np.zeros((96, 1))
    weak = np.rint(120 + (step - 120) / 4)
    assert q_p([step, step], weak) == pytest.approx(q_p([step, step], step), abs=0.05)
    assert q_p([step, step], ndi.gaussian_filter(np.roll(step, 20, 1), 6)) < 0.5

"""Stacks with planted troubles: the report names each of them and no other."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from truth import kinds
from truth.scenes import scene

from napari_rpsnn.cli.fuse import main
from napari_rpsnn.engine.results import Result, drain
from napari_rpsnn.fusion import iter_fuse
from napari_rpsnn.options import FuseOptions, StackOptions
from napari_rpsnn.reports.quality import Decision, _unused
from napari_rpsnn.reports.quality_page import quality_page
from napari_rpsnn.reports.sections import pair_sections, stack_sections

SIZE = {"size": 192, "planes": 12}


def relief(**more):
    return scene("relief", **{**SIZE, **more}).planes


def bleached():
    planes = scene("haze", **SIZE).planes
    return np.rint(planes * np.linspace(1, 0.75, 12)[:, None, None]).astype(np.uint8)


def moved():
    planes = relief()
    planes[6:] = np.roll(planes[6:], (3, 4), (1, 2))
    return planes[:, 8:-8, 8:-8]


def overexposed():
    return np.minimum(relief().astype(int) * 3 // 2, 255).astype(np.uint8)


def with_hot_pixels():
    planes = scene("tilt", seed=1, **SIZE).planes
    for row, column in ((30, 40), (100, 20), (150, 170)):
        planes[:, row, column] = 255 * (planes[:, row, column] < 128)
    return planes


def with_planes_beyond():
    """The stage went on for three planes, with all of the specimen ever farther behind."""
    planes = scene("tilt", seed=1, **SIZE).planes
    more = [gaussian_filter(planes[-1].astype(float), sigma) for sigma in (2, 3, 4)]
    return np.concatenate([planes, np.rint(more).astype(np.uint8)])


def too_short():
    return relief()[:7]


def too_coarse():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "FAR_BLUR", 30.0)
        return relief(planes=8, seed=9)  # no other test has this seed: renderings are kept


TROUBLES = {
    "brightness": (bleached, "plane 0 is 3[0-9]% brighter than plane 11"),
    "shift": (moved, "Plane 6 lies 5 pixels beside the plane before"),
    "saturation": (overexposed, "Up to [0-9]+% of the pixels of planes .* are saturated, at 255"),
    "hot pixels": (with_hot_pixels, "3 hot pixels: row 30 column 40, row 100 column 20 and row 150 column 170"),
    "unused planes": (with_planes_beyond, "Planes 1[12] to 14 contribute nothing"),
    "no plane is sharp": (too_short, "its focus lies beyond the last plane, 6"),
    "spacing": (too_coarse, r"coarser than the depth of field: 2\.1 µm beside (1\.\d|2) µm"),
    "borders": (lambda: scene("tilt", "borders", **SIZE).planes, "have borders without data, up to"),
}


@pytest.fixture
def report(tmp_path, capsys):
    """Kinds and texts of the findings that the command writes of planes."""

    def report_it(planes, *options):
        axes = "ZCYX" if planes.ndim == 4 else "ZYX"
        image = tmp_path / "stack.ome.tif"
        tifffile.imwrite(image, planes, metadata={"axes": axes, "PhysicalSizeZ": 2.1, "PhysicalSizeZUnit": "µm"})
        page = tmp_path / "page.html"
        command = ["fuse", str(image), "-o", str(tmp_path / "fused.tif"), "--report", str(page), "--overwrite"]
        assert main([*command, "--model", "rpsnn-lite", *options]) == 0, capsys.readouterr().err
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"https?://|<link|src=\"(?!data:)|url\(|<script", text)
        return dict(re.findall(r'data-kind="(.*?)"><b>(.*?)</b>', text)), text

    return report_it


@pytest.mark.parametrize("kind", TROUBLES)
def test_each_trouble_is_named_and_no_other(report, kind):
    make, said = TROUBLES[kind]
    found, _ = report(make())
    assert list(found) == [kind], found
    assert re.search(said, found[kind]), found


@pytest.mark.parametrize("kind", ["tilt", "relief", "depth", "haze", "thick"])
def test_a_good_stack_has_no_trouble(report, kind):
    found, page = report(scene(kind, seed=1, **SIZE).planes)
    assert not found, found
    assert "No trouble was found in 12 planes" in page


def test_what_is_shown_of_channels_and_of_a_part_of_a_stack(report):
    planes = scene("tilt", seed=1, **SIZE).planes
    both = np.stack([planes, planes[::-1]], 1)
    _, page = report(both, "--planes", "3-8", "--region", "0:96,0:96")
    assert page.count("<figcaption>the plane of each pixel, from 3 (dark) to 8 (bright)") == 2
    assert "<h2>Picture 0</h2>" in page
    assert "<h2>Picture 1</h2>" in page
    assert "plane 8: " in page
    assert "plane 9: " not in page


def test_a_pair_of_colours(tmp_path, rgb_pair):
    near, far, _ = rgb_pair
    for name, image in {"a": near, "b": (far * 0.8).astype(np.uint8)}.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
    files = [str(tmp_path / f"{name}.tif") for name in "ab"]
    page = tmp_path / "page.html"
    assert main(["fuse", *files, "-o", str(tmp_path / "f.tif"), "--report", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "In two images: brightness." in text
    assert "image 0 is 2" in re.findall(r'data-kind="brightness"><b>(.*?)</b>', text)[0]
    assert text.count("<img ") == 3  # the image, which source, how sure


@pytest.mark.parametrize("options", [["--slab", "4"], ["--scheduler", "local[1]"]])
def test_a_page_that_cannot_be_made_is_refused_before_the_work(tmp_path, capsys, options):
    if options[0] == "--scheduler":
        pytest.importorskip("distributed", reason="distributed is not in this environment")
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 40, 40), np.uint8), metadata={"axes": "ZYX"})
    out, page = tmp_path / "f.tif", tmp_path / "page.html"
    assert main(["fuse", str(tmp_path / "a.tif"), "-o", str(out), "--report", str(page), *options]) == 1
    assert "--report: expected page.json" in capsys.readouterr().err
    assert not out.exists()


def test_regression_has_no_planes_to_show(report):
    _, page = report(relief(planes=5)[:, :96, :96], "--method", "regression")
    assert "the plane of each pixel" not in page
    assert "Plane by plane" in page


def test_where_no_image_has_data_the_report_goes_on(tmp_path, grey_pair):
    near, far = (image.astype(np.float32) for image in grey_pair[:2])
    near[:20, :20] = far[:10, :10] = np.nan
    for name, image in {"a": near, "b": far}.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
    page = tmp_path / "page.html"
    files = [str(tmp_path / f"{name}.tif") for name in "ab"]
    assert main(["fuse", *files, "-o", str(tmp_path / "f.tif"), "--report", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "In two images: borders." in text
    assert "Images 0 to 1 have borders without data, up to 3.3% of an image." in text
    assert "NaN" not in text


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("method", ["decision", "regression"])
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("by", ["mask", "nan"])
def test_where_there_is_no_data_anywhere_the_report_says_so(tmp_path, count, by, method):
    values = np.random.default_rng(0).integers(0, 4000, (count, 48, 48)).astype(np.uint16)
    files = [tmp_path / f"plane{k}.tif" for k in range(count)]
    for path, plane in zip(files, values, strict=True):
        tifffile.imwrite(path, plane if by == "mask" else np.full_like(plane, np.nan, np.float32))
    tifffile.imwrite(tmp_path / "none.tif", np.zeros((48, 48), np.uint8))
    command = ["fuse", *map(str, files), "-o", str(tmp_path / "f.tif"), "--overwrite", "--method", method]
    command += ["--mask", str(tmp_path / "none.tif")] if by == "mask" else []
    for name in ("page.html", "page.json"):
        assert main([*command, "--report", str(tmp_path / name)]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"No {'plane' if count > 2 else 'image'} has data anywhere." in page
    assert re.findall(r'data-kind="(.*?)"', page) == ["no data"]
    assert json.loads((tmp_path / "page.json").read_text())["shares"] is None


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_where_a_part_of_a_stack_has_no_data_it_is_shown_so(report):
    planes = scene("tilt", seed=1, **SIZE).planes.astype(np.float32)
    planes[:, 40:60, 40:70] = np.nan
    _, page = report(planes)
    assert "how sure that is" in page
    assert "no data" not in page


def test_of_a_great_many_planes_none_need_make_up_much():
    shares = [1 / 2000] * 2000
    assert not _unused(None, Decision(shares))


def test_what_a_mask_leaves_out_of_a_pair_counts_for_nothing(grey_pair):
    near, far = (image.astype(np.float32) for image in grey_pair[:2])
    has = np.ones((2, *near.shape), bool)
    has[0, 20:60, 30:70] = False
    lacking, spoiled = (np.where(has[0], near, value) for value in (np.nan, 9999))
    result = drain(iter_fuse(spoiled, far, options := FuseOptions(mask=has)))
    (seen,) = pair_sections(spoiled, far, options, result)
    (expected,) = pair_sections(lacking, far, FuseOptions(), result)
    assert seen.survey.brightness == expected.survey.brightness
    assert seen.survey.top[0] < 256


def page_of(planes, **options):
    options = StackOptions(**options)
    result = Result(planes[0], {}, index=np.zeros(planes.shape[1:3], np.uint16))
    sections = list(stack_sections(planes, options, result))
    return sections[0], quality_page("stack", sections, {}).decode()


def test_alpha_is_not_shown_and_stretches_no_colours():
    planes = np.random.default_rng(0).integers(100, 4000, (3, 40, 50, 4)).astype(np.uint16)
    planes[..., 3] = 65535
    section, page = page_of(planes, channel_axis=-1)
    np.testing.assert_array_equal(section.image, planes[0, ..., :3])
    assert page == page_of(planes[..., :3], channel_axis=-1)[1]


def test_a_border_that_leaves_no_cell_is_none():
    planes = np.random.default_rng(0).integers(100, 4000, (5, 12, 12)).astype(np.uint16)
    planes[2, :, :4] = 0
    section, page = page_of(planes)
    assert np.isfinite(section.survey.brightness).all()
    assert "nan" not in re.sub('src="[^"]*"', "", page)


def test_values_about_zero_have_bars_too():
    planes = np.random.default_rng(0).normal(0.01, 1, (5, 40, 50))
    _, page = page_of(planes - planes.mean((1, 2), keepdims=True) + np.array([-1, 1, 1, 1, 2])[:, None, None])
    heights = [float(height) for height in re.findall(r'<rect [^>]*height="(.*?)"', page)]
    assert (min(heights), max(heights)) == (0, 110)

"""`napari-rpsnn evaluate` on real files: figures, files that belong together, and what is refused."""

import base64
import csv
import io
import json
import re

import numpy as np
import pytest
import tifffile
from fusions import mean, sharper
from PIL import Image
from skimage.io import imsave

from napari_rpsnn.cli.fuse import main
from napari_rpsnn.metrics import MEASURES, psnr, q_g, to_grey


def evaluate(*args):
    return main(["evaluate", *map(str, args)])


def refused(capsys, *args):
    with pytest.raises(SystemExit) as end:
        evaluate(*args)
    assert end.value.code == 2
    return capsys.readouterr().err


def save(folder, name, image):
    folder.mkdir(exist_ok=True)
    imsave(folder / name, np.asarray(image), check_contrast=False)


@pytest.fixture
def folders(tmp_path, rgb_pair, monkeypatch):
    """Two scenes, whose names count to 10: the second is the first, mirrored."""
    monkeypatch.chdir(tmp_path)
    near, far, truth = rgb_pair
    for number, turn in ((2, np.s_[:]), (10, np.s_[:, ::-1])):
        a, b = near[turn], far[turn]
        made = {"near": a, "far": b, "truth": truth[turn], "mean": mean(a, b), "sharper": sharper(a, b)}
        for folder, image in made.items():
            save(tmp_path / folder, f"plant{number}.png", image.astype(np.uint8))
    return tmp_path


SOURCES = ("--sources", "near", "far")


def test_figures_are_those_of_the_measures(folders, rgb_pair, capsys):
    outputs = ("page.html", "scores.csv", "scores.json")
    assert evaluate(*SOURCES, "--fused", "mean", "pick=sharper", "--truth", "truth", "-o", *outputs) == 0
    said = capsys.readouterr().out
    assert said.index("PSNR") < said.index("Q_G") < said.index("reward the wrong thing") < said.index("VIFF")
    near, far, truth = map(to_grey, rgb_pair)
    plain = to_grey(mean(*rgb_pair[:2]).astype(np.uint8))
    scores = json.loads((folders / "scores.json").read_text())
    assert list(scores["scenes"]) == ["plant2", "plant10"]
    assert list(scores["measures"]) == [measure.name for measure in MEASURES]
    first = scores["scenes"]["plant2"]["mean"]
    assert first["PSNR"] == pytest.approx(psnr(truth, plain))
    assert first["Q_G"] == pytest.approx(q_g([near, far], plain))
    both = [scores["scenes"][name]["pick"]["PSNR"] for name in ("plant2", "plant10")]
    assert scores["means"]["pick"]["PSNR"] == pytest.approx(np.mean(both))
    rows = list(csv.DictReader((folders / "scores.csv").open()))
    assert [(row["scene"], row["method"]) for row in rows[:2]] == [("plant2", "mean"), ("plant2", "pick")]
    assert float(rows[0]["PSNR"]) == first["PSNR"]


def test_the_page_holds_all_it_shows_and_the_worst_place_of_each_method(folders, rgb_pair):
    """A spot that is spoilt in one result is its worst place."""
    spoilt = np.asarray(Image.open(folders / "sharper" / "plant10.png")).copy()
    spoilt[:30, :30] = 128
    save(folders / "spoilt", "plant2.png", np.asarray(Image.open(folders / "sharper" / "plant2.png")))
    save(folders / "spoilt", "plant10.png", spoilt)
    evaluate(*SOURCES, "--fused", "spoilt", "<b>fine</b>=sharper", "--truth", "truth", "-o", "page.html")
    page = (folders / "page.html").read_text()
    assert not re.search(r"https?://|<link|src=\"(?!data:)|url\(", page)
    assert "<b>fine</b></td>" not in page  # a name is no HTML
    assert "&lt;b&gt;fine&lt;/b&gt;" in page
    order = [page.index(text) for text in ("is ahead in", "Measures to trust", "Worst places", "reward the wrong")]
    assert order == sorted(order)
    section = page[page.index("<h3>spoilt</h3>") :]
    assert "<b>plant10</b>, row 0, column 0:" in section[: section.index("</p>")]
    names = re.findall(r"<figcaption>(.*?)</figcaption>", section[: section.index("</div></div></div>")])
    assert names == ["source 0", "source 1", "spoilt", "&lt;b&gt;fine&lt;/b&gt;", "truth"]
    data = re.search(r'src="data:image/png;base64,([^"]*)" alt="spoilt"', section)[1]
    crop = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    np.testing.assert_array_equal(crop, spoilt[:96, :96])


def test_without_a_truth_the_worst_place_is_where_others_keep_more(folders):
    near = np.asarray(Image.open(folders / "near" / "plant2.png"))
    for name in ("plant2", "plant10"):  # never fused: blurred on one side
        save(folders / "never", f"{name}.png", np.asarray(Image.open(folders / "near" / f"{name}.png")))
    evaluate(*SOURCES, "--fused", "never", "sharper", "-o", "page.html")
    page = (folders / "page.html").read_text()
    section = page[page.index("<h3>never</h3>") : page.index("<h3>sharper</h3>")]
    column = int(re.search(r"<b>plant2</b>, row \d+, column (\d+)", section)[1])
    assert column + 96 > near.shape[1] - 10
    assert "PSNR" not in page


def test_a_folder_of_stacks(tmp_path, monkeypatch, small_stack, capsys):
    monkeypatch.chdir(tmp_path)
    planes, truth = small_stack
    deep, made = planes.astype(np.uint16) * 100, truth.astype(np.uint16) * 100
    (tmp_path / "stacks").mkdir()
    tifffile.imwrite("stacks/a.tif", deep, metadata={"axes": "ZYX"})
    for k, plane in enumerate(deep):
        (tmp_path / "stacks" / "b").mkdir(exist_ok=True)
        tifffile.imwrite(f"stacks/b/plane{k}.tif", plane)
    for folder, image in {"best": made, "plane": deep[0]}.items():
        (tmp_path / folder).mkdir()
        for name in "ab":
            tifffile.imwrite(f"{folder}/{name}.tif", image)
    assert evaluate("--sources", "stacks", "--fused", "best", "plane", "-o", "scores.json") == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["scenes"]["a"] == scores["scenes"]["b"]
    assert all(scores["means"]["best"][name] > scores["means"]["plane"][name] for name in ("Q_G", "Q_CB", "Q_E"))
    assert "Q_Y" not in scores["measures"]  # is of two sources
    assert evaluate("--sources", "stacks/a.tif", "--fused", "best/a.tif") == 0
    assert "a.tif" in capsys.readouterr().out


@pytest.mark.parametrize("counts", [(2, 3), (3, 2)])
def test_a_folder_of_a_pair_and_a_stack_has_the_measures_of_stacks(tmp_path, monkeypatch, small_stack, counts):
    monkeypatch.chdir(tmp_path)
    planes, truth = small_stack
    for folder in ("stacks", "best"):
        (tmp_path / folder).mkdir()
    for name, count in zip("ab", counts, strict=True):
        tifffile.imwrite(f"stacks/{name}.tif", planes[:count], metadata={"axes": "ZYX"})
        tifffile.imwrite(f"best/{name}.tif", truth)
    assert evaluate("--sources", "stacks", "--fused", "best", "-o", "page.html", "scores.csv") == 0
    head = (tmp_path / "scores.csv").read_text().splitlines()[0]
    assert "Q_G" in head
    assert "Q_Y" not in head


def test_one_scene_of_single_files(folders, capsys):
    assert evaluate("--sources", "near/plant2.png", "far/plant2.png", "--fused", "it=sharper/plant2.png") == 0
    said = capsys.readouterr()
    assert "mean of 1 scene" in said.out
    assert "goes by order" not in said.err


def test_what_goes_by_order_and_what_is_another_scene_is_said(folders, capsys):
    save(folders / "other", "a.png", np.asarray(Image.open(folders / "truth" / "plant2.png"))[::-1, ::-1])
    save(folders / "other", "b.png", np.asarray(Image.open(folders / "truth" / "plant10.png")))
    assert evaluate(*SOURCES, "--fused", "other") == 0
    said = capsys.readouterr()
    assert "other: goes by order, not by name: a.png is taken for plant2" in said.err
    assert "other, plant2: correlates with the mean of its sources by" in said.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sources", "near", "far", "--fused", "nowhere"], "found nothing at nowhere"),
        (["--sources", "near", "one", "--fused", "mean"], "2 of --sources near, 1 of --sources one"),
        (["--sources", "near", "far", "--fused", "one"], "2 of --sources, 1 of --fused one"),
        (["--sources", "near", "far", "--fused", "mean", "mean"], "got mean twice"),
        (["--sources", "near", "far", "--fused", "mean", "-o", "page.pdf"], "ends with one of .html, .csv, .json"),
        (["--sources", "near", "far", "--fused", "mean", "-o", "there.html"], "--overwrite replaces it"),
        (["--sources", "near", "far", "--fused", "mean", "-o", "no/page.html"], "expected a folder that exists"),
    ],
)
def test_refused_before_anything_is_read(folders, capsys, arguments, said):
    save(folders / "one", "plant2.png", np.zeros((9, 9), np.uint8))
    (folders / "there.html").write_text("mine")
    assert said in refused(capsys, *arguments)
    assert (folders / "there.html").read_text() == "mine"


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((96, 127), np.uint8), "small: expected the size of the sources, (96, 128), got (96, 127)"),
        (np.zeros((96, 128), np.uint16), "small: expected the sources' dtype, uint8, got uint16"),
    ],
)
def test_what_cannot_be_compared_is_refused(folders, capsys, image, said):
    for name in ("plant2", "plant10"):
        save(folders / "small", f"{name}.png", image)
    assert evaluate(*SOURCES, "--fused", "small", "-o", "page.html") == 1
    assert said in capsys.readouterr().err
    assert not (folders / "page.html").exists()


def test_places_without_data_are_refused_by_name(tmp_path, capsys):
    planes = np.ones((3, 40, 50), np.float32)
    planes[1, :4] = np.nan
    tifffile.imwrite(tmp_path / "stack.tif", planes, photometric="minisblack")
    tifffile.imwrite(tmp_path / "fused.tif", planes[0])
    assert evaluate("--sources", tmp_path / "stack.tif", "--fused", f"ours={tmp_path / 'fused.tif'}") == 1
    assert "stack, source 1: expected finite values, got NaN or infinity" in capsys.readouterr().err

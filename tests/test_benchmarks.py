"""Every benchmark still runs: on the least that it takes, with figures that nobody should quote."""

import importlib
import json
import re
import sys
from itertools import product
from pathlib import Path
from textwrap import dedent

import pytest
from skimage import data
from skimage.io import imsave

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """Import a benchmark."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


@pytest.fixture
def run(script, monkeypatch, capsys):
    """Call a benchmark as from the shell; what it prints."""

    def run_it(name, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        script(name).main()
        return capsys.readouterr().out

    return run_it


@pytest.fixture
def page(script, monkeypatch, tmp_path):
    """The page of figures that tables are written to, in place of the real one."""
    path = tmp_path / "performance.md"
    path.write_text("".join(f"<!-- {name} -->\n<!-- end of {name} -->\n" for name in ("versus", "scaling")))
    monkeypatch.setattr(script("tables"), "PAGE", path)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of one sharp picture, large enough for every crop."""
    folder = tmp_path_factory.mktemp("pictures")
    imsave(folder / "section.png", data.immunohistochemistry()[:256, :256])
    return folder


def rows_of(table):
    """The cells of a Markdown table, by the first one of each line, without its head."""
    cells = [re.split(r"\s*\|\s*", line)[1:-1] for line in table.splitlines() if line.startswith("|")]
    return {name: values for name, *values in cells[2:]}


def test_ablation(run, pictures, monkeypatch):
    pytest.importorskip("lightning_fabric", reason="lightning_fabric is not in this environment")
    monkeypatch.setattr("napari_rpsnn.training.validation.PAIRS", 8)
    monkeypatch.setattr("napari_rpsnn.training.validation.CROP", 64)
    changes = "one order of each pair", "geometric pairs only"
    rows = rows_of(run("ablation", pictures, "--steps", 1, "--only", *changes))
    assert set(rows) == {*changes, "plain average of both images"}
    assert all(float(cell) > 10 for cells in rows.values() for cell in cells)


def test_fused_pairs(run, tmp_path, monkeypatch):
    for name in ("near", "far"):
        (tmp_path / name).mkdir()
        imsave(tmp_path / name / "a.png", data.immunohistochemistry()[:64, :64])
    said = run("fused_pairs", tmp_path / "near", tmp_path / "far", tmp_path / "out", "--rivals", "none")
    assert said.count("1 images") == 4
    assert {path.parent.name for path in tmp_path.glob("out/*/a.png")} >= {"ours, decision", "average"}


def test_larger_than_memory(run):
    pytest.importorskip("zarr", reason="zarr is not in this environment")
    pytest.importorskip("dask", reason="dask is not in this environment")
    assert re.match(r"600 x 600 \(0\.00 GB a pair\): .* peak .* the sharp source's", run("larger_than_memory", 600))


def test_quality(run, pictures):
    rows = rows_of(run("quality", pictures, "rpsnn-lite", "--batches", 1, "--crop", 96))
    assert list(rows)[-1] == "the truth itself"
    assert len(rows) == 5
    assert all(len(cells) == 6 for cells in rows.values())
    assert rows["the truth itself"][0] == "68.13 / 68.13"


def test_scaling(run, page):
    run("scaling", "--megapixels", 0.01, "--planes", 3, "--side", 64, "--repeat", 1)
    rows = rows_of(page.read_text())
    assert len(rows["102x102"]) == 4
    assert len(rows["3"]) == 3


@pytest.mark.parametrize("source", [[], ["--dask"]])
def test_stack_memory(script, tmp_path, source):
    if source:
        pytest.importorskip("dask", reason="dask is not in this environment")
    benchmark = script("stack_memory")
    planes = benchmark.PlanesInAFile(tmp_path / "planes", 3, 64)
    planes.write()
    seconds, peak = benchmark.measure(planes, "rpsnn-lite", dask=bool(source))
    assert seconds > 0
    assert peak > 1e8


def test_training_step(run, pictures):
    pytest.importorskip("lightning_fabric", reason="lightning_fabric is not in this environment")
    assert " s a step with fresh pairs" in run(
        "training_step", pictures, "--device", "cpu", "--crop", 64, "--repeat", 1
    )


class InThisProcess:
    """Stands in for `Worker`: the same work and answers, without a process that loads torch first."""

    def __init__(self, **task):
        self.work, self.facts = importlib.import_module("tasks").TASKS[task.pop("kind")](**task)
        json.dumps(self.facts)

    def run(self, what="run"):
        return json.loads(json.dumps({"seconds": 1.0, "MB": 1.0} | self.work(what)))

    def finish(self):
        pass


def test_versus(script, run, page, monkeypatch, rgb_pair):
    versus, tasks = script("versus"), script("tasks")
    monkeypatch.setattr(versus, "Worker", InThisProcess)
    monkeypatch.setattr(tasks, "make_pair", lambda: rgb_pair)
    monkeypatch.setattr(tasks.sample_data, "brightfield_pair", lambda: [(image, {}, "image") for image in rgb_pair])
    monkeypatch.setattr(versus, "COMMANDS", {"copy": "cp {near} {out}", "other": "a-command-that-nobody-has {near}"})
    run("versus", "--size", 64, "--repeat", 1, "--models", "rpsnn-lite")
    rows = rows_of(page.read_text())
    assert {"`fuse`, `rpsnn-lite`", "`rpsnn-lite` alone", versus.PLAIN, "copy"} == set(rows)
    assert float(rows["`fuse`, `rpsnn-lite`"][-1]) > float(rows["copy"][-1]) > 10
    assert "Not installed: other." in page.read_text()


def test_without_truth(run, tmp_path, rgb_pair):
    near, far, truth = rgb_pair
    for name, image in {"near": near, "far": far, "other": truth}.items():
        (tmp_path / name).mkdir()
        imsave(tmp_path / name / "1.png", image, check_contrast=False)
    rows = rows_of(run("without_truth", tmp_path / "near", tmp_path / "far", f"truth={tmp_path / 'other'}"))
    assert list(rows) == ["`fuse`, decision", "`fuse`, regression", "truth"]
    assert all(0 < float(cell) <= 1.1 for cells in rows.values() for cell in cells)


@pytest.mark.parametrize(
    ("module", "suite", "cases"),
    [
        ("bench_fuse", "FusePair", [[64], ["rpsnn-lite"], ["float32", "bfloat16"]]),
        ("bench_fuse", "FuseTiles", [[64, "auto"]]),
        ("bench_fuse", "FuseStack", [[3], ["cascade", "tree"]]),
        ("bench_training", "TrainingStep", [[16]]),
    ],
)
def test_suites_of_asv(script, module, suite, cases):
    if module == "bench_training":
        pytest.importorskip("lightning_fabric", reason="lightning_fabric is not in this environment")
    benchmark = getattr(script(f"suite.{module}"), suite)()
    benchmark.side = 128
    assert len(benchmark.params) == len(benchmark.param_names) == len(cases)
    names = [name for name in dir(benchmark) if name.startswith(("time_", "peakmem_"))]
    assert names
    for case in product(*cases):
        try:
            benchmark.setup(*case)
        except NotImplementedError:  # this is how asv is told to leave out a case
            continue
        for name in names:
            getattr(benchmark, name)(*case)


def test_suite_of_imports(script):
    suite = script("suite.bench_import").Import()
    codes = [getattr(suite, name)() for name in dir(suite) if name.startswith("timeraw_")]
    assert codes
    for code in codes:
        exec(dedent(code), {})

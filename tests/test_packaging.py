"""The manifest, the weights, and what the built packages hold."""

import importlib
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml
from npe2 import PluginManifest

import napari_rpsnn

ROOT = Path(__file__).parent.parent
CARRIED = (
    "napari.yaml",
    "py.typed",
    "__init__.pyi",
    "weights/README.md",
    "weights/rpsnn.safetensors",
    "weights/rpsnn-lite.safetensors",
    "weights/decider.safetensors",
    "weights/stack_decider.safetensors",
    "weights/highlight_decider.safetensors",
    "weights/outline_decider.safetensors",
    "io/__init__.pyi",
    "metrics/__init__.pyi",
    "plugin/icon.png",
    "reports/page.css",
    "reports/page.js",
)


def test_the_installed_package_carries_all_it_needs():
    package = Path(napari_rpsnn.__file__).parent
    assert [name for name in CARRIED if not (package / name).is_file()] == []


def test_the_manifest_is_valid():
    manifest = PluginManifest.from_distribution("napari-rpsnn")
    assert manifest.display_name == "R-PSNN focus fusion"
    assert manifest.icon == "napari_rpsnn.plugin:icon.png"
    assert "Image Processing" in manifest.categories
    assert [w.display_name for w in manifest.contributions.widgets] == ["Fuse two layers", "Fuse a stack", "Fuse files"]
    assert "napari/layers/project" in manifest.contributions.menus
    assert [s.key for s in manifest.contributions.sample_data] == ["brightfield_pair", "fluorescence_stack"]


def test_entry_points():
    assert {e.name for e in entry_points(group="napari.manifest")} >= {"napari-rpsnn"}


def test_the_lowest_versions_are_those_that_are_declared():
    """What `tox -e lowest` installs: all but torch, of which one version is tried, and what the core needs not."""
    said = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    more = said["project"]["optional-dependencies"]
    lists = [said["project"]["dependencies"], said["dependency-groups"]["test"]]
    lists += [more[extra] for extra in ("compressed", "dask", "register", "train", "zarr")]
    declared = dict(re.match(r"([\w-]+)(?:\[.*\])?>=([\d.]+)", line).groups() for lines in lists for line in lines)
    declared["distributed"] = declared["dask"]
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    lowest = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert f"torch=={lowest['torch']}" in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    trimmed = [{k: re.sub(r"(\.0)+$", "", v) for k, v in x.items() if k != "torch"} for x in (lowest, declared)]
    assert trimmed[0] == trimmed[1]


def test_the_recipe_of_conda_has_what_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    recipe = (ROOT / "recipe" / "meta.yaml").read_text(encoding="utf-8")
    needs = re.search(r"  run:\n(.*?)\n\n", recipe, re.S)[1]
    declared = {line.replace("torch>", "pytorch>").replace(">=", " >=") for line in project["dependencies"]}
    assert set(re.findall(r"- (.*)", needs)) == {*declared, f"python {project['requires-python']}"}
    entries = dict(re.findall(r"- (\S+) = (\S+)", recipe))
    assert entries == project["scripts"]
    assert re.search('version = "(.*?)"', recipe)[1] == project["version"]


def test_what_is_released_was_tried_and_says_where_it_is_from():
    test, release = (
        yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))["jobs"]
        for name in ("test", "release")
    )
    tried = {step.get("run") for job in test.values() for step in job["steps"]}
    assert {".ci/run", "make lowest", "pip-audit --skip-editable"} <= tried
    assert (release["publish"]["needs"], release["build"]["needs"]) == ("build", "test")
    assert release["test"]["uses"] == "./.github/workflows/test.yml"
    steps = [step.get("uses", step.get("run")) for step in release["build"]["steps"]]
    attest = steps.index("actions/attest-build-provenance@v2")
    assert steps.index("pipx run build") < attest < steps.index("actions/upload-artifact@v4")


def test_a_release_names_its_repository(monkeypatch):
    """What `.github/workflows/release.yml` does before it builds."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    script = importlib.import_module("name_repository")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    made = script.named(readme, "https://example.org/a/b", "v1")
    assert "](https://example.org/a/b/raw/v1/docs/demo.png)" in made
    assert "](https://example.org/a/b/blob/v1/docs/napari.md)" in made
    assert not re.search(r"\]\((?!https?:)", made)
    assert made.count("](https://doi.org") == readme.count("](https://doi.org")
    added = script.urls("https://example.org/a/b", "v1")
    assert tomllib.loads(added)["project"]["urls"]["Issues"] == "https://example.org/a/b/issues"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The wheel and the sdist, built from a checkout."""
    pytest.importorskip("hatchling", reason="hatchling is not in this environment")
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", out], cwd=ROOT, check=True, capture_output=True)
    return out


def test_the_wheel_carries_all_it_needs(built):
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert len(names) == len(set(names))
    assert [name for name in CARRIED if f"napari_rpsnn/{name}" not in names] == []


def test_the_sdist_builds_the_same_wheel(built, tmp_path):
    (sdist,) = built.glob("*.tar.gz")
    shutil.unpack_archive(sdist, tmp_path)
    (source,) = tmp_path.iterdir()
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=source, check=True, capture_output=True
    )
    (again,) = (source / "dist").glob("*.whl")
    (wheel,) = built.glob("*.whl")
    assert sorted(zipfile.ZipFile(again).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())

"""Every code block of the pages is run, in a folder of small images, and every link to a file leads to one.

``make docs`` runs this. What a block cannot do here is looked at: that what is installed, made or run by name is there.
Links to other sites are not tried, for which a network would be needed.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from skimage import data
from skimage.io import imsave

from napari_rpsnn.cli.fuse import main as fuse_command
from napari_rpsnn.cli.train import train_command
from napari_rpsnn.io import write_image

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
#: A run of training that ends at once.
SHORT = shlex.split("--steps 1 --crop 32 --geometric 1 --fluorescence 0 --brightfield 0 --device cpu")
FILES = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "SECURITY.md", *(ROOT / "docs" / "api").glob("*.md")]


def blocks(language):
    """The code blocks of each page that has some."""
    found = {page: re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S) for page in PAGES}
    return [pytest.param(texts, id=page.name) for page, texts in found.items() if texts]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Images as the pages name them."""
    monkeypatch.chdir(tmp_path)
    sharp = data.camera()[200:248, 200:248]
    planes = np.stack([np.roll(sharp, k, 0) // 2 + sharp // 2 for k in range(6)])
    for name, image in {"near": planes[0], "far": planes[5]}.items():
        for path in (f"{name}.png", f"{name}.tif", f"{name}/a.png"):
            Path(path).parent.mkdir(exist_ok=True)
            imsave(path, image, check_contrast=False)
        write_image(f"{name}.ome.zarr", image, "YX", provenance={})
    fused = ("ours", "theirs", "sharp", "img1", "img2", "authors_fused", "out/theirs")
    for path in ("a.tif", "b.tif", *(f"{name}/a.png" for name in fused)):
        Path(path).parent.mkdir(exist_ok=True, parents=True)
        imsave(path, planes[2], check_contrast=False)
    for k, plane in enumerate(planes):
        for path in (f"plane{k}.tif", f"planes/p{k}_ch0.tif"):
            Path(path).parent.mkdir(exist_ok=True)
            imsave(path, plane, check_contrast=False)
    Path("stacks").mkdir()
    large = np.stack([np.roll(data.camera()[:300, :250], k, 0) for k in range(21)])
    write_image("large.ome.tif", large, "ZYX", provenance={})
    for path in ("stack.ome.tif", "lzw.tif", "stack.ome.zarr", "stacks/a.ome.tif"):
        write_image(path, planes, "ZYX", provenance={})
    Path("pictures").mkdir()
    imsave("pictures/section.png", data.immunohistochemistry()[:96, :96])
    return planes


@pytest.fixture
def scheduler():
    """The address of a real one, in this process."""
    distributed = pytest.importorskip("distributed")
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 2, "dashboard_address": None}
    with distributed.LocalCluster(**options, protocol="tcp", host="127.0.0.1") as cluster:
        yield cluster.scheduler_address


@pytest.mark.parametrize("texts", blocks("python"))
def test_python(texts, folder, scheduler):
    colours = np.repeat(folder[..., None], 3, -1)
    known = {"near": folder[0], "far": folder[5], "planes": folder, "truth": folder[2], "fused": folder[2]}
    # A stand-in: what layers have there is tested in a window of napari.
    layer = SimpleNamespace(metadata={"napari-rpsnn": {}})
    known["viewer"] = SimpleNamespace(layers={"near + far fused": layer})
    known |= {"rgb_near": colours[0], "rgb_far": colours[5], "tczyx": np.stack([folder, folder])[None]}
    for text in texts:
        exec(compile(text.replace("tcp://scheduler:8786", scheduler), "block", "exec"), known)
    if "client" in known:
        known["client"].close()


@pytest.mark.parametrize("texts", blocks("sh"))
def test_shell(texts, folder, request):
    for text in texts:
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if words:
                run(words, request)


def run(words, request):
    """Do what a line of a shell says, as far as it can be done here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    command, *options = words
    if any("tcp://scheduler" in word for word in words) and command != "dask":
        address = request.getfixturevalue("scheduler")
        options = [word.replace("tcp://scheduler:8786", address) for word in options]
    if command == "napari-rpsnn":
        if options == ["--version"]:
            with pytest.raises(SystemExit, match=r"^0$"):
                fuse_command(options)
            return
        options = [name for word in options for name in expanded(word)]
        assert fuse_command([*options, "--overwrite"]) == 0
    elif command == "napari-rpsnn-train":
        pytest.importorskip("lightning_fabric")
        train_command([*options, *SHORT])
    elif words[:2] == ["python", "-c"]:
        subprocess.run([sys.executable, *options], check=True)
    elif command == "python":
        assert (ROOT / options[0]).exists()
    elif command == "dask":
        subprocess.run([sys.executable, "-m", "dask", options[0], "--help"], check=True, capture_output=True)
    elif words[:2] == ["pip", "install"]:
        for name in re.findall(r"\[(.*?)\]", " ".join(options)):
            assert set(name.split(",")) <= set(project["optional-dependencies"])
    elif command == "make":
        assert re.search(rf"^{options[0]}:", (ROOT / "Makefile").read_text("utf-8"), re.M)
    elif command == ".tools/bin/tox":
        assert f"[testenv:{options[2]}]" in (ROOT / "tox.ini").read_text("utf-8")
        assert all((ROOT / word).exists() for word in options if word.startswith("tests/"))
    elif command == "conda":
        assert (ROOT / "recipe" / "meta.yaml").exists()
    else:
        assert command == "asv", f"{command}: expected a command that is known here"


def expanded(word):
    """A pattern of files that are there, as a shell hands it on."""
    found = sorted(map(str, Path().glob(word))) if "*" in word else []
    return found or [word]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_links_lead_to_files(file):
    for target in re.findall(r"\]\(([^)\s]+)\)", file.read_text("utf-8")):
        if not re.match(r"https?:|#|gallery/", target):  # the gallery is made when the site is built
            assert (file.parent / target.partition("#")[0]).exists(), target

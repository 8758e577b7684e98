"""What can befall a command: no memory, no source any more, another process. It leaves nothing half-written."""

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_files import pixels
from shell import fuse

from napari_rpsnn.io import read_image


def program(*args, **how):
    """The command in a process of its own."""
    command = [sys.executable, "-m", "napari_rpsnn.cli.fuse", "fuse", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **how)


@pytest.fixture
def stack_file(tmp_path):
    """A TIFF of three planes in strips."""
    tifffile.imwrite(tmp_path / "in.ome.tif", pixels(3, 64, 64, dtype=np.uint8), metadata={"axes": "ZYX"})
    return tmp_path / "in.ome.tif"


def test_without_memory_it_says_so_and_keeps_the_old_result(stack_file, tmp_path):
    (tmp_path / "out.tif").write_text("old")
    tifffile.imwrite(tmp_path / "in.ome.tif", np.zeros((3, 6000, 6000), np.uint8), metadata={"axes": "ZYX"})
    script = (
        "import resource, sys, psutil, torch, napari_rpsnn.stack, napari_rpsnn.engine.pairs.engine\n"
        "import napari_rpsnn.engine.stacks.engine, napari_rpsnn.cli.results\n"
        "from napari_rpsnn.cli.fuse import main\n"
        "limit = psutil.Process().memory_info().vms + 2**26\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "fuse", stack_file, "-o", tmp_path / "out.tif", "--overwrite"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("napari-rpsnn: ")
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out.tif").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.ome.tif", "out.tif"]


@pytest.mark.parametrize("how", ["cut", "other", "gone"])
def test_a_source_that_changes_while_it_is_read_is_refused_or_read_whole(
    stack_file, tmp_path, capsys, monkeypatch, how
):
    import napari_rpsnn.cli.results as results

    before, inner = tifffile.imread(stack_file), results._fuse

    def change(*args):
        content = stack_file.read_bytes()
        stack_file.unlink()
        if how != "gone":
            stack_file.write_bytes(content[:5000] if how == "cut" else b"another file")
        return inner(*args)

    monkeypatch.setattr(results, "_fuse", change)
    if fuse(stack_file, "-o", tmp_path / "out.tif") == 0:
        fused = read_image(tmp_path / "out.tif").data[...]
        assert (fused >= before.min(0)).all()
        assert (fused <= before.max(0)).all()
    else:
        said = capsys.readouterr().err
        assert "in.ome.tif" in said
        assert "Traceback" not in said
        assert not (tmp_path / "out.tif").exists()
    assert not list(tmp_path.glob(".napari-rpsnn-*"))


def test_two_processes_that_write_one_output_do_not_mix(tmp_path):
    for name, value in (("a", 10), ("b", 200)):
        tifffile.imwrite(tmp_path / f"{name}.ome.tif", np.full((3, 64, 64), value, np.uint8), metadata={"axes": "ZYX"})
    out = tmp_path / "out.ome.tif"
    command = [sys.executable, "-m", "napari_rpsnn.cli.fuse", "fuse", "-o", out, "--overwrite"]
    both = [subprocess.Popen([*command, tmp_path / f"{name}.ome.tif"], stdout=subprocess.DEVNULL) for name in "ab"]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert len(np.unique(read_image(out).data[...])) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ome.tif", "b.ome.tif", "out.ome.tif"]


def test_a_limit_of_open_files_is_said(stack_file, tmp_path):
    done = program(
        stack_file,
        "-o",
        tmp_path / "out.tif",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24)),
    )
    assert done.returncode in (0, 1), done.stderr
    assert done.returncode == 0 or "Traceback" not in done.stderr
    assert done.returncode == 0 or not Path(tmp_path / "out.tif").exists()

"""What is never lost: files of the user's in the place of a result, beside it, or under it."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_files import pixels
from PIL import Image
from shell import fuse, refused

from napari_rpsnn.cli.fuse import main
from napari_rpsnn.io import read_image, write_image


@pytest.fixture
def pair(tmp_path):
    paths = tmp_path / "a.tif", tmp_path / "b.tif"
    for path, data in zip(paths, pixels(2, 24, 24, dtype=np.uint8), strict=True):
        tifffile.imwrite(path, data)
    return paths


@pytest.mark.parametrize(
    ("name", "options"),
    [("results.tif", ["-o"]), ("plate.zarr", ["-o"]), ("results", ["-o", "x.tif", "--report"])],
)
def test_overwrite_deletes_no_folder(pair, tmp_path, capsys, monkeypatch, name, options):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").write_text("ten years of work")
    assert "got a folder with files that stay" in refused(capsys, *pair, *options, name, "--overwrite")
    assert (tmp_path / name / "thesis.txt").read_text() == "ten years of work"


def test_outputs_that_hold_are_or_link_to_a_source_are_refused(pair, tmp_path, capsys):
    folder = tmp_path / "set.ome.zarr"
    folder.mkdir()
    inside = [path.rename(folder / path.name) for path in pair]
    assert "which holds" in refused(capsys, *inside, "-o", folder, "--overwrite")
    os.link(inside[0], tmp_path / "hard.tif")
    (tmp_path / "soft.tif").symlink_to(inside[0])
    for name in ("hard.tif", "soft.tif"):
        assert "expected outputs that are no inputs" in refused(capsys, *inside, "-o", tmp_path / name, "--overwrite")
    write_image(tmp_path / "z.ome.zarr", pixels(3, 24, 24), "ZYX", provenance={})
    out = tmp_path / "z.ome.zarr" / "0" / "out.tif"
    assert "expected outputs beside the inputs" in refused(capsys, tmp_path / "z.ome.zarr", "-o", out)
    assert all(path.exists() for path in inside)


def test_a_batch_replaces_nothing_that_it_cannot_read_or_that_is_not_ours(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    out = tmp_path / "out"
    out.mkdir()
    for name in "abcd":
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", pixels(3, 24, 24), metadata={"axes": "ZYX"})
    with tifffile.TiffWriter(out / "a.tif") as tif:
        tif.write(np.zeros((5, 5), np.uint8))
        tif.write(np.zeros((9, 9), np.uint16))
    (out / "b.tif").mkdir()
    (out / "b.tif" / "mine.txt").write_text("x")
    (out / "c.tif").write_text("notes of mine")
    before = {name: (out / name).read_bytes() for name in ("a.tif", "c.tif", "b.tif/mine.txt")}
    assert fuse(tmp_path / "in", "--batch", "-o", out) == 1
    said = capsys.readouterr().err
    assert "1 fused, 0 were there, 3 failed" in said
    assert all(f"{name}.tif: expected a whole result or nothing there" in said for name in "abc")
    assert {name: (out / name).read_bytes() for name in before} == before
    # A picture of the user's own, where a result and its map are to be: it is whole, but not ours.
    tifffile.imwrite(out / "d.tif", np.zeros((24, 24), np.uint8))
    command = tmp_path / "in" / "d.tif", "--batch", "-o", out, "--map", tmp_path / "maps"
    assert fuse(*command) == 1
    assert "expected a result of ours or nothing there, got another" in capsys.readouterr().err
    assert not read_image(out / "d.tif").data[...].any()
    assert fuse(*command, "--overwrite") == 0


def test_a_rerun_looks_at_every_chunk(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.ome.zarr", pixels(3, 24, 24), "ZYX", provenance={})
    command = tmp_path / "in", "--batch", "-o", tmp_path / "out"
    assert fuse(*command) == 0
    assert fuse(*command) == 0
    chunk = tmp_path / "out" / "a.ome.zarr" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-3])
    assert fuse(*command) == 1
    assert "expected a Blosc chunk" in capsys.readouterr().err
    assert fuse(*command, "--overwrite") == 0


def test_results_in_the_folder_of_the_planes_are_no_planes(tmp_path, capsys):
    folder = tmp_path / "photos [2024]"  # brackets are a part of the name
    folder.mkdir()
    for k, plane in enumerate(pixels(3, 24, 24, dtype=np.uint8)):
        Image.fromarray(plane).save(folder / f"IMG_{k}.png")
    assert fuse(folder, "-o", folder / "fused.png", "--map", folder / "map.tif") == 0
    capsys.readouterr()
    for inputs, name in ((folder, "again.png"), (folder / "*.*", "pattern.png")):
        assert fuse(inputs, "-o", folder / name, "--report", tmp_path / f"{name}.json") == 0
        assert "fused.png, map.tif" in capsys.readouterr().err.replace("again.png, ", "")
        assert '"IMG_2.png"\n  ]' in (tmp_path / f"{name}.json").read_text()


def test_two_channels_in_a_folder_are_no_stack_and_a_batch_of_two(tmp_path, capsys):
    folder = tmp_path / "in" / "mm"
    folder.mkdir(parents=True)
    for c in range(2):
        for z in range(3):
            tifffile.imwrite(folder / f"img_channel{c:03}_z{z:03}.tif", pixels(24, 24, dtype=np.uint8))
    said = refused(capsys, folder, "-o", tmp_path / "out.tif")
    assert "names of 2: 3 planes 'img_channel000_z00*.tif', 3 planes 'img_channel001_z00*.tif'" in said
    assert fuse(folder / "img_channel001_z00*.tif", "-o", tmp_path / "out.tif") == 0
    assert fuse(tmp_path / "in", "--batch", "-o", tmp_path / "out") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mm_channel000.tif", "mm_channel001.tif"]


def test_one_bad_file_never_ends_a_batch(tmp_path, capsys, monkeypatch):
    (tmp_path / "in").mkdir()
    for name in "abc":
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", pixels(3, 24, 24), metadata={"axes": "ZYX"})
    import napari_rpsnn.cli.results as results

    inner = results.open_stack

    def open_stack(sources, *more):
        if sources[0].name == "a.tif":
            raise KeyError("what nobody thought of")
        return inner(sources, *more)

    monkeypatch.setattr(results, "open_stack", open_stack)
    assert fuse(tmp_path / "in", "--batch", "-o", tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert "2 fused, 0 were there, 1 failed" in said
    assert "a.tif: KeyError: 'what nobody thought of'" in said


def test_units_that_are_not_ascii_are_written_and_read(tmp_path):
    said = {"axes": "ZYX"} | {f"PhysicalSize{a}{u}": v for a in "XY" for u, v in (("", 2.0), ("Unit", "Å"))}
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels(3, 24, 24), metadata=said)
    assert fuse(tmp_path / "a.ome.tif", "-o", tmp_path / "out.tif") == 0
    out = read_image(tmp_path / "out.tif")
    assert (out.scale, out.units) == ({"Y": 2.0, "X": 2.0}, {"Y": "Å", "X": "Å"})


@pytest.mark.parametrize("size", [0, -1, 1e-320])
def test_sizes_that_are_none_do_not_end_the_work(tmp_path, capsys, size):
    said = {"axes": "ZYX", "PhysicalSizeZ": size, "PhysicalSizeX": size, "PhysicalSizeY": 0.5}
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels(3, 24, 24), metadata=said)
    assert fuse(tmp_path / "a.ome.tif", "-o", tmp_path / "out.tif", "--height", tmp_path / "height.tif") == 0
    assert "PhysicalSizeX: expected a positive size" in capsys.readouterr().err


def test_a_series_is_chosen(tmp_path, capsys):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tif:
        for k in range(2):
            tif.write(np.full((3, 24, 24), k, np.uint8), metadata={"axes": "ZYX"})
    assert fuse(tmp_path / "a.ome.tif", "-o", tmp_path / "out.tif") == 1
    assert "--series takes one of" in capsys.readouterr().err
    assert fuse(tmp_path / "a.ome.tif", "-o", tmp_path / "out.tif", "--series", 1) == 0
    assert (read_image(tmp_path / "out.tif").data[...] == 1).all()


@pytest.mark.parametrize("shell", ["2>&-", ">&-", ">&- 2>&-", "| true"])
def test_whoever_does_not_listen_changes_nothing(pair, tmp_path, shell):
    out = tmp_path / "out.tif"
    program = f"'{sys.executable}' -m napari_rpsnn.cli.fuse fuse {pair[0]} {pair[1]} -o {out}"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {program} {shell}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Wrote" not in done.stderr
    assert read_image(out).data.shape == (24, 24)


@pytest.mark.skipif(sys.platform != "linux", reason="file systems elsewhere have names of Unicode")
def test_names_that_are_no_text_end_nothing(tmp_path, monkeypatch):
    """As old disks have, in Latin-1; a terminal of ASCII is told as much as it can show."""
    monkeypatch.chdir(tmp_path)
    near, far = (os.fsdecode(name) for name in (b"n\xe9ar.png", b"f\xe4r.png"))
    for path in (near, far):
        Image.fromarray(pixels(60, 60, dtype=np.uint8)).save(tmp_path / "a.png")
        Path("a.png").rename(path)
    out = os.fsdecode(b"\xfcber.png")
    said = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with redirect_stdout(said):
        assert main(["fuse", near, far, "-o", out, "--report", os.fsdecode(b"\xfc.html")]) == 0
        outputs = ("page.html", "scores.csv", "scores.json")
        assert main(["evaluate", "--sources", near, far, "--fused", out, "-o", *outputs]) == 0
    assert b"Wrote \\udcfcber.png." in said.buffer.getvalue()
    assert all(b"n\\udce9ar" in Path(name).read_bytes() for name in outputs)


def test_an_empty_name_is_not_the_folder_one_is_in(pair, monkeypatch, capsys):
    """As of a variable of the shell that is not set."""
    monkeypatch.chdir(pair[0].parent)
    assert "INPUT: expected the name of a file or folder, got nothing" in refused(capsys, "", "-o", "c.tif")
    assert "--out: expected the name of a file or folder, got nothing" in refused(capsys, "--batch", *pair, "-o", "")
    assert "--mask: expected" in refused(capsys, *pair, "-o", "c.tif", "--mask", "")


def test_threads_sleep_unless_the_user_has_said_otherwise(monkeypatch):
    for said in (None, "active"):
        monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
        if said:
            monkeypatch.setenv("OMP_WAIT_POLICY", said)
        with pytest.raises(SystemExit):
            fuse("--help")
        assert os.environ["OMP_WAIT_POLICY"] == (said or "passive")

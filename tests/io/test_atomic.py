import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from napari_rpsnn.io.atomic import atomic_write, write_bytes


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    with suppress(RuntimeError), atomic_write(path) as part:
        part.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["out.bin"]


def test_what_was_not_proven_is_not_put_in_its_place(tmp_path):
    def prove(part):
        raise OSError(f"expected 4 bytes, got {part.stat().st_size}")

    with pytest.raises(OSError, match="expected 4 bytes, got 3"), atomic_write(tmp_path / "out", prove=prove) as part:
        part.write_bytes(b"cut")
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for folder, kind in ((tmp_path / "none", FileNotFoundError), (tmp_path / "file", NotADirectoryError)):
        with pytest.raises(kind, match=f"expected a folder that can be written to, got {folder}: "):
            write_bytes(folder / "out.html", b"new")


def test_nothing_of_anybody_elses_is_removed(tmp_path):
    """Names that a program may think its own, and two writers of one file at a time."""
    others = [tmp_path / name for name in ("out.part", "out.old", ".napari-rpsnn-x.part", "new", "old")]
    for other in others:
        other.mkdir()
        (other / "mine").write_text("x")
    with atomic_write(tmp_path / "out") as first, atomic_write(tmp_path / "out") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "out").read_text() == "first"
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "out"])
    assert all((other / "mine").exists() for other in others)


@pytest.mark.parametrize("there", ["folder", "empty", "pipe"])
@pytest.mark.parametrize("new", ["file", "folder"])
def test_only_a_file_or_a_folder_that_is_ours_is_replaced(tmp_path, there, new):
    path = tmp_path / "out"
    os.mkfifo(path) if there == "pipe" else path.mkdir()
    if there == "folder":
        (path / "mine").write_text("ten years of work")
    before = path.stat().st_ino
    message = r"out: expected a new name or what we may replace, got"
    with pytest.raises(FileExistsError, match=message), atomic_write(path) as part:
        part.mkdir() if new == "folder" else part.write_text("x")
    assert path.stat().st_ino == before
    assert names(tmp_path) == ["out"]


def test_a_folder_replaces_no_file_and_a_folder_that_is_accepted(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="got a file"), atomic_write(tmp_path / "file") as part:
        part.mkdir()
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "old").touch()
    with atomic_write(tmp_path / "ours", replaces=lambda folder: True) as part:
        part.mkdir()
        (part / "new").touch()
    assert names(tmp_path / "ours") == ["new"]


def test_a_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far" / "target")
    write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "target").read_bytes() == b"new"
    assert names(tmp_path / "far") == ["target"]


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    write_bytes(tmp_path / "out", b"old")
    script = (
        "import sys, time; from napari_rpsnn.io.atomic import atomic_write\n"
        "with atomic_write(sys.argv[1]) as part:\n"
        "    part.write_bytes(b'half'); print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, tmp_path / "out"], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert (tmp_path / "out").read_bytes() == b"old"
    write_bytes(tmp_path / "out", b"new")
    assert (tmp_path / "out").read_bytes() == b"new"

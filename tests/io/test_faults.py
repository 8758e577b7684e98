"""A disk that lies, fails or fills, and a process that dies: what was there stays, and no half of anything is left."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from image_files import described, pixels

from napari_rpsnn.io import read_image, write_image

KINDS = ["a.ome.tif", "a.tif", "a.png", "a.ome.zarr"]
OLD, NEW = pixels(24, 31, dtype=np.uint8), pixels(24, 31, dtype=np.uint8)[::-1].copy()


def largest(part):
    """The file, of all that was written, that the values are in."""
    files = [part] if part.is_file() else [path for path in part.rglob("*") if path.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


def cut(part):
    os.truncate(largest(part), largest(part).stat().st_size - 3)


def flip(part):
    content = bytearray(largest(part).read_bytes())
    content[len(content) * 3 // 4] ^= 255
    largest(part).write_bytes(content)


def vanish(part):
    largest(part).unlink()


@pytest.fixture(params=KINDS)
def path(request, tmp_path):
    """An image that is there before."""
    write_image(tmp_path / request.param, OLD, "YX", provenance={})
    return tmp_path / request.param


def assert_refused(path, message="cannot be written"):
    with pytest.raises(OSError, match=message):
        write_image(path, NEW, "YX", like=described(NEW, "YX"), provenance={})
    np.testing.assert_array_equal(read_image(path).data[...], OLD)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("lie", [cut, flip, vanish])
def test_a_disk_that_says_it_wrote_what_it_did_not(path, monkeypatch, lie):
    """Short writes, turned bits and lost files are found by reading, before anything is replaced."""
    from napari_rpsnn.io import flat, ome_zarr, tiff

    for kind in (flat, ome_zarr, tiff):

        def write(part, *more, inner=kind.write):
            written = inner(part, *more)
            lie(Path(part))
            return written

        monkeypatch.setattr(kind, "write", write)
    assert_refused(path)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fails_when_all_is_written(path, monkeypatch, number):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("napari_rpsnn.io.atomic.os.fsync", fail)
    assert_refused(path)


def test_a_name_that_cannot_be_given(path, monkeypatch):
    """A rename that fails, of the first or the second of two where a folder is replaced."""
    inner = Path.rename

    def fail(self, target):
        if self.name != "new":  # the old folder steps aside, and comes back; zarr gives its files their names
            return inner(self, target)
        raise PermissionError(errno.EPERM, "not permitted", str(target))

    monkeypatch.setattr(Path, "rename", fail)
    monkeypatch.setattr(Path, "replace", fail)
    assert_refused(path)


def test_killed_at_any_time_the_old_or_the_new_file_is_there(path):
    """SIGKILL at three moments of each kind, while an image is written over and over again."""
    script = (
        "import sys, numpy as np; from napari_rpsnn.io import write_image\n"
        "images = np.load(sys.argv[2])\n"
        "print(flush=True)\n"
        "while True:\n"
        "    for image in images: write_image(sys.argv[1], image, 'YX', provenance={})\n"
    )
    images = path.parent.parent / f"{path.name}.npy"
    np.save(images, np.stack([NEW, OLD]))
    moments, command = random.Random(0), [sys.executable, "-c", script, path, images]
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(moments.uniform(0, 0.2))
            process.send_signal(signal.SIGKILL)
        folders = {p for p in path.parent.iterdir() if p != path}
        assert all(p.name.startswith(".napari-rpsnn-") for p in folders)
        if path.exists():
            got = read_image(path).data[...]
            assert np.array_equal(got, OLD) or np.array_equal(got, NEW)
        else:  # between the two renames of a folder the old one waits in there
            assert path.suffix == ".zarr"
            assert [p for folder in folders for p in folder.glob("old")]
            write_image(path, OLD, "YX", provenance={})

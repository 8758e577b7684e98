"""Whole or not at all: a file or folder is made beside its place, proven, and only then renamed to it.

1. A folder of a random name is made beside the target. It is ours alone: no other process can have it, and nothing
   else is ever removed. What a link points to is the target, so that the link stays.
2. The writer writes in there; `prove` reads it back. Some writers do not notice a full disk.
3. All is handed to the disk (fsync), so that a name never stands for data that a power cut can take.
4. The name is given. What it stood for goes only if it is a file, or a folder that `replaces` accepts.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def nothing(path: Path) -> bool:
    """Whether a folder may be replaced: no."""
    return False


@contextmanager
def atomic_write(
    path: str | os.PathLike[str],
    *,
    prove: Callable[[Path], None] = lambda part: None,
    replaces: Callable[[Path], bool] = nothing,
) -> Iterator[Path]:
    """Give a path to write a file or a folder to, and rename that to `path` at the end; after an error remove it.

    Parameters
    ----------
    path : str or path-like
        If it is a link, what it points to is replaced.
    prove : callable, optional
        Raises OSError if what was written is not what was to be written.
    replaces : callable, optional
        Whether a folder that is in the place may be deleted. A file may always.

    Raises
    ------
    FileExistsError
        If something is in the place that is not to be replaced. It stays.
    OSError
        If nothing can be written there.
    """
    target = Path(os.path.realpath(os.fspath(path)))
    refuse_to_delete(target, replaces)
    try:
        room = Path(tempfile.mkdtemp(prefix=".napari-rpsnn-", suffix=".part", dir=target.parent))
    except OSError as error:  # which names a folder that nobody has asked for
        why = error.strerror or type(error).__name__
        raise type(error)(f"expected a folder that can be written to, got {target.parent}: {why}") from error
    try:
        part = room / "new"
        yield part
        prove(part)
        _to_disk(part)
        refuse_to_delete(target, replaces, part.is_dir())
        if target.is_dir():  # a folder cannot be renamed onto another
            old = target.rename(room / "old")
            try:
                part.rename(target)
            except BaseException:
                old.rename(target)
                raise
        else:
            part.replace(target)
        _sync(target.parent)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file of these bytes, whole or not at all."""

    def prove(part: Path) -> None:
        if part.read_bytes() != content:
            raise OSError(f"expected {len(content)} bytes to be on the disk, got {part.stat().st_size}, or others")

    with atomic_write(path, prove=prove) as part:
        part.write_bytes(content)


def refuse_to_delete(
    path: str | os.PathLike[str], replaces: Callable[[Path], bool] = nothing, by_folder: bool | None = None
) -> None:
    """Raise FileExistsError if something is at `path` that must not be replaced, by a folder or by a file."""
    there = Path(path)
    if not there.exists():
        return
    got = "a folder" if there.is_dir() else "a file" if there.is_file() else "neither a file nor a folder"
    if there.is_dir() and (by_folder is False or not replaces(there)):
        raise FileExistsError(f"{path}: expected a new name or what we may replace, got {got} with files that stay")
    if not there.is_dir() and (by_folder or not there.is_file()):
        raise FileExistsError(f"{path}: expected a new name or what we may replace, got {got}")


def _to_disk(path: Path) -> None:
    """All of a file, or of a folder."""
    for inside in path.iterdir() if path.is_dir() else ():
        _to_disk(inside)
    _sync(path)


def _sync(path: Path) -> None:
    with suppress(PermissionError):  # Windows opens no folder
        number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(number)
        finally:
            os.close(number)

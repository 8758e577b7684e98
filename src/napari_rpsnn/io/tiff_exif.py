"""What a camera says, in a TIFF: tifffile writes the plain tags, the directories of EXIF and GPS go behind all else."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: Maker, model, time, artist and copyright.
PLAIN = 271, 272, 306, 315, 33432

#: Tags that say where the directories of EXIF and GPS are, and a private one that keeps the room of each: tifffile
#: writes none that is called so.
DIRECTORIES = {34665: 65000, 34853: 65001}

ASCII, LONG = 2, 4


def camera_tags(exif: bytes | None) -> list[tuple[int, int, int, Any, bool]]:
    """Tags as tifffile takes them; the places of directories are not known yet."""
    if not exif:
        return []
    said = _opened(exif)
    plain = ((number, str(said[number])) for number in PLAIN if number in said)
    tags: list[tuple[int, int, int, Any, bool]] = [
        (number, ASCII, 0, text.encode("ascii", "replace").decode(), True) for number, text in plain
    ]
    return tags + [(room, LONG, 1, 0, True) for number, room in DIRECTORIES.items() if said.get_ifd(number)]


def append_directories(path: Path, exif: bytes | None) -> None:
    """Write the directories at the end of a TIFF that was written with `camera_tags`."""
    if not exif:
        return
    said = _opened(exif)
    for number in DIRECTORIES:
        if inside := said.get_ifd(number):
            _append(path, number, inside)


def _append(path: Path, tag_of_directory: int, said: Mapping[int, Any]) -> None:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    directory = ImageFileDirectory_v2(group=tag_of_directory)
    for number, value in said.items():
        directory[number] = value
    with path.open("r+b") as file:
        head = file.read(8)
        if head[:4] != b"II*\0":
            return  # larger than 4 GB: a TIFF of another kind, which no camera makes
        (first,) = struct.unpack("<I", head[4:])
        end = file.seek(0, 2)
        end += end % 2
        file.seek(end)
        file.write(directory.tobytes(end))
        file.seek(first)
        (count,) = struct.unpack("<H", file.read(2))
        tags = [file.read(12) for _ in range(count)]
        rooms = [struct.unpack("<H", tag[:2])[0] for tag in tags]
        at = rooms.index(DIRECTORIES[tag_of_directory])
        tags[at] = struct.pack("<HHII", tag_of_directory, LONG, 1, end)
        file.seek(first + 2)
        tags.sort(key=lambda tag: int.from_bytes(tag[:2], "little"))
        file.write(b"".join(tags))


def read_exif(path: Path) -> bytes:
    """What a camera says, of the first page of a TIFF; empty: none does."""
    from PIL import Image

    with Image.open(path) as picture:
        found = picture.getexif()
        inside = {number: dict(found.get_ifd(number)) for number in DIRECTORIES}
        kept = Image.Exif()
        for number in PLAIN:
            if number in found:
                kept[number] = found[number]
    for number, said in inside.items():
        if said:
            kept.get_ifd(number).update(said)
    return kept.tobytes() if any(inside.values()) or len(kept) else b""


def _opened(exif: bytes) -> Any:
    from PIL import Image

    said = Image.Exif()
    said.load(exif)
    return said

"""What a camera says, in a TIFF: tifffile writes the plain tags, the directory of EXIF goes behind all else."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

#: Maker, model, time, artist and copyright, and the tag that says where the directory is.
PLAIN, DIRECTORY = (271, 272, 306, 315, 33432), 34665

#: A private tag that keeps its room: tifffile writes none that is called so.
ROOM = 65000

ASCII, LONG = 2, 4


def camera_tags(exif: bytes | None) -> list[tuple[int, int, int, Any, bool]]:
    """Tags as tifffile takes them; the directory's place is not known yet."""
    if not exif:
        return []
    said = _opened(exif)
    plain = ((number, str(said[number])) for number in PLAIN if number in said)
    tags: list[tuple[int, int, int, Any, bool]] = [
        (number, ASCII, 0, text.encode("ascii", "replace").decode(), True) for number, text in plain
    ]
    return [*tags, (ROOM, LONG, 1, 0, True)] if said.get_ifd(DIRECTORY) else tags


def append_directory(path: Path, exif: bytes | None) -> None:
    """Write the directory at the end of a TIFF that was written with `camera_tags`."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    said = _opened(exif).get_ifd(DIRECTORY) if exif else {}
    if not said:
        return
    directory = ImageFileDirectory_v2()
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
        room = next(tag for tag in tags if struct.unpack("<H", tag[:2])[0] == ROOM)
        tags[tags.index(room)] = struct.pack("<HHII", DIRECTORY, LONG, 1, end)
        file.seek(first + 2)
        tags.sort(key=lambda tag: int.from_bytes(tag[:2], "little"))
        file.write(b"".join(tags))


def read_exif(path: Path) -> bytes:
    """What a camera says, of the first page of a TIFF; empty: none does."""
    from PIL import Image

    with Image.open(path) as picture:
        found = picture.getexif()
        inside = dict(found.get_ifd(DIRECTORY))
        kept = Image.Exif()
        for number in PLAIN:
            if number in found:
                kept[number] = found[number]
    if inside:
        kept.get_ifd(DIRECTORY).update(inside)
    return kept.tobytes() if inside or len(kept) else b""


def _opened(exif: bytes) -> Any:
    from PIL import Image

    said = Image.Exif()
    said.load(exif)
    return said

"""Training folders: read sharp pictures and measured triples, and split them so that no picture is on both sides.

A folder may hold sharp pictures, of which pairs are made, measured triples in the layout of the paper's authors
(``img1/``, ``img2/`` and ``gt/`` with equal names), or both, at any depth.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_rpsnn.io import read_image
from napari_rpsnn.io.formats import SUFFIXES, suffix_of
from napari_rpsnn.training.checkpoint import NAME as CHECKPOINT
from napari_rpsnn.training.checkpoint import PANELS

TRIPLE_FOLDERS = ("img1", "img2", "gt")


@dataclass(frozen=True)
class Picture:
    """What training sees of one scene: a sharp image, or near, far and the truth.

    Attributes
    ----------
    name : str
        Path within the folder.
    images : tuple of Tensor
        One uint8 tensor of shape `(1 or 3, rows, columns)`, the sharp image, or three: near, far, sharp.
    sha256 : str
        Of the file, the truth's of a triple.
    licence : str
        From ``SOURCES.csv`` in the folder, a table with the columns ``file`` and ``licence``; empty where unknown.
    """

    name: str
    images: tuple[Tensor, ...]
    sha256: str = ""
    licence: str = ""

    @property
    def is_triple(self) -> bool:
        """Whether near and far were measured."""
        return len(self.images) == 3

    @property
    def origin(self) -> str:
        """The picture that a tile was cut from: ``name_t01.jpg`` and ``name_t10.jpg`` share ``name``."""
        return re.sub(r"_t\d+$", "", str(Path(self.name).with_suffix("")))


def read_pictures(folder: str | Path, least_px: int = 1) -> list[Picture]:
    """Read every picture below `folder`, in the order of their names.

    Raises
    ------
    ValueError
        If there is none, one cannot be read, is smaller than `least_px` on a side, or is neither grey nor RGB of 8 or
        16 bits, or if a triple is not complete or its images differ in size. The message names the file.
    """
    root = Path(folder)
    # A run that was written below the pictures, or beside them, has panels of its own.
    runs = {p.parent / PANELS if p.parent == root else p.parent for p in root.rglob(CHECKPOINT)}
    images = (p for p in root.rglob("*") if suffix_of(p) and p.is_file() and not runs & set(p.parents))
    paths = sorted(p for p in images if p.parent.name not in TRIPLE_FOLDERS[:2])
    if not paths:
        raise ValueError(f"data: expected images ({', '.join(SUFFIXES)}) below {root}, found none")
    licences = _read_licences(root / "SOURCES.csv")
    pictures = []
    for path in paths:
        files = _triple_files(path) if path.parent.name == "gt" else (path,)
        arrays = [_read(file) for file in files]
        if len({(x.shape, x.dtype) for x in arrays}) > 1:
            got = ", ".join(f"{x.shape} {x.dtype}" for x in arrays)
            raise ValueError(f"{path}: expected three images of one size and depth, got {got}")
        if min(arrays[0].shape[:2]) < least_px:
            raise ValueError(f"{path}: expected at least {least_px} pixels on each side, got {arrays[0].shape[:2]}")
        name = path.relative_to(root).as_posix()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        pictures.append(Picture(name, _to_uint8(arrays), digest, licences.get(name, "")))
    return pictures


def split_pictures(pictures: Sequence[Picture], share: float = 0.08) -> tuple[list[Picture], list[Picture]]:
    """Training and validation pictures; tiles of one picture stay together.

    A hash of the origin's name decides, so that adding pictures moves none to the other side. At least one origin is
    held out, and one is not; a folder with a single one has to serve for both.
    """

    def place(origin: str) -> float:
        return int.from_bytes(hashlib.sha256(origin.encode()).digest()[:4], "big") / 2**32

    places = {p.origin: place(p.origin) for p in pictures}
    if len(places) == 1:
        return list(pictures), list(pictures)
    first, *_, last = sorted(places, key=places.__getitem__)
    held = {origin for origin in places if origin != last and (places[origin] <= share or origin == first)}
    return [p for p in pictures if p.origin not in held], [p for p in pictures if p.origin in held]


def _triple_files(truth: Path) -> tuple[Path, ...]:
    files = tuple(truth.parents[1] / folder / truth.name for folder in TRIPLE_FOLDERS)
    if missing := [str(f) for f in files if not f.is_file()]:
        raise ValueError(f"{truth}: expected images of its name in img1 and img2 too, missing {', '.join(missing)}")
    return files


def _read(path: Path) -> NDArray[Any]:
    """Rows, columns and 1 or 3 channels of 8 or 16 bits."""
    said = read_image(path)
    image = np.asarray(said.data[...])
    if said.axes not in ("YX", "YXS") or image.shape[2:] > (4,):
        raise ValueError(f"{path}: expected a grey or RGB picture, got the axes {said.axes}, shape {image.shape}")
    image = image.reshape(*image.shape[:2], -1)
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{path}: expected 8 or 16 bits per value, got {image.dtype}")
    return image[..., :3] if image.shape[2] >= 3 else image[..., :1]


def _to_uint8(images: Sequence[NDArray[Any]]) -> tuple[Tensor, ...]:
    if images[0].dtype == np.uint16:
        # Camera counts rarely fill 16 bits: stretch what is there, all images of a triple alike.
        low, high = np.percentile(images[-1], (0.1, 99.9))
        images = [np.clip((image - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8) for image in images]
    return tuple(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))) for image in images)


def _read_licences(table: Path) -> dict[str, str]:
    if not table.is_file():
        return {}
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            names = rows.fieldnames or []
            if not {"file", "licence"} <= set(names):
                raise ValueError(f"expected the columns file and licence, got {', '.join(names) or 'none'}")
            return {row["file"]: row["licence"] or "" for row in rows}
    except (ValueError, csv.Error) as error:  # text that is not UTF-8 is one, too
        raise ValueError(f"{table}: cannot be read as a table of licences: {error}") from error

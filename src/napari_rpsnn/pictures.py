"""Folders of sharp pictures: read them, and split them so that no picture is on both sides."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from skimage.io import imread
from torch import Tensor

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")


@dataclass(frozen=True)
class Picture:
    """One sharp image: `pixels` is a uint8 tensor of shape `(1 or 3, rows, columns)`."""

    name: str
    pixels: Tensor

    @property
    def origin(self) -> str:
        """The picture that a tile was cut from: ``name_t01.jpg`` and ``name_t10.jpg`` share ``name``."""
        return re.sub(r"_t\d+$", "", str(Path(self.name).with_suffix("")))


def read_pictures(folder: str | Path) -> list[Picture]:
    """Read every image file below `folder`, in the order of their names."""
    root = Path(folder)
    paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"folder: expected images ({', '.join(SUFFIXES)}) below {root}, found none")
    return [Picture(p.relative_to(root).as_posix(), _to_uint8(imread(p), p)) for p in paths]


def _to_uint8(image: np.ndarray, path: Path) -> Tensor:
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 2, 3, 4):
        raise ValueError(f"{path}: expected a grey or RGB picture, got an array of shape {image.shape}")
    image = image[..., :3] if image.shape[2] >= 3 else image[..., :1]
    if image.dtype == np.uint16:
        # Camera counts rarely fill 16 bits: stretch what is there.
        low, high = np.percentile(image, (0.1, 99.9))
        image = np.clip((image - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
    if image.dtype != np.uint8:
        raise ValueError(f"{path}: expected 8 or 16 bits per value, got {image.dtype}")
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def split_pictures(pictures: Sequence[Picture], share: float = 0.08) -> tuple[list[Picture], list[Picture]]:
    """Training and validation pictures. A hash of the origin's name decides, so additions move nothing."""

    def held_out(picture: Picture) -> bool:
        digest = hashlib.sha256(picture.origin.encode()).digest()
        return int.from_bytes(digest[:4], "big") < share * 2**32

    return [p for p in pictures if not held_out(p)], [p for p in pictures if held_out(p)]

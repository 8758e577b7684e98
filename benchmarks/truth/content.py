"""What the stacks show: parts of scikit-image's pictures, smooth surfaces, strands, blood cells.

All are frames of the size that is shown and a margin, see `optics.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from skimage import data

from truth.optics import MARGIN, Array, Layer, crop

DETAILED = ("gravel", "brick", "grass", "camera", "astronaut", "coffee", "chelsea", "rocket", "immunohistochemistry")


def places(size: int) -> Array:
    """Row and column of each pixel."""
    return np.mgrid[: size + 2 * MARGIN, : size + 2 * MARGIN].astype(np.float32)


def uniform(size: int, z: float) -> Array:
    """One depth everywhere."""
    return np.full((size + 2 * MARGIN,) * 2, z, np.float32)


def smooth(rng: np.random.Generator, size: int, sigma: float) -> Array:
    """Smooth noise from 0 to 1 where it is shown."""
    noise = gaussian_filter(rng.normal(0, 1, (size + 2 * MARGIN,) * 2), sigma, mode="wrap")
    shown = crop(noise)
    scaled: Array = ((noise - shown.min()) / np.ptp(shown)).astype(np.float32)
    return scaled


def stretch(surface: Array, low: float, high: float, count: int) -> Array:
    """Depths from the middle of the first step to that of the last one: neither end is a plane's."""
    return ((surface - low) / (high - low) * (count - 2) + 0.5).astype(np.float32)


def window(rng: np.random.Generator, shape: tuple[int, ...], size: int) -> list[NDArray[np.intp]]:
    """Rows and columns of a picture for a frame; a picture that is too small goes on as in a mirror."""
    side = size + 2 * MARGIN
    return [
        np.pad(np.arange(n), (0, max(0, side - n)), "symmetric")[rng.integers(max(1, n - side + 1)) :][:side]
        for n in shape[:2]
    ]


def cut(image: NDArray[Any], where: list[NDArray[np.intp]]) -> NDArray[Any]:
    """Those rows and columns of a picture."""
    return image[np.ix_(*where)]


def picture(rng: np.random.Generator, size: int, colour: bool, names: tuple[str, ...] = DETAILED) -> Array:
    """Part of one of scikit-image's pictures, from 0 to 1, in colour or grey."""
    image: Any = getattr(data, names[rng.integers(len(names))])()
    if min(image.shape[:2]) > 1000:  # larger than its sharpness
        image = image[: image.shape[0] // 3 * 3, : image.shape[1] // 3 * 3]
        image = image.reshape(image.shape[0] // 3, 3, image.shape[1] // 3, 3, -1).mean((1, 3)).squeeze()
    image = cut(image, window(rng, image.shape, size)).astype(np.float32) / 255
    if image.ndim == 2 and colour:  # as of a duotone print
        dark, light = rng.uniform(0, 0.3, 3), rng.uniform(0.7, 1, 3)
        image = (dark + image[..., None] * (light - dark)).astype(np.float32)
    part: Array = image if colour or image.ndim == 2 else image.mean(-1)
    return part


def strand(way: NDArray[Any], width: NDArray[Any], rise: NDArray[Any], shade: float, size: int, colour: bool) -> Layer:
    """A thread along a way (points, 2), of a width and depth at each point, round like a wire."""
    distance, nearest = cKDTree(way).query(places(size).reshape(2, -1).T)
    distance, half = distance.reshape(uniform(size, 0).shape), (width[nearest] / 2).reshape(uniform(size, 0).shape)
    matte = np.clip(half + 0.5 - distance, 0, 1).astype(np.float32)
    tone = shade * (1 - 0.35 * np.clip(distance / np.maximum(half, 1), 0, 1) ** 2)
    colours = tone[..., None] * np.array([1.0, 0.85, 0.7]) if colour else tone
    return Layer(colours.astype(np.float32), rise[nearest].reshape(matte.shape).astype(np.float32), matte)


def cells(rng: np.random.Generator, size: int) -> tuple[Array, Array]:
    """Thickness of red blood cells, hollow in the middle, and of small grains, each up to about one."""
    y, x = places(size)
    side = size + 2 * MARGIN
    thickness, grains = np.zeros((side, side), np.float32), np.zeros((side, side), np.float32)
    for _ in range(int((side / 46) ** 2)):
        row, column = rng.uniform(0, side, 2)
        long, angle = rng.uniform(1, 1.15), rng.uniform(0, np.pi)
        dy, dx = y - row, x - column
        u, v = (np.cos(angle) * dx + np.sin(angle) * dy) / long, -np.sin(angle) * dx + np.cos(angle) * dy
        r = np.hypot(u, v) / rng.uniform(19, 26)
        cell = np.clip(1 - r**4, 0, 1) * (1 - rng.uniform(0.2, 0.5) * np.exp(-((r / 0.45) ** 2)))
        thickness = thickness + cell if rng.random() < 0.15 else np.maximum(thickness, cell)
    for _ in range(int((side / 60) ** 2)):
        row, column = rng.uniform(0, side, 2)
        grains += rng.uniform(0.3, 0.9) * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 2 / rng.uniform(1, 2.5) ** 2)
    return gaussian_filter(thickness, 1.2), grains

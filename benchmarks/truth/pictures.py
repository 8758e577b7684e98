"""A picture of what stackers make of a scene: all of it, and the square where they differ most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import uniform_filter

from truth.scenes import Scene

#: Side of the square in pixels, and how many times it is enlarged.
SQUARE, TIMES = 72, 4
TITLE = 14
#: Results side by side.
ACROSS = 6


def sheet(scene: Scene, images: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Truth and results side by side, each above its square."""
    shown = {"truth": scene.truth, **images}
    low, high = np.percentile(scene.truth, (0.1, 99.9))
    grey = {name: _grey(image) for name, image in shown.items()}
    # The oracle and the average are left out: they differ where no stacker does.
    others = [
        np.clip(np.abs(x - grey["truth"]), 0, high - low) for n, x in grey.items() if n not in ("oracle", "average")
    ]
    spread = uniform_filter(np.ptp(others, axis=0), SQUARE, mode="constant") if len(others) > 1 else others[0]
    half = min(SQUARE, *spread.shape) // 2
    row, column = _place(spread, half)
    parts = [_column(name, image, low, high, row, column, half) for name, image in shown.items()]
    parts += [np.full_like(parts[0], 255)] * (-len(parts) % min(ACROSS, len(parts)))
    return np.concatenate([np.concatenate(parts[i : i + ACROSS], 1) for i in range(0, len(parts), ACROSS)])


def _place(spread: NDArray[Any], half: int) -> tuple[int, int]:
    inside = spread[half : spread.shape[0] - half + 1, half : spread.shape[1] - half + 1]
    row, column = np.unravel_index(np.argmax(inside), inside.shape)
    return int(row), int(column)


def _column(
    name: str, image: NDArray[Any], low: float, high: float, row: int, column: int, half: int
) -> NDArray[np.uint8]:
    seen = np.clip((image.astype(np.float32) - low) / max(high - low, 1e-6) * 255, 0, 255).astype(np.uint8)
    picture = Image.fromarray(seen).convert("RGB")
    square = picture.crop((column, row, column + 2 * half, row + 2 * half))
    width = 2 * half * TIMES
    whole = picture.resize((width, width * seen.shape[0] // seen.shape[1]), Image.Resampling.LANCZOS)
    ImageDraw.Draw(whole).rectangle(
        [x * width / seen.shape[1] for x in (column, row, column + 2 * half, row + 2 * half)], outline=(255, 220, 0)
    )
    made = Image.new("RGB", (width + 4, TITLE + whole.height + 4 + width), "white")
    ImageDraw.Draw(made).text((2, 1), name, fill="black")
    made.paste(whole, (0, TITLE))
    made.paste(square.resize((width, width), Image.Resampling.NEAREST), (0, TITLE + whole.height + 4))
    return np.asarray(made)


def _grey(image: NDArray[Any]) -> NDArray[np.float32]:
    return image.astype(np.float32) if image.ndim == 2 else image.astype(np.float32).mean(-1)

"""How good a fused stack is, where the truth is known.

A stacker is any function of the planes (planes, rows, columns[, 3]) that returns the image, or the image, the index of
the plane of each pixel, and, if it has them, heights in planes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from napari_rpsnn.metrics import index_error, thin_things_lost
from truth.scenes import Scene, within_reach

Stacker = Callable[[NDArray[Any]], Any]
#: Stands for no error at all, in dB: rounding to 8 bits alone leaves 58.9.
MOST = 60.0
#: Where a picture has texture: local gradient, in shares of the range of values.
TEXTURE = 0.02


@dataclass(frozen=True)
class Score:
    """Figures of one stack; NaN where a figure has no meaning or cannot be had.

    `as_returned` is the PSNR of the image itself where `psnr` and the rest judge the decision.
    """

    psnr: float
    as_returned: float
    ssim: float
    within_one: float
    height_error: float
    thin_lost: float
    seconds: float = np.nan
    image: NDArray[Any] | None = None


def evaluate(stacker: Stacker, scene: Scene) -> Score:
    """Run a stacker on a scene, and judge what it returns."""
    started = time.perf_counter()
    made = stacker(scene.planes)
    seconds = time.perf_counter() - started
    image, index, height = (*made, None, None)[:3] if isinstance(made, tuple) else (made, None, None)
    return score(scene, np.asarray(image), index, height, seconds)


def score(
    scene: Scene, image: NDArray[Any], index: NDArray[Any] | None = None, height: Any = None, seconds: float = np.nan
) -> Score:
    """Judge an image, and the index and the height of the same stacker where it has them.

    Where planes have noise or differ in brightness, an image is as bad as what it is made of. There the decision is
    judged: by the planes' values without noise and drift, at the chosen planes. An image without an index is taken as
    it is, which is what its user gets.
    """
    seen = image = image.astype(np.float32)
    if index is not None and scene.disturbed:
        seen = at_planes(scene.clean, index)
    wanted = [scene.truth, *(_as_far_as_seen(scene, k) for k in scene.accepted)]
    best = max(wanted, key=lambda one: psnr(one, seen, scene.peak))
    where, within, error = known(scene), np.nan, np.nan
    if index is not None and scene.depth is not None and where.any():
        height = index if height is None else height
        within = float((np.abs(index.astype(float) - scene.depth)[where] <= 1).mean())
        if not scene.accepted:  # else the height is as much a convention as the plane
            error = index_error(height, scene.depth, where=where)
    lost = np.nan
    if scene.thin is not None and scene.behind is not None:
        lost = thin_things_lost(seen, scene.truth, scene.behind, scene.thin, data_range=scene.peak)
    similar = structural_similarity(
        best,
        seen,
        data_range=scene.peak,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1 if seen.ndim == 3 else None,
    )
    returned = psnr(best, image, scene.peak) if scene.disturbed else np.nan
    return Score(psnr(best, seen, scene.peak), returned, float(similar), within, error, lost, seconds, image)


def _as_far_as_seen(scene: Scene, plane: int) -> NDArray[np.float32]:
    """What a plane shows; where it has no data, the one next to it that has."""
    depth = np.full(scene.covered.shape[1:], plane, np.float32)
    return within_reach(scene.clean, scene.covered, scene.clean[plane], depth)[0]


def psnr(truth: NDArray[Any], image: NDArray[Any], peak: float) -> float:
    """PSNR in dB, at most `MOST`."""
    error = np.mean((truth.astype(float) - image) ** 2)
    return float(min(MOST, 10 * np.log10(peak**2 / max(error, 1e-30))))


def at_planes(planes: NDArray[Any], index: NDArray[Any]) -> NDArray[Any]:
    """Values at the planes of `index`, (rows, columns)."""
    index = index.astype(np.intp).reshape(1, *index.shape, *[1] * (planes.ndim - 3))
    values: NDArray[Any] = np.take_along_axis(planes, index, 0)[0]
    return values


def known(scene: Scene) -> NDArray[np.bool_]:
    """Where the plane is known and can be seen: there is texture."""
    if scene.depth is None:
        return np.zeros(scene.planes.shape[1:3], bool)
    grey = scene.truth / scene.peak if scene.truth.ndim == 2 else scene.truth.mean(-1) / scene.peak
    texture: NDArray[Any] = np.sqrt(gaussian_filter(sum(d**2 for d in np.gradient(grey)), 1))
    return (texture > TEXTURE) & ~np.isnan(scene.depth)

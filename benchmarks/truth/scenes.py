"""Focus stacks whose truth is known, of what people stack, with what goes wrong when they do.

    from truth.scenes import scene
    scene("twigs", "noise-30").planes

The sharp pictures are scikit-image's own and made ones; the same seed makes the same stack. Optics: `optics.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from truth.kinds import KINDS, Rendered

#: What goes wrong: noise in grey levels of 255, drift of brightness in percent; see `_disturb`.
DISTURBANCES = ("clean", "noise-6", "noise-30", "drift-10", "drift-20", "borders", "hot-pixels", "16-bit", "rgb")


@dataclass(frozen=True)
class Scene:
    """A stack and all that is known of it; values are in the units of `planes`.

    Attributes
    ----------
    planes : ndarray of uint8 or uint16
        As a camera gives them: (planes, rows, columns), or (planes, rows, columns, 3).
    truth : ndarray of float32
        The all-in-focus image.
    clean : ndarray of float32
        The planes without noise, drift of brightness and hot pixels. Borders without data are as in `planes`.
    depth : ndarray of float32, or None
        Position of focus of each pixel in planes; NaN where nothing is.
    thin : ndarray of bool, or None
        Where thin or small things are.
    behind : ndarray of float32, or None
        `truth` without the thin things.
    covered : ndarray of bool
        Where each plane has data, (planes, rows, columns).
    peak : float
        The range of values that figures in dB refer to.
    accepted : tuple of int
        Planes that as a whole are as good as the truth: of a thin specimen those next to focus.
    disturbed : bool
        Whether values of `planes` differ from those of `clean` everywhere, by noise or drift: a result is then as far
        from the truth, however good its choice of planes.
    """

    name: str
    planes: NDArray[np.uint8] | NDArray[np.uint16]
    truth: NDArray[np.float32]
    clean: NDArray[np.float32]
    depth: NDArray[np.float32] | None
    thin: NDArray[np.bool_] | None
    behind: NDArray[np.float32] | None
    covered: NDArray[np.bool_] = field(repr=False)
    peak: float = 255.0
    accepted: tuple[int, ...] = ()
    disturbed: bool = False


def scene(kind: str, disturbance: str = "clean", size: int = 288, planes: int = 12, seed: int = 0) -> Scene:
    """A stack of `planes` planes of `size` by `size` pixels.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    disturbance : str
        One of `DISTURBANCES`.
    size, planes, seed : int
        Scenes of different seeds differ in content, geometry, noise.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, got {kind!r}")
    if disturbance not in DISTURBANCES:
        raise ValueError(f"disturbance: expected one of {', '.join(DISTURBANCES)}, got {disturbance!r}")
    rendered = _rendered(kind, size, planes, seed, disturbance == "rgb")
    return _disturb(rendered, f"{kind}, {disturbance}", disturbance, np.random.default_rng([seed, 1]))


@lru_cache(maxsize=2)
def _rendered(kind: str, size: int, planes: int, seed: int, colour: bool) -> Rendered:
    """One rendering serves all disturbances."""
    return KINDS[kind](np.random.default_rng([seed, 0, *kind.encode()]), size, planes, colour)


def _disturb(made: Rendered, name: str, disturbance: str, rng: np.random.Generator) -> Scene:
    """What the camera makes of the light."""
    light, count = made.planes, len(made.planes)
    truth, depth, behind = made.truth, made.depth, made.behind
    covered: NDArray[np.bool_] = np.ones(light.shape[:3], bool)
    offset, peak = 0.0, 255.0
    dtype: np.dtype[Any] = np.dtype("uint8")
    noise = {"noise-6": 6 / 255, "noise-30": 30 / 255, "hot-pixels": 0.004}.get(disturbance, 0.0)
    if disturbance == "hot-pixels":
        offset, peak, dtype = 100.0, 600.0, np.dtype("uint16")
    if disturbance == "16-bit":
        offset, peak, dtype = 1500.0, 30000.0, np.dtype("uint16")
    seen = light
    if disturbance.startswith("drift"):
        most = float(disturbance.split("-")[1]) / 100
        gains = np.linspace(1 - most, 1 + most, count)[rng.permutation(count)].astype(np.float32)
        seen = light * gains.reshape(-1, *[1] * (light.ndim - 1))
    if disturbance == "borders":
        assert depth is not None, "these borders are of kinds whose depth is known"
        covered = _covered(light.shape[:3], rng)
        seen = light = np.where(covered.reshape(*covered.shape, *[1] * (light.ndim - 3)), light, -offset / peak)
        truth, depth = within_reach(light, covered, truth, depth)
    if made.photons:
        seen = rng.poisson(np.maximum(seen, 0) * made.photons).astype(np.float32) / made.photons
    if noise:
        seen = np.where(covered, seen + rng.normal(0, noise, seen.shape), seen)
    planes = np.clip(np.rint(offset + peak * seen), 0, np.iinfo(dtype).max).astype(dtype)
    if disturbance == "hot-pixels":
        for where in zip(*(rng.integers(n, size=6) for n in planes.shape[:3]), strict=True):
            planes[where] = rng.integers(20000, 65536)
    truth, clean = (offset + peak * x for x in (truth, light))
    behind = None if behind is None else offset + peak * behind
    disturbed = disturbance.startswith(("noise", "drift")) or (made.photons > 0 and disturbance != "hot-pixels")
    return Scene(name, planes, truth, clean, depth, made.thin, behind, covered, peak, made.accepted, disturbed)


def within_reach(
    light: NDArray[np.float32], covered: NDArray[np.bool_], truth: NDArray[np.float32], depth: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Truth and depth; where the plane in focus has no data, of the plane next to it that has."""
    away = np.abs(np.arange(len(light))[:, None, None] - depth)
    lost = ~np.take_along_axis(covered, np.argmin(np.nan_to_num(away), 0)[None], 0)[0] & ~np.isnan(depth)
    nearest = np.argmin(np.where(covered, np.nan_to_num(away), np.inf), 0)
    truth, depth = truth.copy(), depth.copy()
    truth[lost] = light[nearest[lost], *np.nonzero(lost)]
    depth[lost] = nearest[lost]
    nowhere = ~covered.any(0)
    truth[nowhere], depth[nowhere] = light[0][nowhere], np.nan
    return truth, depth


def _covered(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Where planes have data after an earlier alignment: the stage has drifted, and turned a little."""
    count, rows, columns = shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    way, turn = rng.uniform(0.03, 0.06, 2) * rng.choice([-1, 1], 2), rng.uniform(-0.02, 0.02)
    covered = np.empty(shape, bool)
    for k in range(count):
        part = 2 * k / (count - 1) - 1
        down = y + part * (way[0] * rows + turn * (x - columns / 2))
        across = x + part * (way[1] * columns - turn * (y - rows / 2))
        covered[k] = (down >= 0) & (down <= rows - 1) & (across >= 0) & (across <= columns - 1)
    return covered

"""How planes of a stack come about: an opaque world before a lens, light that adds, light that passes a specimen.

Nothing here is shared with the package. All three work in the Fourier domain on frames that are larger than what is
shown by `MARGIN` on every side, so that nothing wraps around into the picture. Depths and positions of planes are in
planes, from 0 for the first one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft2, fftfreq, ifft2, irfft2, rfft2, rfftfreq
from scipy.special import j1

Array = NDArray[np.float32]
#: Standard deviation in pixels of a spot in a confocal plane.
SPOT = 0.8
#: Wider than the blur and the rings of any plane.
MARGIN = 48
#: Surfaces are cut in slabs so far apart, in planes; a place between two slabs is in both, by its distance to each.
SLAB = 0.5
#: Of the objective in brightfield, in cycles a pixel; and points of the condenser's aperture.
CUTOFF, SOURCES = 0.3, 31


@dataclass(frozen=True)
class Layer:
    """An opaque sheet: what it looks like, how far it is, and where it is (`None`: everywhere)."""

    colour: Array  # (rows, columns[, 3])
    depth: Array  # (rows, columns), continued where the sheet is not
    matte: Array | None = None


def crop(image: NDArray[Any]) -> NDArray[Any]:
    """The part of a frame (rows and columns last) that is shown."""
    return image[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def slabs(depth: Array) -> list[tuple[float, Array]]:
    """Depth of each slab and how far each pixel belongs to it, from the far end to the near one (depth 0 is far)."""
    first, last = np.floor(depth.min() / SLAB), np.ceil(depth.max() / SLAB)
    levels = np.arange(first, last + 1) * SLAB
    shares = [(float(z), np.maximum(1 - np.abs(depth - z) / SLAB, 0).astype(np.float32)) for z in levels]
    return [(z, share) for z, share in shares if share.any()]


def disc(shape: tuple[int, int]) -> Callable[[float], Array]:
    """Transfer function of a lens in terms of rays: a disc of a radius in pixels, its edge a little soft."""
    f = np.hypot(fftfreq(shape[0])[:, None], rfftfreq(shape[1])).astype(np.float32)

    def transfer(radius: float) -> Array:
        if radius < 1e-3:
            return np.ones_like(f)
        x = np.maximum(2 * np.pi * radius * f, 1e-6)
        soft = min(0.5, radius / 2)
        rays: Array = (2 * j1(x) / x * np.exp(-2 * (np.pi * soft * f) ** 2)).astype(np.float32)
        return rays

    return transfer


def widefield(shape: tuple[int, int], cutoff: float, waves: float) -> Callable[[float], Array]:
    """Transfer function of a fluorescence microscope at so many planes from focus.

    Of the point spread function of a circular pupil, whose edge is at `cutoff` cycles a pixel, with the phase of
    defocus: `waves` wavelengths a plane at the edge.
    """
    f = np.hypot(fftfreq(shape[0])[:, None], fftfreq(shape[1])) / cutoff
    pupil = np.clip((1 - f) * 30 + 0.5, 0, 1)

    def transfer(distance: float) -> Array:
        spread = np.abs(ifft2(pupil * np.exp(2j * np.pi * waves * distance * f**2))) ** 2
        waves_of: Array = (rfft2(spread) / spread.sum()).real.astype(np.float32)
        return waves_of

    return transfer


def photograph(layers: Sequence[Layer], count: int, radius: float) -> NDArray[np.float32]:
    """Planes of opaque layers, given from back to front: (planes, channels, rows, columns).

    A blurred layer covers what is behind it by its blurred matte. `radius` is that of the blur in pixels a plane away
    from focus.
    """
    shape = layers[0].depth.shape
    transfer = disc(shape)
    parts = []
    for layer in layers:
        cut = slabs(layer.depth)
        weights = [share if layer.matte is None else share * layer.matte for _, share in cut]
        channels = np.moveaxis(layer.colour.reshape(*shape, -1), -1, 0)
        parts.append(
            (
                layer.matte is None,
                [z for z, _ in cut],
                [rfft2(share) for _, share in cut] if len(cut) > 1 else None,
                [rfft2(np.concatenate([channels * weight, weight[None]])) for weight in weights],
            )
        )
    planes = []
    for k in range(count):
        seen = np.zeros(1, np.float32)
        for everywhere, depths, shares, spectra in parts:
            transfers = [transfer(abs(z - k) * radius) for z in depths]
            light = irfft2(sum(s * t for s, t in zip(spectra, transfers, strict=True)), shape)
            if shares is not None:  # what a slope spreads over a pixel does not sum to one
                light /= np.maximum(irfft2(sum(s * t for s, t in zip(shares, transfers, strict=True)), shape), 0.05)
            *colour, cover = np.clip(light, 0, 1)
            seen = np.stack(colour) if everywhere else np.stack(colour) + (1 - cover) * seen
        planes.append(seen)
    return np.stack(planes)


def all_in_focus(layers: Sequence[Layer]) -> tuple[Array, Array]:
    """What a camera of no aperture sees of the layers, (channels, rows, columns), and its depth."""
    seen, depth = np.zeros(1, np.float32), layers[0].depth
    for layer in layers:
        cover = np.ones_like(layer.depth) if layer.matte is None else layer.matte
        seen = np.moveaxis(np.atleast_3d(layer.colour), -1, 0) * cover + (1 - cover) * seen
        depth = np.where(cover > 0.5, layer.depth, depth)
    return seen, depth


def confocal(shape: tuple[int, int], thick: float) -> Callable[[float], Array]:
    """Transfer function of a confocal microscope, of sections that are so many planes thick: the rest is not seen."""
    square = (fftfreq(shape[0])[:, None] ** 2 + rfftfreq(shape[1]) ** 2).astype(np.float32)

    def transfer(planes: float) -> Array:
        away = planes / thick
        seen: Array = np.exp(-(away**2) / 2 - 2 * (np.pi * SPOT) ** 2 * (1 + away**2) * square)
        return seen

    return transfer


def glow(emitters: Sequence[tuple[float, Array]], count: int, transfer: Callable[[float], Array]) -> Array:
    """Planes of light that adds, of emitters at several depths: (planes, ..., rows, columns)."""
    shape = emitters[0][1].shape[-2:]
    spectra = [(z, rfft2(light)) for z, light in emitters]
    return np.stack([np.maximum(irfft2(sum(s * transfer(z - k) for z, s in spectra), shape), 0) for k in range(count)])


def brightfield(
    specimen: Sequence[tuple[float, NDArray[np.complex64]]],
    positions: Sequence[float],
    kappa: float,
    aperture: float = 0.06,
) -> Array:
    """Planes (at `positions`) of a specimen of thin slabs in partly coherent light.

    A plane wave from every point of the condenser's aperture passes slab after slab; intensities add up. Between
    them, and to the plane of focus, it travels by Fresnel's factor exp(-iπκf²) a plane. `aperture`, of the condenser,
    is in cycles a pixel, as is `CUTOFF`, of the objective.
    """
    shape = specimen[0][1].shape
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    fy, fx = fftfreq(shape[0])[:, None], fftfreq(shape[1])
    square = (fy**2 + fx**2).astype(np.float32)
    pupil = np.clip((CUTOFF - np.sqrt(square)) * 100 + 0.5, 0, 1)
    total: Array = np.zeros((len(positions), *shape), np.float32)
    for number in range(SOURCES):
        # A spiral of equal areas; whole periods of the frame, so that the waves have no edge there.
        r, angle = aperture * np.sqrt((number + 0.5) / SOURCES), number * np.pi * (3 - np.sqrt(5))
        y, x = np.rint(r * np.sin(angle) * shape[0]), np.rint(r * np.cos(angle) * shape[1])
        wave = np.exp(2j * np.pi * (y * rows / shape[0] + x * columns / shape[1])).astype(np.complex64)
        at = specimen[0][0]
        for z, passed in specimen:
            if z != at:
                wave = ifft2(fft2(wave) * fresnel(square, kappa * (z - at)))
            wave, at = wave * passed, z
        spectrum = fft2(wave) * pupil
        for plane, position in zip(total, positions, strict=True):
            plane += np.abs(ifft2(spectrum * fresnel(square, kappa * (position - at)))) ** 2
    total /= SOURCES
    return total


def fresnel(square: Array, kappa: float) -> NDArray[np.complex64]:
    """Factor of a spectrum for a way through free space."""
    return np.exp(-1j * np.pi * np.float32(kappa) * square).astype(np.complex64)

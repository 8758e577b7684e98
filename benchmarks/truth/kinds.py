"""The kinds of stacks: what the specimen is and how it is lit. See `scenes.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter
from skimage import data

from truth.content import DETAILED, cells, cut, picture, places, smooth, strand, stretch, uniform, window
from truth.optics import (
    MARGIN,
    Array,
    Layer,
    all_in_focus,
    brightfield,
    confocal,
    crop,
    glow,
    photograph,
    slabs,
    widefield,
)

#: Radius in pixels of the blur at one end of a stack of what is sharp at the other.
FAR_BLUR = 9.0
#: Share of pixels that glint.
GLINTS = 1.5e-3
#: Defocus at the edge of the pupil from one end of a fluorescence stack to the other, in wavelengths, and the pupil.
FAR_WAVES, PUPIL = 2.6, 0.2
#: Thickness of a confocal section, as a share of the stack.
THICK_SECTION = 0.1
#: Fresnel's κ = λ·z/pixel² from one end of a brightfield stack to the other: of a smear, and of a thick specimen.
FAR_KAPPA_THIN, FAR_KAPPA_THICK = 220.0, 150.0


@dataclass(frozen=True)
class Rendered:
    """A stack in light: 0 is black, 1 the brightest value that the camera has. Colours are last."""

    planes: Array
    truth: Array
    depth: Array | None
    thin: NDArray[np.bool_] | None = None
    behind: Array | None = None
    photons: float = 0.0  # at the brightest value; 0: no photon noise
    accepted: tuple[int, ...] = ()


def tilt(rng: np.random.Generator, size: int, count: int, colour: bool) -> Rendered:
    """A flat picture seen at an angle: every plane is sharp along a line."""
    y, x = places(size)
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * x + np.sin(angle) * y
    ends = crop(slope).min(), crop(slope).max()
    return _opaque([Layer(picture(rng, size, colour), stretch(slope, *ends, count))], count)


def relief(rng: np.random.Generator, size: int, count: int, colour: bool) -> Rendered:
    """A surface of hills and valleys."""
    hills = smooth(rng, size, size / 9)
    return _opaque([Layer(picture(rng, size, colour), stretch(hills, 0, 1, count))], count)


def glints(rng: np.random.Generator, size: int, count: int, colour: bool) -> Rendered:
    """Hills with glints, as of metal and dew: many times as bright as the camera measures, disks when out of focus."""
    dark, side = 0.6 * picture(rng, size, colour), size + 2 * MARGIN
    lamps = (rng.random((side, side)) < GLINTS) * rng.uniform(8, 56, (side, side))
    light = gaussian_filter(lamps.astype(np.float32), 0.8, mode="wrap")
    hills = smooth(rng, size, size / 6)
    return _opaque([Layer(dark + (light[..., None] if colour else light), stretch(hills, 0, 1, count))], count)


def depth(rng: np.random.Generator, size: int, count: int, colour: bool) -> Rendered:
    """A real scene with its measured depth, edges of objects before what is behind them.

    Cut in layers by depth; each is continued behind all that is nearer, since the blur of what is near shows it.
    """
    image, _, disparity = data.stereo_motorcycle()
    known = np.isfinite(disparity) & (disparity > 0)
    disparity = disparity[tuple(distance_transform_edt(~known, return_distances=False, return_indices=True))]
    where = window(rng, image.shape, size)
    image, disparity = cut(image, where).astype(np.float32) / 255, cut(disparity, where).astype(np.float32)
    image = image if colour else image.mean(-1)
    low, high = np.percentile(crop(disparity), (0.5, 99.5))
    near = stretch(disparity, low, high, count)
    near = np.clip(near, 0, count - 1)
    levels = np.unique(np.round(near * 2) / 2)
    layers = []
    for z in levels:
        seen = near < z + 0.25
        nearest = distance_transform_edt(~seen, return_distances=False, return_indices=True)
        matte = None if z == levels[0] else (near >= z - 0.25).astype(np.float32)
        layers.append(Layer(image[tuple(nearest)], np.full_like(near, z), matte))
    return _opaque(layers, count)


def twigs(rng: np.random.Generator, size: int, count: int, colour: bool) -> Rendered:
    """Crooked twigs at all depths, one to five pixels thin, before a texture."""
    ground = Layer(picture(rng, size, colour, DETAILED[:4]), stretch(smooth(rng, size, size / 4), 0, 1, 3))
    made = []
    for z in np.sort(rng.uniform(0.45 * count, count - 1, 9)):
        start, angle = rng.uniform(0.2, 0.8, 2) * (size + 2 * MARGIN), rng.uniform(0, np.pi)
        bend = np.cumsum(gaussian_filter(rng.normal(0, 1, 801), 40)) * 0.06
        step = np.stack([np.sin(angle + bend), np.cos(angle + bend)], 1)
        way = np.cumsum(step, 0)
        way = (way - way[400]) * size / 500 + start
        rise = np.minimum(z + np.linspace(-1, 1, 801) * rng.uniform(-1, 1), count - 1)
        width = np.linspace(1, rng.uniform(0.4, 1), 801) * rng.uniform(1.2, 5)
        made.append(strand(way, width, rise, rng.choice([0.08, 0.2, 0.85]), size, colour))
    return _opaque([ground, *made], count, thin_from=1)


def bristles(rng: np.random.Generator, size: int, count: int, colour: bool) -> Rendered:
    """Straight dark hairs of two pixels in the nearest plane, before a texture in the farthest."""
    ground = Layer(picture(rng, size, colour, ("gravel", "brick", "grass")), uniform(size, 0))
    side, made = size + 2 * MARGIN, []
    for _ in range(7):
        first, last = rng.uniform(0.1, 0.9, 2) * side
        way = np.stack([np.linspace(0, side - 1, 801), np.linspace(first, last, 801)], 1)
        made.append(strand(way, np.full(801, 2.0), np.full(801, count - 1.0), 0.12, size, colour))
    return _opaque([ground, *made], count, thin_from=1)


def one_plane(rng: np.random.Generator, size: int, count: int, colour: bool) -> Rendered:
    """Planes so far apart that one is sharp and all others are hopeless."""
    sharp = int(rng.integers(1, count - 1))
    return _opaque([Layer(picture(rng, size, colour), uniform(size, sharp))], count, radius=min(5.0, 40 / count))


def flat(rng: np.random.Generator, size: int, count: int, colour: bool) -> Rendered:
    """A thin, flat specimen in fine steps: all of it is sharp in one plane."""
    sharp = int(rng.integers(count // 3, count - count // 3))
    names = ("immunohistochemistry", "cell", "coins", "retina")
    return _opaque([Layer(picture(rng, size, colour, names), uniform(size, sharp))], count)


def puncta(rng: np.random.Generator, size: int, count: int, colour: bool) -> Rendered:
    """Fluorescent spots of the size of the resolution at all depths, few photons."""
    side, channels = size + 2 * MARGIN, 3 if colour else 1
    number = int(150 * (side / 288) ** 2)
    place = rng.uniform(2, side - 3, (number, 2))
    height = rng.uniform(0.25, 1, number) * 0.75
    z = np.round(rng.uniform(0.5, count - 1.5, number) * 2) / 2
    hue = rng.dirichlet([0.6] * 3, number) if colour else np.ones((number, 1))
    hue = hue / hue.max(1, keepdims=True)
    transfer = widefield((side, side), PUPIL, FAR_WAVES / (count - 1))
    spot = np.zeros((side, side), np.float32)
    spot[side // 2, side // 2] = 1
    tallest = glow([(0.0, spot)], 1, transfer).max()
    emitters, strongest, at = [], np.zeros((side, side), np.float32), np.full((side, side), np.nan, np.float32)
    truth, thin = np.zeros((channels, side, side), np.float32), np.zeros((side, side), bool)
    y, x = places(size)
    for level in np.unique(z):
        light = np.zeros((channels, side, side), np.float32)
        for i in np.flatnonzero(z == level):
            row, column = np.rint(place[i]).astype(int)
            light[:, row, column] += height[i] / tallest * hue[i]
            here = np.hypot(y - row, x - column) < 1.5
            thin |= here
            at[here & (height[i] > strongest)] = level
            strongest[here] = np.maximum(strongest[here], height[i])
        emitters.append((float(level), light))
        truth += glow([(0.0, light)], 1, transfer)[0]
    floor = 0.06
    planes = glow(emitters, count, transfer)
    return _made(planes + floor, truth + floor, at, thin, np.full_like(truth, floor), photons=400.0)


def haze(rng: np.random.Generator, size: int, count: int, colour: bool) -> Rendered:
    """Fluorescent fibres and cells on an uneven layer, in the glow of what lies above and below the stack."""
    side = size + 2 * MARGIN
    surface = stretch(smooth(rng, size, size / 6), 0, 1, count)
    dyes = []
    for _ in range(3 if colour else 1):
        fibres = [np.exp(-((smooth(rng, size, size / s) - 0.5) ** 2) / 1.5e-4) for s in (14, 22, 30)]
        cells = np.clip((smooth(rng, size, 7) - 0.62) * 5, 0, 1) * (0.5 + 0.5 * smooth(rng, size, 1.5))
        dyes.append(0.5 * np.maximum.reduce(fibres) + 0.6 * cells)
    light = np.stack(dyes).astype(np.float32)
    body = np.stack([gaussian_filter(dye, 30, mode="wrap") for dye in light])
    transfer = widefield((side, side), PUPIL, FAR_WAVES / (count - 1))
    planes = glow([(z, light * share) for z, share in slabs(surface)], count, transfer)
    truth = glow([(0.0, light)], 1, transfer)[0]
    scale, body = 0.85 / np.percentile(truth + 2 * body, 99.9), 2 * body + 0.05
    return _made((planes + body) * scale, (truth + body) * scale, surface, photons=3000.0)


def sections(rng: np.random.Generator, size: int, count: int, colour: bool) -> Rendered:
    """Cells on an uneven layer in a confocal microscope: a plane holds the light of what lies in it."""
    side = size + 2 * MARGIN
    surface = stretch(smooth(rng, size, size / 6), 0, 1, count)
    dyes = []
    for _ in range(3 if colour else 1):
        bodies = np.clip((smooth(rng, size, 7) - 0.55) * 5, 0, 1)
        dyes.append((0.2 + 0.6 * bodies) * (0.4 + 0.6 * smooth(rng, size, 1.5)))
    light = np.stack(dyes).astype(np.float32)
    transfer = confocal((side, side), THICK_SECTION * count)
    planes = glow([(z, light * share) for z, share in slabs(surface)], count, transfer)
    truth = glow([(0.0, light)], 1, transfer)[0]
    scale, floor = 0.85 / np.percentile(truth, 99.9), 0.02
    return _made(planes * scale + floor, truth * scale + floor, surface, photons=1000.0)


def smear(rng: np.random.Generator, size: int, count: int, colour: bool) -> Rendered:
    """A smear of cells as thin as the focus is deep, mostly phase: rings in every plane but those near focus."""
    thickness, grains = cells(rng, size)
    sharp = int(rng.integers(count // 3, count - count // 3))
    kappa = FAR_KAPPA_THIN / (count - 1)
    wanted = [float(sharp), *range(count)]
    images = []
    for absorbed, waves in ((0.12, 0.85), (0.55, 1.0), (0.35, 1.2)) if colour else ((0.4, 1.0),):
        passed = np.exp(-absorbed * thickness - 0.5 * absorbed * grains + 2.8j * waves * (thickness + grains))
        images.append(brightfield([(float(sharp), passed.astype(np.complex64))], wanted, kappa / waves))
    truth, *planes = 0.62 * np.stack(images, 1)
    near = tuple(k for k in (sharp - 1, sharp, sharp + 1) if 0 <= k < count)
    return _made(np.stack(planes), truth, uniform(size, sharp), accepted=near)


def thick(rng: np.random.Generator, size: int, count: int, colour: bool) -> Rendered:
    """A stained, uneven section in partly coherent light: every place has its plane, and rings in the others."""
    surface = stretch(smooth(rng, size, size / 6), 0, 1, count)
    stain = picture(rng, size, colour, ("immunohistochemistry", "retina"))
    images, truths = [], []
    for one in np.moveaxis(np.atleast_3d(stain), -1, 0):
        density = -np.log(np.clip(one, 0.05, 1))
        # Only detail is cut in slabs, else light is bent where the surface passes from one to the next.
        tone = gaussian_filter(density, 10)
        fine = density - tone
        fine = (-0.5 * fine + 0.6j * gaussian_filter(fine, 1)).astype(np.complex64)
        sections = [(z, np.exp(fine * share)) for z, share in slabs(surface)]
        kappa, lit = FAR_KAPPA_THICK / (count - 1), np.exp(-tone)
        images.append(lit * brightfield(sections, range(count), kappa, aperture=0.08))
        truths.append(lit * brightfield([(0.0, np.exp(fine))], [0.0], kappa, aperture=0.08)[0])
    scale = 0.9 / np.percentile(truths, 99.9)
    return _made(np.stack(images, 1) * scale, np.stack(truths) * scale, surface)


KINDS: dict[str, Callable[[np.random.Generator, int, int, bool], Rendered]] = {
    "tilt": tilt,
    "relief": relief,
    "glints": glints,
    "depth": depth,
    "twigs": twigs,
    "bristles": bristles,
    "one-plane": one_plane,
    "flat": flat,
    "puncta": puncta,
    "haze": haze,
    "sections": sections,
    "smear": smear,
    "thick": thick,
}


def _opaque(layers: list[Layer], count: int, thin_from: int | None = None, radius: float | None = None) -> Rendered:
    planes = photograph(layers, count, FAR_BLUR / (count - 1) if radius is None else radius)
    truth, depth = all_in_focus(layers)
    if thin_from is None:
        return _made(planes, truth, depth)
    mattes = [layer.matte for layer in layers[thin_from:] if layer.matte is not None]
    thin = np.max([matte > 0.7 for matte in mattes], 0)  # without the pixels at their edges
    return _made(planes, truth, depth, thin, all_in_focus(layers[:thin_from])[0])


def _made(
    planes: Array,
    truth: Array,
    depth: Array,
    thin: NDArray[np.bool_] | None = None,
    behind: Array | None = None,
    photons: float = 0.0,
    accepted: tuple[int, ...] = (),
) -> Rendered:
    """Frames with the channels before rows and columns, as they are shown."""

    def shown(image: Array) -> Array:
        image = np.moveaxis(np.clip(crop(image), 0, 1), -3, -1)
        return (image if image.shape[-1] > 1 else image[..., 0]).astype(np.float32)

    depth = crop(depth).astype(np.float32)
    thin, behind = None if thin is None else crop(thin), None if behind is None else shown(behind)
    return Rendered(shown(planes), shown(truth), depth, thin, behind, photons, accepted)

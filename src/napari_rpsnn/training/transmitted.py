"""Stacks of what is seen in transmitted light: of a specimen as a whole, and slice after slice."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from napari_rpsnn.training import defocus

#: Directions that light comes from. More do not change which plane is the sharpest one.
DIRECTIONS = 12


def lit(absorbing: Tensor, phase: Tensor, condenser: float, step: float, optics: float, distance: float) -> Tensor:
    """What lies so many planes, `step` micrometres apart, from focus, in transmitted light."""
    return defocus.gaussian_blur(defocus.brightfield(absorbing, phase, distance * step, condenser=condenser), optics)


def focused(seen: Callable[[float], Tensor], depth: Tensor, planes: int, best: float = 0.0) -> tuple[Tensor, Tensor]:
    """Planes of what is seen at a distance from focus; it is sharp `best` planes from there."""
    if depth.min() == depth.max():
        height = float(depth.max())
        stack = torch.cat([seen(k - height + best) for k in range(planes)])
        truth = stack[round(height)]
    else:
        least, most = float(-depth.max() + best), float(planes - 1 - depth.min() + best)
        levels = [seen(least + (most - least) * i / 28) for i in range(29)]
        stack = torch.cat([defocus.through(levels, (k - depth + best - least) / (most - least)) for k in range(planes)])
        truth = defocus.through(levels, torch.full_like(depth, (best - least) / (most - least)))[0]
    brightest = max(1.0, float(stack.max()))
    return stack[:, 0] / brightest, truth[0] / brightest


def uneven_section(
    absorption: Tensor,
    phase_rad: Tensor,
    depth: Tensor,
    planes: int,
    kappa_px2: float,
    *,
    condenser: float,
    cutoff: float,
) -> tuple[Tensor, Tensor]:
    """Planes of a stained section that lies at a depth of its own in each place, and what is seen if it is flat.

    By beam propagation: a plane wave from each direction of the condenser passes a slice after each plane, and between
    them, as from the last one to the plane of focus, Fresnel's factor ``exp(-i pi kappa f^2)`` is a plane's way (J. W.
    Goodman, "Introduction to Fourier Optics", ch. 4). The objective lets no frequency above its cutoff pass; of the
    directions intensities add. All of it repeats at its borders.

    Parameters
    ----------
    absorption, phase_rad : Tensor of shape `(rows, columns)`
        What light loses (natural logarithm of the amplitude), and how far it is delayed, in radians.
    depth : Tensor of shape `(rows, columns)`
        In planes, from 0 to ``planes - 1``.
    planes : int
    kappa_px2 : float
        Defocus of a plane, in square pixels, as in `defocus.brightfield`.
    condenser, cutoff : float
        Of the condenser and the objective, in cycles a pixel.

    Returns
    -------
    tuple of Tensor
        Planes `(planes, rows, columns)` and the truth `(rows, columns)`, in the brightness of the light.
    """
    rows, columns = depth.shape
    fy, fx = torch.fft.fftfreq(rows)[:, None], torch.fft.fftfreq(columns)
    square = fy**2 + fx**2
    pupil = ((cutoff - square.sqrt()) * 60 + 0.5).clamp(0, 1)
    delay = torch.complex(-absorption, phase_rad)
    slices = [(delay * (1 - (depth - z).abs()).clamp_min(0)).exp() for z in range(planes)]
    to_focus = [_way(square, kappa_px2 * (k - planes + 1)) * pupil for k in range(planes)]
    step = _way(square, kappa_px2)
    seen, truth = torch.zeros(planes, rows, columns), torch.zeros(rows, columns)
    y, x = torch.meshgrid(torch.arange(rows) / rows, torch.arange(columns) / columns, indexing="ij")
    for number in range(DIRECTIONS):
        # Whole periods of the picture on a spiral of equal areas: waves have no edge at the borders.
        radius, angle = condenser * math.sqrt((number + 0.5) / DIRECTIONS), number * math.pi * (3 - math.sqrt(5))
        periods = round(radius * math.sin(angle) * rows) * y + round(radius * math.cos(angle) * columns) * x
        lit = torch.polar(torch.ones_like(periods), 2 * math.pi * periods)
        truth += torch.fft.ifft2(torch.fft.fft2(lit * delay.exp()) * pupil).abs().square()
        spectrum = torch.fft.fft2(lit * slices[0])
        for passed in slices[1:]:
            spectrum = torch.fft.fft2(torch.fft.ifft2(spectrum * step) * passed)
        for k, way in enumerate(to_focus):
            seen[k] += torch.fft.ifft2(spectrum * way).abs().square()
    return seen / DIRECTIONS, truth / DIRECTIONS


def _way(square: Tensor, kappa_px2: float) -> Tensor:
    return torch.polar(torch.ones_like(square), -math.pi * kappa_px2 * square)

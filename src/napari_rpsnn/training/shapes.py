"""Thin, round and bright things at random places of what is rendered in stacks, and how deep surfaces lie."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from napari_rpsnn.training import defocus
from napari_rpsnn.training.random_draws import Draw

#: How many times as bright as a camera measures glints are.
GLINT = 2.0, 20.0


def lines(draw: Draw, like: Tensor, widest: float = 6.0) -> Tensor:
    """Straight bristles, one to ten, of 1 to `widest` pixels, mostly few, some of them ending within the picture."""
    rows, columns = like.shape[-2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    drawn = torch.zeros(rows, columns)
    for _ in range(draw.python.randint(1, 10)):
        angle, width = draw.python.uniform(0, math.pi), math.exp(draw.python.uniform(math.log(0.8), math.log(widest)))
        y0, x0 = draw.python.uniform(0, rows), draw.python.uniform(0, columns)
        across = (x - x0) * math.cos(angle) + (y - y0) * math.sin(angle)
        along = (y - y0) * math.cos(angle) - (x - x0) * math.sin(angle)
        covered = (width / 2 + 0.5 - across.abs()).clamp(0, 1)
        drawn = torch.maximum(drawn, covered * (along.abs() < draw.python.uniform(0.1, 1.5) * rows))
    return drawn[None, None]


def level_line(draw: Draw, like: Tensor) -> Tensor:
    """Winding lines: where smooth noise is about zero."""
    noise = draw.noise(like, draw.python.uniform(25, 90))
    slope = noise.diff(dim=-1).abs().mean() + noise.diff(dim=-2).abs().mean()
    return (noise.abs() < slope * draw.python.uniform(0.3, 2.5)).float()


def disks(draw: Draw, like: Tensor) -> Tensor:
    """Cells: disks of about one size, some of them thinner in the middle."""
    rows, columns = like.shape[-2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    radius, hollow = math.exp(draw.python.uniform(math.log(6), math.log(45))), draw.python.uniform(0, 0.8)
    drawn = torch.zeros(rows, columns)
    for _ in range(draw.python.randint(1, 1 + round(0.5 * rows * columns / (3.14 * radius**2)))):
        r = radius * draw.python.uniform(0.8, 1.25)
        away = torch.hypot(y - draw.python.uniform(0, rows), x - draw.python.uniform(0, columns)) / r
        drawn = torch.maximum(drawn, (away < 1) * (1 - hollow * torch.exp(-4 * away**2)))
    return drawn[None, None]


def glints(draw: Draw, like: Tensor) -> Tensor:
    """Light of places that reflect a lamp, many times as bright as a camera measures: points, or what is bright."""
    share, sigma = (math.exp(draw.python.uniform(math.log(a), math.log(b))) for a, b in ((1e-4, 3e-3), (0.5, 2.5)))
    strength = GLINT[0] + (GLINT[1] - GLINT[0]) * torch.rand(like.shape, generator=draw.torch) ** 2
    if draw.python.random() < 0.3:
        least = like.flatten().quantile(1 - 10 * share)
        return strength.mean() * (like - least).clamp_min(0) / (like.max() - least).clamp_min(0.05)
    there = torch.rand(like.shape, generator=draw.torch) < share
    return defocus.gaussian_blur(there * strength, sigma).clamp_min(0) * 2 * math.pi * sigma**2


def depths(draw: Draw, like: Tensor, planes: int) -> Tensor:
    """Plane in focus of each pixel, between planes: flat, tilted, a relief or steps."""
    kind = draw.python.random()
    if kind < 0.25:
        return torch.full_like(like, draw.python.uniform(0, planes - 1))
    if kind < 0.5:
        angle, side = draw.python.uniform(0, 2 * math.pi), like.shape[-1]
        line = torch.linspace(0, 1, side)
        shape = (math.cos(angle) * line + math.sin(angle) * line[:, None])[None, None]
    elif kind < 0.8:
        shape = draw.noise(like, draw.python.uniform(25, 90))
    else:
        shape = defocus.gaussian_blur(draw.mask(like), draw.python.uniform(0.5, 3))
    shape = (shape - shape.min()) / (shape.max() - shape.min()).clamp_min(1e-6)
    low, high = sorted(draw.python.uniform(-0.5, planes - 0.5) for _ in range(2))
    return (low + (high - low) * shape).clamp(0, planes - 1)

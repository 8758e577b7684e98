"""Sharp pictures in, focus stacks of known truth out: what the decision of stacks is trained on.

A stack is one of four kinds:

- ``surface``: a textured surface at some depth for every pixel (flat, tilted, relief, steps), geometric blur.
- ``occluders``: the same, with one to three layers before it (lines, blobs), each at a depth of its own, whose blur
  spreads over what is behind them.
- ``light``: sources that add up (puncta, filaments, bodies), each kind at its own depth, with haze.
- ``brightfield``: a specimen that absorbs and refracts, flat or not, with rings and contrast that turns over.

Stacks are free of noise: `disturbed` adds what cameras and earlier alignment do, anew at every call, so that a decision
can be judged by the undisturbed values of the planes it takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_rpsnn.training import defocus
from napari_rpsnn.training.dataset import Picture
from napari_rpsnn.training.pair_synthesis import zoomed_crop
from napari_rpsnn.training.random_draws import Draw

#: Of 24 stacks.
KINDS = {"surface": 6, "occluders": 7, "light": 5, "brightfield": 6}
#: Pixels made beyond each border and cut off again: defocus filters wrap around.
MARGIN = 36
PLANES = (5, 15)


@dataclass
class Stack:
    """Planes `(N, rows, columns)` in [0, 1] without noise, and the all-in-focus truth `(rows, columns)`."""

    planes: Tensor
    truth: Tensor


class StackMaker:
    """Makes stacks from sharp pictures, reproducibly: a stack depends on the seed and its number alone.

    Parameters
    ----------
    pictures : sequence of Picture
    crop : int
        Side of the square planes in pixels.
    seed : int
    """

    def __init__(self, pictures: Sequence[Picture], *, crop: int, seed: int = 0) -> None:
        self.images = [p.images[0] for p in pictures if not p.is_triple]
        self.side = crop + 2 * MARGIN
        self.seed = seed

    @torch.no_grad()
    def stack(self, number: int) -> Stack:
        """The stack of this number."""
        draw = Draw(self.seed, number, torch.device("cpu"))
        kind = draw.python.choices(list(KINDS), list(KINDS.values()))[0]
        planes, truth = getattr(self, f"_{kind}")(draw, draw.python.randint(*PLANES))
        inner = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
        return Stack(planes[inner].clamp(0, 1), truth[inner].clamp(0, 1))

    def _picture(self, draw: Draw) -> Tensor:
        """A grey patch `(1, 1, side, side)`, of changed contrast."""
        x = zoomed_crop(draw.python.choice(self.images), self.side, draw.python).mean(1, keepdim=True)
        x = 1 - x if draw.python.random() < 0.1 else x
        x = x ** math.exp(draw.python.uniform(-0.4, 0.4))
        contrast = 1.0 if draw.python.random() < 0.5 else draw.python.uniform(0.2, 1)
        return contrast * x + (1 - contrast) * draw.python.random()

    def _surface(self, draw: Draw, planes: int) -> tuple[Tensor, Tensor]:
        sharp, growth = self._picture(draw), _growth(draw)
        depth = _depth(draw, sharp, planes)
        farthest = growth * max(planes - 1 - depth.min().item(), depth.max().item(), 1e-3)
        blur = draw.python.choice((_disk, defocus.gaussian_blur))
        # A tenth of a pixel of blur more is not seen.
        levels = [sharp, *(blur(sharp, farthest * i / 24) for i in range(1, 25))]
        stack = [_through(levels, growth * (depth - k).abs() / farthest) for k in range(planes)]
        made = torch.cat(stack)[:, 0]
        # What is flat is best taken from one plane, also where it lies between two.
        flat = depth.min() == depth.max()
        return made, made[round(depth.max().item())] if flat else sharp[0, 0]

    def _occluders(self, draw: Draw, planes: int) -> tuple[Tensor, Tensor]:
        stack, truth = self._surface(draw, planes)
        growth = _growth(draw)
        blur = draw.python.choice((_disk, defocus.gaussian_blur))
        for _ in range(draw.python.randint(1, 3)):
            matte = self._matte(draw, truth[None, None])
            plain = torch.full_like(matte, draw.python.random())
            colour = self._picture(draw) if draw.python.random() < 0.4 else plain
            depth = draw.python.uniform(0, planes - 1)
            for k in range(planes):
                size = growth * abs(k - depth)
                cover, light = (blur(x, size)[0, 0].clamp(0, 1) for x in (matte, matte * colour))
                stack[k] = light + (1 - cover) * stack[k]
            truth = (matte * colour)[0, 0] + (1 - matte[0, 0]) * truth
        return stack, truth

    def _matte(self, draw: Draw, like: Tensor) -> Tensor:
        """What an occluder covers, from 0 to 1: lines, straight or along a level of noise, or blobs."""
        kind = draw.python.random()
        matte = _lines(draw, like) if kind < 0.45 else _level_line(draw, like) if kind < 0.65 else draw.mask(like)
        return defocus.gaussian_blur(matte, draw.python.uniform(0.3, 0.7)).clamp(0, 1)

    def _light(self, draw: Draw, planes: int) -> tuple[Tensor, Tensor]:
        truth = torch.full((1, 1, self.side, self.side), draw.python.uniform(0.01, 0.1))
        stack = truth.expand(planes, -1, -1, -1).clone()
        growth, haze = _growth(draw), draw.python.uniform(0, 0.3) * draw.python.randint(0, 1)
        for _ in range(draw.python.randint(2, 6)):
            light = self._sources(draw, truth)
            depth = draw.python.uniform(-0.5, planes - 0.5)
            for k in range(planes):
                size = growth * abs(k - depth)
                far = defocus.gaussian_blur(light, 6 + 2 * size) if haze else 0
                stack[k] += ((1 - haze) * _gaussian(light, size) + haze * far)[0]
            far = defocus.gaussian_blur(light, 6.0) if haze else 0
            truth = truth + (1 - haze) * light + haze * far
        brightest = float(stack.max()) / draw.python.uniform(0.3, 1)
        return stack[:, 0] / brightest, truth[0, 0] / brightest

    def _sources(self, draw: Draw, like: Tensor) -> Tensor:
        kind = draw.python.random()
        if kind < 0.5:
            share = math.exp(draw.python.uniform(math.log(3e-4), math.log(8e-3)))
            there = torch.rand(like.shape, generator=draw.torch) < share
            points = there * (0.2 + 0.8 * torch.rand(like.shape, generator=draw.torch))
            sigma = draw.python.uniform(0.6, 1.8)
            return defocus.gaussian_blur(points, sigma).clamp_min(0) * 6.28 * sigma**2 * draw.python.uniform(0.2, 0.9)
        if kind < 0.75:
            thin = _lines(draw, like) if draw.python.random() < 0.5 else _level_line(draw, like)
            return defocus.gaussian_blur(thin, draw.python.uniform(0.5, 1.2)).clamp_min(0) * draw.python.uniform(
                0.1, 0.6
            )
        return (
            self._picture(draw) ** 2
            * defocus.gaussian_blur(draw.mask(like), 1.0).clamp(0, 1)
            * draw.python.uniform(0.2, 0.7)
        )

    def _brightfield(self, draw: Draw, planes: int) -> tuple[Tensor, Tensor]:
        """One specimen: absorption by a picture and cells, phase by the same, smoothed, and by domes of the cells.

        A real sharp plane is rarely at the very focus of a phase object: `best` is where it is taken to be sharp.
        """
        uniform = draw.python.uniform
        pale = uniform(0.15, 1)
        absorbing = 1 - pale * (1 - self._picture(draw))
        density = 1 - absorbing
        cells = draw.mask(absorbing) if draw.python.random() < 0.4 else _disks(draw, absorbing)
        cells = cells * (draw.python.random() < 0.7)
        outline, dome = (defocus.gaussian_blur(cells, s) for s in (uniform(0.7, 3), uniform(3, 14)))
        absorbing = absorbing * (1 - uniform(0, 0.5) * outline).clamp(0, 1)
        smooth = defocus.gaussian_blur(density, uniform(1, 8))
        sign = draw.python.choice((-1, 1))
        phase = sign * (6 * uniform(0, 1) ** 2 * dome + 3 * uniform(0, 1) ** 2 * smooth / pale)
        phase = phase + uniform(0, 0.3) * draw.python.randint(0, 1) * draw.noise(absorbing, uniform(3, 20))
        condenser, step = uniform(0.004, 0.04), math.exp(uniform(math.log(4), math.log(60)))
        best = uniform(-0.8, 0.8) * draw.python.randint(0, 1)
        optics = uniform(0, 1.2)

        def seen(distance: float) -> Tensor:
            plane = defocus.brightfield(absorbing, phase, distance * step, condenser=condenser)
            return defocus.gaussian_blur(plane, optics)

        if draw.python.random() < 0.6:  # flat: all of it is in focus in one plane
            height = uniform(0, planes - 1)
            stack = torch.cat([seen(k - height + best) for k in range(planes)])
            truth = stack[round(height)]
        else:
            depth = _depth(draw, absorbing, planes)
            least, most = float(-depth.max() + best), float(planes - 1 - depth.min() + best)
            levels = [seen(least + (most - least) * i / 28) for i in range(29)]
            stack = torch.cat([_through(levels, (k - depth + best - least) / (most - least)) for k in range(planes)])
            truth = _through(levels, torch.full_like(depth, (best - least) / (most - least)))[0]
        brightest = max(1.0, float(stack.max()))
        return stack[:, 0] / brightest, truth[0] / brightest


def disturbed(stack: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
    """Planes `(N, rows, columns)` as cameras and earlier alignment leave them, and where they hold data.

    Noise, equal in all planes or of photons, brightness that drifts from plane to plane, hot pixels, and borders
    without data.
    """
    n, rows, columns = stack.shape
    uniform = draw.python.uniform

    def chance(share: float) -> bool:
        return draw.python.random() < share

    seen = stack
    if chance(0.3):
        seen = seen * draw.uniform(0.75, 1.25, n)[:, 0]
    if chance(0.65):
        sigma = uniform(0, 1) ** 2 * 0.13
        normal = torch.randn(stack.shape, generator=draw.torch)
        seen = seen + sigma * normal * (seen.clamp(0.02, 1).sqrt() if chance(0.5) else 1)
    if chance(0.15):
        for _ in range(draw.python.randint(1, 6)):
            hot = tuple(draw.python.randrange(length) for length in stack.shape)
            seen[hot] = draw.python.choice((0.0, 1.0, 1.0))
    valid = torch.ones(stack.shape, dtype=torch.bool)
    if chance(0.15):
        row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        for k in range(n):
            if chance(0.6):
                side = draw.python.choice((row, rows - 1 - row, column, columns - 1 - column))
                along = column if side is row else row
                valid[k] = side + uniform(-0.06, 0.06) * along >= uniform(1, 16)
        valid |= ~valid.any(0)
    return seen.clamp(0, 1), valid


def _growth(draw: Draw) -> float:
    """Pixels that blur grows by from plane to plane."""
    return math.exp(draw.python.uniform(math.log(0.25), math.log(2.2)))


def _disk(image: Tensor, size: float) -> Tensor:
    """A disk of the second moment of a Gaussian of this standard deviation."""
    return defocus.disk_blur(image, 2 * size) if size > 0.1 else image


def _gaussian(image: Tensor, size: float) -> Tensor:
    return defocus.gaussian_blur(image, size) if size > 0.1 else image


def _depth(draw: Draw, like: Tensor, planes: int) -> Tensor:
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


def _through(levels: Sequence[Tensor], where: Tensor) -> Tensor:
    """`defocus.between`, at a cost that does not grow with the number of levels."""
    stacked = torch.cat(list(levels))[None, :, 0]
    position = where.clamp(0, 1) * (len(levels) - 1)
    low = position.long().clamp(max=len(levels) - 2)
    return torch.lerp(stacked.gather(1, low), stacked.gather(1, low + 1), position - low)


def _lines(draw: Draw, like: Tensor) -> Tensor:
    """Straight bristles, one to eight, of 1 to 6 pixels, some of them ending within the picture."""
    rows, columns = like.shape[-2:]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    drawn = torch.zeros(rows, columns)
    for _ in range(draw.python.randint(1, 8)):
        angle, width = draw.python.uniform(0, math.pi), draw.python.uniform(0.8, 6)
        y0, x0 = draw.python.uniform(0, rows), draw.python.uniform(0, columns)
        across = (x - x0) * math.cos(angle) + (y - y0) * math.sin(angle)
        along = (y - y0) * math.cos(angle) - (x - x0) * math.sin(angle)
        covered = (width / 2 + 0.5 - across.abs()).clamp(0, 1)
        drawn = torch.maximum(drawn, covered * (along.abs() < draw.python.uniform(0.1, 1.5) * rows))
    return drawn[None, None]


def _level_line(draw: Draw, like: Tensor) -> Tensor:
    """Winding lines: where smooth noise is about zero."""
    noise = draw.noise(like, draw.python.uniform(25, 90))
    slope = noise.diff(dim=-1).abs().mean() + noise.diff(dim=-2).abs().mean()
    return (noise.abs() < slope * draw.python.uniform(0.3, 2.5)).float()


def _disks(draw: Draw, like: Tensor) -> Tensor:
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

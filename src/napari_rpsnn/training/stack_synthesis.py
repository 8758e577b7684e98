"""Sharp pictures in, focus stacks of known truth out: what the decision of stacks is trained on.

A stack is one of six kinds:

- ``surface``: a textured surface at some depth for every pixel (flat, tilted, relief, steps), geometric blur.
- ``occluders``: the same, with one to three layers before it (lines, blobs), each at a depth of its own, whose blur
  spreads over what is behind them.
- ``bristles``: fine lines far before what is behind them.
- ``light``: sources that add up (puncta, filaments, bodies), each kind at its own depth or relief, with haze.
- ``brightfield``: a specimen that absorbs and refracts, flat or not, with rings and contrast that turns over.
- ``section``: a stained section that is uneven, thin or not; most contrast is in focus.

Stacks are free of noise: `acquisition.disturbed` adds what cameras and earlier alignment do, anew at every call, so
that a decision can be judged by the undisturbed values of the planes it takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from napari_rpsnn.training import defocus, transmitted
from napari_rpsnn.training.dataset import Picture
from napari_rpsnn.training.pair_synthesis import zoomed_crop
from napari_rpsnn.training.random_draws import Draw
from napari_rpsnn.training.shapes import depths, disks, glints, level_line, lines

#: Of 33 stacks.
KINDS = {"surface": 6, "occluders": 6, "bristles": 3, "light": 7, "brightfield": 5, "section": 6}
#: Pixels made beyond each border and cut off again: defocus filters wrap around.
MARGIN = 36
PLANES = (5, 15)
#: Times that pictures are enlarged at most: cameras see fine detail, but what has none is in focus somewhere, too.
ENLARGED = (1.2, 5.0)
#: Share of pictures that are rough everywhere, like sand: what lies before them is hard to tell.
ROUGH = 0.12
#: Standard deviation of the greatest blur, in pixels, of a picture in planes that are far apart.
HOPELESS_PX = 24.0


@dataclass
class Stack:
    """Planes `(N, rows, columns)` in [0, 1] without noise, the all-in-focus truth, and where thin things are in it."""

    planes: Tensor
    truth: Tensor
    thin: Tensor


#: What a `Stack` has, of one kind.
Made = tuple[Tensor, Tensor, Tensor]


class StackMaker:
    """Makes stacks from sharp pictures, reproducibly: a stack depends on the seed and its number alone.

    Parameters
    ----------
    pictures : sequence of Picture
    crop : int
        Side of the square planes in pixels.
    seed : int
    kinds : mapping, optional
        Shares of the kinds.
    glittering : float, optional
        Share of surfaces that have glints.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        *,
        crop: int,
        seed: int = 0,
        kinds: Mapping[str, int] = KINDS,
        glittering: float = 0.2,
    ) -> None:
        self.images = [p.images[0] for p in pictures if not p.is_triple]
        self.side = crop + 2 * MARGIN
        self.seed, self.kinds, self.glittering = seed, kinds, glittering

    @torch.no_grad()
    def stack(self, number: int) -> Stack:
        """The stack of this number."""
        draw = Draw(self.seed, number, torch.device("cpu"))
        kind = draw.python.choices(list(self.kinds), list(self.kinds.values()))[0]
        planes, truth, thin = getattr(self, f"_{kind}")(draw, draw.python.randint(*PLANES))
        inner = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
        return Stack(planes[inner].clamp(0, 1), truth[inner].clamp(0, 1), thin[inner] > 0.5)

    def _picture(self, draw: Draw) -> Tensor:
        """A grey patch `(1, 1, side, side)`, of changed contrast."""
        if draw.python.random() < ROUGH:
            like = torch.zeros(1, 1, self.side, self.side)
            grains = [draw.noise(like, math.exp(draw.python.uniform(math.log(1.5), math.log(a)))) for a in (4, 40)]
            x = (0.5 + draw.python.uniform(0.05, 0.25) * (grains[0] + draw.python.random() * grains[1])).clamp(0, 1)
        else:
            image, enlarged = draw.python.choice(self.images), draw.python.choice(ENLARGED)
            x = zoomed_crop(image, self.side, draw.python, enlarged).mean(1, keepdim=True)
        x = 1 - x if draw.python.random() < 0.1 else x
        x = x ** math.exp(draw.python.uniform(-0.4, 0.4))
        contrast = 1.0 if draw.python.random() < 0.5 else draw.python.uniform(0.2, 1)
        return contrast * x + (1 - contrast) * draw.python.random()

    def _textured(self, draw: Draw) -> Tensor:
        """The one of three patches that has most detail, bright rather than dark."""
        seen = max((self._picture(draw) for _ in range(3)), key=lambda x: float(x.diff(dim=-1).abs().mean()))
        return seen if seen.median() > 0.4 else 1 - seen

    def _surface(self, draw: Draw, planes: int) -> Made:
        sharp, growth = self._picture(draw), _growth(draw)
        if draw.python.random() < self.glittering:
            sharp = sharp + glints(draw, sharp)
        blur = draw.python.choice((defocus.spread_disk, defocus.gaussian_blur))
        if draw.python.random() < 0.12:  # planes so far apart that all but one are hopeless
            plane, apart = draw.python.randrange(planes), growth + draw.python.uniform(0, 4)
            stack = [blur(sharp, min(apart * abs(k - plane), HOPELESS_PX)) for k in range(planes)]
            return torch.cat(stack)[:, 0], sharp[0, 0], torch.zeros_like(sharp[0, 0])
        depth = depths(draw, sharp, planes)
        farthest = growth * max(planes - 1 - depth.min().item(), depth.max().item(), 1e-3)
        # A tenth of a pixel of blur more is not seen.
        levels = [sharp, *(blur(sharp, farthest * i / 24) for i in range(1, 25))]
        stack = [defocus.through(levels, growth * (depth - k).abs() / farthest) for k in range(planes)]
        made = torch.cat(stack)[:, 0]
        # What is flat is best taken from one plane, also where it lies between two.
        flat = depth.min() == depth.max()
        truth = made[round(depth.max().item())].clone() if flat else sharp[0, 0]
        return made, truth, torch.zeros_like(truth)

    def _occluders(self, draw: Draw, planes: int) -> Made:
        made, growth = self._surface(draw, planes), _growth(draw)
        blur = draw.python.choice((defocus.spread_disk, defocus.gaussian_blur))
        for _ in range(draw.python.randint(1, 3)):
            matte, is_thin = self._matte(draw, made[1][None, None])
            plain = torch.full_like(matte, draw.python.random())
            colour = self._picture(draw) if draw.python.random() < 0.4 else plain
            depth = draw.python.uniform(0, planes - 1)
            made = _covered(made, matte, colour, is_thin, partial(_from, depth, blur, growth))
        return made

    def _bristles(self, draw: Draw, planes: int) -> Made:
        """Fine bristles near one end of the stack, what is behind them near the other end."""
        uniform, sharp = draw.python.uniform, self._textured(draw)
        blur, growth = draw.python.choice((defocus.spread_disk, defocus.gaussian_blur)), uniform(2, 8) / (planes - 1)
        behind, before = uniform(0, 1), planes - 1 - uniform(0, 1)
        if draw.python.random() < 0.5:
            behind, before = before, behind
        planes_behind = torch.cat([blur(sharp, growth * abs(k - behind)) for k in range(planes)])[:, 0]
        matte = defocus.gaussian_blur(lines(draw, sharp, widest=3.5), uniform(0.3, 0.6)).clamp(0, 1)
        colour = torch.full_like(matte, uniform(0, 1))
        made = planes_behind, sharp[0, 0], torch.zeros_like(sharp[0, 0])
        return _covered(made, matte, colour, True, partial(_from, before, blur, growth))

    def _matte(self, draw: Draw, like: Tensor) -> tuple[Tensor, bool]:
        """What an occluder covers, from 0 to 1: lines, straight or along a level of noise, or blobs; if it is thin."""
        kind = draw.python.random()
        matte = lines(draw, like) if kind < 0.45 else level_line(draw, like) if kind < 0.65 else draw.mask(like)
        return defocus.gaussian_blur(matte, draw.python.uniform(0.3, 0.7)).clamp(0, 1), kind < 0.65

    def _light(self, draw: Draw, planes: int) -> Made:
        truth = torch.full((1, 1, self.side, self.side), draw.python.uniform(0.01, 0.1))
        stack = truth.expand(planes, -1, -1, -1).clone()
        growth, haze = _growth(draw), draw.python.uniform(0, 0.3) * draw.python.randint(0, 1)
        blur = draw.python.choice((defocus.spread_gaussian, defocus.spread_disk, defocus.spread_widefield))
        thin = torch.zeros_like(truth)
        for _ in range(draw.python.randint(2, 6)):
            light, is_thin = self._sources(draw, truth)
            if draw.python.random() < 0.3:
                depth = depths(draw, light, planes)
            else:
                depth = torch.full_like(light, draw.python.uniform(-0.5, planes - 0.5))
            flat = depth.min() == depth.max()
            farthest = growth * max(planes - 1 - depth.min().item(), depth.max().item(), 1e-3)
            levels = [] if flat else [blur(light, farthest * i / 24) for i in range(25)]
            for k in range(planes):
                size = growth * (depth - k).abs()
                seen = blur(light, size.max().item()) if flat else defocus.through(levels, size / farthest)
                far = defocus.gaussian_blur(light, 6 + 2 * size.mean()) if haze else 0
                stack[k] += ((1 - haze) * seen + haze * far)[0]
            far = defocus.gaussian_blur(light, 6.0) if haze else 0
            truth = truth + (1 - haze) * blur(light, 0) + haze * far
            thin = torch.maximum(thin, is_thin * (light > 0.3 * light.max()))
        brightest = float(stack.max()) / draw.python.uniform(0.3, 1)
        return stack[:, 0] / brightest, truth[0, 0] / brightest, thin[0, 0]

    def _sources(self, draw: Draw, like: Tensor) -> tuple[Tensor, bool]:
        """Light of one depth: puncta, filaments or bodies; and if it is thin."""
        kind = draw.python.random()
        if kind < 0.5:
            share = math.exp(draw.python.uniform(math.log(3e-4), math.log(8e-3)))
            there = torch.rand(like.shape, generator=draw.torch) < share
            points = there * (0.2 + 0.8 * torch.rand(like.shape, generator=draw.torch))
            sigma = draw.python.uniform(0.6, 1.8)
            brightness = 6.28 * sigma**2 * draw.python.uniform(0.2, 0.9)
            return defocus.gaussian_blur(points, sigma).clamp_min(0) * brightness, True
        if kind < 0.75:
            thin = lines(draw, like) if draw.python.random() < 0.5 else level_line(draw, like)
            thin = defocus.gaussian_blur(thin, draw.python.uniform(0.5, 1.2)).clamp_min(0)
            return thin * draw.python.uniform(0.1, 0.6), True
        body = self._picture(draw) ** 2 * defocus.gaussian_blur(draw.mask(like), 1.0).clamp(0, 1)
        return body * draw.python.uniform(0.2, 0.7), False

    def _brightfield(self, draw: Draw, planes: int) -> Made:
        """One specimen: absorption by a picture and cells, phase by the same, smoothed, and by domes of the cells.

        A real sharp plane is rarely at the very focus of a phase object: `best` is where it is taken to be sharp. Most
        specimens refract little: what is mostly phase has least contrast in focus, and a decision that had learned this
        from many took the most blurred plane of smooth bricks.
        """
        uniform = draw.python.uniform
        pale = uniform(0.15, 1)
        absorbing = 1 - pale * (1 - self._picture(draw))
        density = 1 - absorbing
        cells = draw.mask(absorbing) if draw.python.random() < 0.4 else disks(draw, absorbing)
        cells = cells * (draw.python.random() < 0.7)
        outline, dome = (defocus.gaussian_blur(cells, s) for s in (uniform(0.7, 3), uniform(3, 14)))
        absorbing = absorbing * (1 - uniform(0, 0.5) * outline).clamp(0, 1)
        smooth = defocus.gaussian_blur(density, uniform(1, 8))
        sign = draw.python.choice((-1, 1))
        strength = uniform(0, 1) ** 3
        phase = sign * strength * (4 * uniform(0, 1) * dome + 2 * uniform(0, 1) * smooth / pale)
        if draw.python.random() < 0.6:  # a stained section: what absorbs refracts, down to its finest detail
            phase = phase + sign * uniform(0, 1.2) * defocus.gaussian_blur(density, uniform(0.5, 2))
        phase = phase + strength * uniform(0, 0.3) * draw.python.randint(0, 1) * draw.noise(absorbing, uniform(3, 20))
        condenser, step = (math.exp(uniform(math.log(a), math.log(b))) for a, b in ((0.004, 0.12), (4, 60)))
        best = uniform(-0.5, 0.5) * (draw.python.random() < 0.25)
        optics = uniform(0, 1.2)

        flat = draw.python.random() < 0.12  # all of it is in focus in one plane
        depth = torch.full_like(absorbing, uniform(0, planes - 1)) if flat else depths(draw, absorbing, planes)
        seen = partial(transmitted.lit, absorbing, phase, condenser, step, optics)
        return _nothing_thin(*transmitted.focused(seen, depth, planes, best))

    def _section(self, draw: Draw, planes: int) -> Made:
        """What absorbs refracts, down to its finest detail, and lies at a depth of its own in each place."""
        uniform = draw.python.uniform
        absorbing = 1 - uniform(0.5, 1) * (1 - self._textured(draw))
        relief = draw.noise(absorbing, uniform(30, 90))
        relief = (relief - relief.min()) / (relief.max() - relief.min())
        low, high = uniform(-0.5, 1.5), planes - 1 + uniform(-1.5, 0.5)
        depth = low + (high - low) * relief
        condenser, step = (math.exp(uniform(math.log(a), math.log(b))) for a, b in ((0.01, 0.12), (4, 40)))
        sign, refracting, fine = draw.python.choice((-1, 1)), uniform(0, 1.4), uniform(0.5, 2)
        if draw.python.random() < 0.5:  # thin, if uneven: as if each place were by itself
            phase = sign * refracting * defocus.gaussian_blur(1 - absorbing, fine)
            seen = partial(transmitted.lit, absorbing, phase, condenser, step, uniform(0, 1.2))
            return _nothing_thin(*transmitted.focused(seen, depth, planes))
        density = -absorbing.clamp_min(0.05).log()
        tone = defocus.gaussian_blur(density, uniform(5, 20))  # slices of it would have edges that it has not
        phase = sign * refracting * defocus.gaussian_blur(density - tone, fine)
        stack, truth = transmitted.uneven_section(
            (density - tone)[0, 0] / 2, phase[0, 0], depth[0, 0].clamp(0, planes - 1), planes, step,
            condenser=condenser, cutoff=uniform(0.2, 0.5),
        )  # fmt: skip
        light = (-tone).exp()[0, 0]
        brightest = max(1.0, float((light * stack).max()))
        return _nothing_thin(light * stack / brightest, light * truth / brightest)


def _from(depth: float, blur: Callable[[Tensor, float], Tensor], growth: float, image: Tensor, k: int) -> Tensor:
    """A picture of this depth as it is seen in plane `k`."""
    return blur(image, growth * abs(k - depth))


def _covered(
    made: Made, matte: Tensor, colour: Tensor, is_thin: bool, blurred: Callable[[Tensor, int], Tensor]
) -> Made:
    """What was made, behind what covers it; `blurred` is what is seen of a picture in a plane."""
    stack, truth, thin = made
    for k in range(len(stack)):
        cover, light = (blurred(x, k)[0, 0].clamp(0, 1) for x in (matte, matte * colour))
        stack[k] = light + (1 - cover) * stack[k]
    uncovered = 1 - matte[0, 0]
    return stack, (matte * colour)[0, 0] + uncovered * truth, is_thin * matte[0, 0] + uncovered * thin


def _nothing_thin(stack: Tensor, truth: Tensor) -> Made:
    return stack, truth, torch.zeros_like(truth)


def _growth(draw: Draw) -> float:
    """Pixels that blur grows by from plane to plane."""
    return math.exp(draw.python.uniform(math.log(0.25), math.log(2.2)))

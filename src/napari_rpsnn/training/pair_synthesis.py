"""Sharp pictures in, training batches (near, far, sharp) out.

`PairMaker.batch(step)` crops, zooms and flips pictures, defocuses them in the three ways of `defocus`, lets
`acquisition` record them, puts `borders` into some, and returns tensors on the device. A batch depends on the seed and
the step alone, so that training resumes where it stopped without any further state.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_rpsnn.training import defocus
from napari_rpsnn.training.acquisition import Scene, record
from napari_rpsnn.training.borders import put_borders
from napari_rpsnn.training.dataset import Picture
from napari_rpsnn.training.random_draws import Draw

#: Pixels made beyond each border of a patch and cut off again: defocus filters wrap around, rings reach far.
MARGIN = 24


@dataclass
class Batch:
    """Two differently focused images and the truth, each `(N, 3, rows, columns)` in [0, 1]."""

    near: Tensor
    far: Tensor
    sharp: Tensor

    @property
    def sources(self) -> tuple[Tensor, Tensor]:
        """Near and far in the layout that convolutions run fastest in."""
        near, far = (x.contiguous(memory_format=torch.channels_last) for x in (self.near, self.far))
        return near, far


class PairMaker:
    """Makes training batches from sharp pictures, reproducibly.

    Parameters
    ----------
    pictures : sequence of Picture
    crop : int
        Side of the square patches in pixels.
    kinds : mapping of str to int
        Number of pairs of each kind in a batch: "geometric", "fluorescence" and "brightfield", made of sharp pictures,
        and "measured", taken from triples. Kinds for which there are no pictures are left out.
    seed : int
    borders : bool
        Whether some pairs lie at the border of a picture, as in training; the others are the same without.
    device : torch.device or str
        Where pictures are kept and pairs are made.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        *,
        crop: int,
        kinds: dict[str, int],
        seed: int = 0,
        borders: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        self.images = [p.images[0].to(device) for p in pictures if not p.is_triple]
        self.triples = [tuple(x.to(device) for x in p.images) for p in pictures if p.is_triple]
        self.crop = crop
        self.kinds = {k: n for k, n in kinds.items() if n and (self.triples if k == "measured" else self.images)}
        if not self.kinds:
            raise ValueError(f"kinds: expected at least one pair of a kind that the pictures allow, got {kinds}")
        self.seed = seed
        self.borders = borders
        self.device = torch.device(device)

    @torch.no_grad()
    def batch(self, step: int) -> Batch:
        """The batch of training step `step`."""
        draw = Draw(self.seed, step, self.device)
        makers: dict[str, Callable[[Draw, int], Scene]] = {
            "geometric": self._geometric,
            "fluorescence": self._fluorescence,
            "brightfield": self._brightfield,
        }
        made = [makers[kind](draw, n) for kind, n in self.kinds.items() if kind != "measured"]
        parts = []
        if made:
            scene = Scene.join(made)
            record(scene, draw)
            scene = scene.inside(MARGIN)
            if self.borders:
                # By random numbers of their own: all else is what it is without them.
                put_borders(scene, Draw(~self.seed, step, self.device))
            parts.append(torch.stack((scene.near, scene.far, scene.sharp)))
        if measured := self.kinds.get("measured"):
            parts.append(self._measured(draw, measured))
        near, far, sharp = torch.cat(parts, 1)
        swap = draw.chance(0.5, len(near))
        return Batch(torch.where(swap, far, near), torch.where(swap, near, far), sharp)

    def _patches(self, draw: Draw, n: int) -> Tensor:
        """Random crops, zoomed and flipped, with changed colours and contrast."""
        size = self.crop + 2 * MARGIN
        crops = [zoomed_crop(draw.python.choice(self.images), size, draw.python) for _ in range(n)]
        x = torch.cat([crop.expand(-1, 3, -1, -1) for crop in crops])
        grey = x.mean(1, keepdim=True).expand_as(x)
        x = torch.where(draw.chance(0.25, n), grey, x)
        x = torch.where(draw.chance(0.1, n), 1 - x, x)
        x = x ** torch.exp(draw.uniform(-0.4, 0.4, n))
        contrast = torch.where(draw.chance(0.5, n), torch.ones_like(x[:, :1, :1, :1]), draw.uniform(0.2, 1, n))
        return contrast * x + (1 - contrast) * draw.uniform(0, 1, n)

    def _measured(self, draw: Draw, n: int) -> Tensor:
        """Crops of triples, `(3, n, 3, rows, columns)`. What cameras add to real pairs is in them already."""
        crops = []
        for _ in range(n):
            near, far, sharp = draw.python.choice(self.triples)
            # As one picture of nine channels, all three get the same crop, zoom and flips.
            colours = torch.cat([x.expand(3, -1, -1) for x in (near, far, sharp)])
            crops.append(zoomed_crop(colours, self.crop, draw.python))
        return torch.cat(crops).reshape(n, 3, 3, self.crop, self.crop).transpose(0, 1)

    def _geometric(self, draw: Draw, n: int) -> Scene:
        sharp = self._patches(draw, n)
        size = draw.uniform(0.7, 6, n)
        levels = [sharp, *(_lens_blur(sharp, size * k / 3, draw) for k in (1, 2, 3))]
        near_blur, far_blur, share = _focus_maps(draw, sharp)
        scene = Scene(defocus.between(levels, near_blur), defocus.between(levels, far_blur), sharp, share)
        occlusion = self._occlusion(draw, sharp, size)
        return Scene.choose(draw.chance(0.4, n), occlusion, scene)

    def _occlusion(self, draw: Draw, background: Tensor, size: Tensor) -> Scene:
        """A foreground before a background: its blur, unlike the background's, spreads beyond its own outline."""
        foreground = self._patches(draw, len(background))
        matte = draw.mask(background)
        matte = defocus.gaussian_blur(matte, draw.uniform(0.3, 1, len(matte)))
        blur = draw.python.choice((defocus.disk_blur, defocus.gaussian_blur))
        size = size.flatten()
        spread = blur(matte, size)
        near = matte * foreground + (1 - matte) * blur(background, size)
        far = blur(matte * foreground, size) + (1 - spread) * background
        return Scene(near, far, matte * foreground + (1 - matte) * background, matte)

    def _fluorescence(self, draw: Draw, n: int) -> Scene:
        light = self._patches(draw, n)
        # Dark ground with bright structures is the rule in fluorescence.
        light = torch.where(draw.chance(0.6, n), light**2, light)
        near_blur, far_blur, share = _focus_maps(draw, light)
        optics = {
            "wavelength_um": 0.52,
            "na": draw.python.uniform(0.4, 0.95),
            "pixel_size_um": draw.python.uniform(0.12, 0.4),
        }
        z = draw.uniform(2, 14, n).flatten() * optics["pixel_size_um"] / optics["na"]
        # Each layer is either in focus or not, and what is not adds as haze over what is.
        in_focus = defocus.fluorescence(light, 0.0, **optics)
        near, far = (
            defocus.fluorescence(light * (1 - blur), 0.0, **optics) + defocus.fluorescence(light * blur, z, **optics)
            for blur in (near_blur, far_blur)
        )
        return Scene(near, far, in_focus, share)

    def _brightfield(self, draw: Draw, n: int) -> Scene:
        """Planes of one thin specimen, which one is nearest to focus varying over the picture or not.

        A real sharp plane is rarely at the very focus of a phase object and carries phase contrast itself, so the
        truth is the plane of the smallest |kappa| of three, not always of zero.
        """
        absorbing = self._patches(draw, n)
        # Stains are pale: most specimens let most of the light pass.
        pale = draw.uniform(0.15, 1, n)
        absorbing = 1 - pale * (1 - absorbing)
        density = 1 - absorbing.mean(1, keepdim=True)
        # Bodies that are thicker in the middle: their outline absorbs, their dome refracts. Strong phases are rare;
        # without many weak ones, whose defocus takes contrast away, the network learns that less contrast is focus.
        cells = draw.mask(absorbing) * draw.chance(0.6, n)
        outline = defocus.gaussian_blur(cells, draw.uniform(0.7, 3, n).flatten())
        dome = defocus.gaussian_blur(cells, draw.uniform(3, 14, n).flatten())
        absorbing = absorbing * (1 - draw.uniform(0, 0.5, n, 3) * outline).clamp(0, 1)
        smooth = defocus.gaussian_blur(density, draw.uniform(1, 8, n).flatten())
        sign = torch.where(draw.chance(0.5, n), 1.0, -1.0)
        phase = sign * (6 * draw.uniform(0, 1, n) ** 2 * dome + 3 * draw.uniform(0, 1, n) ** 2 * smooth / pale)
        texture = draw.noise(absorbing, draw.python.uniform(3, 20)) * draw.chance(0.5, n)
        phase = phase + draw.uniform(0, 0.3, n) * texture
        condenser = draw.uniform(0.004, 0.04, n).flatten()
        best = draw.uniform(-45, 45, n) * draw.chance(0.7, n)
        planes = [defocus.brightfield(absorbing, phase, best.flatten(), condenser=condenser)]
        for _ in range(2):
            side = torch.where(draw.chance(0.5, n), 1.0, -1.0)
            farther = torch.exp(draw.uniform(math.log(20), math.log(220), n))
            kappa = side * (best.abs() * draw.uniform(1.3, 2, n) + farther)
            planes.append(defocus.brightfield(absorbing, phase, kappa.flatten(), condenser=condenser))
        near_blur, far_blur, share = _focus_maps(draw, absorbing, depth=0, everywhere=0.6)
        optics_blur = draw.uniform(0, 1.2, n).flatten()
        gain = 1 / torch.stack(planes).amax((0, 2, 3, 4)).clamp_min(1).reshape(-1, 1, 1, 1)
        gain = torch.where(draw.chance(0.5, n), gain, 1.0)
        sharp, first, second = (defocus.gaussian_blur(p * gain, optics_blur) for p in planes)
        near = torch.lerp(sharp, first, near_blur)
        far = torch.lerp(sharp, second, far_blur)
        return Scene(near, far, sharp, share)


def zoomed_crop(image: Tensor, size: int, rng: random.Random, enlarged: float = 2.5) -> Tensor:
    """A random square of `image`, as `(1, channels, size, size)` in [0, 1].

    It is reduced by up to 1.4 or enlarged by up to `enlarged` times: cameras on microscopes oversample, and detail in
    focus that lies far below the pixels' limit must still win.
    """
    rows, columns = image.shape[-2:]
    side = min(round(size / math.exp(rng.uniform(math.log(0.7), math.log(enlarged)))), rows, columns)
    top, left = rng.randint(0, rows - side), rng.randint(0, columns - side)
    x = image[None, :, top : top + side, left : left + side].float() / 255
    x = F.interpolate(x, (size, size), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    if rng.random() < 0.5:
        x = x.transpose(-1, -2)
    return torch.rot90(x, rng.randrange(4), (-2, -1))


def _lens_blur(image: Tensor, size: Tensor, draw: Draw) -> Tensor:
    """Half disks, half Gaussians of the same second moment."""
    size = size.flatten()
    disk = defocus.disk_blur(image, 2 * size)
    return torch.where(draw.chance(0.5, len(image)), disk, defocus.gaussian_blur(image, size))


def _focus_maps(
    draw: Draw, like: Tensor, *, depth: float = 0.25, everywhere: float = 0.36
) -> tuple[Tensor, Tensor, Tensor]:
    """Blur of the near image, blur of the far one, and the near one's share in the truth, each in [0, 1].

    Two sharp images (4 % of all), sharp everywhere against defocused everywhere, as a cascade over a stack makes them
    (the share `everywhere`), smooth depth (the share `depth`), and else regions with soft borders.
    """
    n = len(like)
    region = defocus.gaussian_blur(draw.mask(like), draw.uniform(0.5, 6, n).flatten()).clamp(0, 1)
    height = (0.5 + draw.uniform(0.2, 0.6, n) * draw.noise(like, 50)).clamp(0, 1)
    smooth = torch.sigmoid(8 * (height - 0.5))
    one, zero = torch.ones_like(region), torch.zeros_like(region)
    cases = (
        (1 - region, region, region),
        ((1 - 2 * height).clamp_min(0), (2 * height - 1).clamp_min(0), smooth),
        (zero, one, one),
        (zero, zero, one / 2),
    )
    thresholds = (0.96 - everywhere - depth, 0.96 - everywhere, 0.96)
    pick = draw.uniform(0, 1, n)
    maps = cases[0]
    for case, threshold in zip(cases[1:], thresholds, strict=True):
        maps = tuple(torch.where(pick > threshold, new, old) for new, old in zip(case, maps, strict=True))  # type: ignore[assignment]
    return maps

"""Sharp images in, training pairs out: folders of pictures, a split by picture, and batches (near, far, sharp).

1. `read_pictures` reads a folder once, as uint8 tensors.
2. `split_pictures` keeps every tile of one picture on one side of the split.
3. `PairMaker.batch(step)` crops, zooms and flips pictures, defocuses them in the three ways of `defocus`, adds what
   two real exposures differ by, and returns tensors on the device. A batch depends on the seed and the step alone,
   so that training resumes where it stopped without any further state.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from skimage.io import imread
from torch import Tensor
from torch.nn import functional as F

from napari_rpsnn import defocus

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")

#: Pixels made beyond each border of a patch and cut off again: defocus filters wrap around, rings reach far.
MARGIN = 24


@dataclass(frozen=True)
class Picture:
    """One sharp image: `pixels` is a uint8 tensor of shape `(1 or 3, rows, columns)`."""

    name: str
    pixels: Tensor

    @property
    def origin(self) -> str:
        """The picture that a tile was cut from: ``name_t01.jpg`` and ``name_t10.jpg`` share ``name``."""
        return re.sub(r"_t\d+$", "", str(Path(self.name).with_suffix("")))


def read_pictures(folder: str | Path) -> list[Picture]:
    """Read every image file below `folder`, in the order of their names."""
    root = Path(folder)
    paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"folder: expected images ({', '.join(SUFFIXES)}) below {root}, found none")
    return [Picture(p.relative_to(root).as_posix(), _to_uint8(imread(p), p)) for p in paths]


def _to_uint8(image: np.ndarray, path: Path) -> Tensor:
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 2, 3, 4):
        raise ValueError(f"{path}: expected a grey or RGB picture, got an array of shape {image.shape}")
    image = image[..., :3] if image.shape[2] >= 3 else image[..., :1]
    if image.dtype == np.uint16:
        # Camera counts rarely fill 16 bits: stretch what is there.
        low, high = np.percentile(image, (0.1, 99.9))
        image = np.clip((image - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
    if image.dtype != np.uint8:
        raise ValueError(f"{path}: expected 8 or 16 bits per value, got {image.dtype}")
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def split_pictures(pictures: Sequence[Picture], share: float = 0.08) -> tuple[list[Picture], list[Picture]]:
    """Training and validation pictures. A hash of the origin's name decides, so additions move nothing."""

    def held_out(picture: Picture) -> bool:
        digest = hashlib.sha256(picture.origin.encode()).digest()
        return int.from_bytes(digest[:4], "big") < share * 2**32

    return [p for p in pictures if not held_out(p)], [p for p in pictures if held_out(p)]


@dataclass
class Batch:
    """Two differently focused images and the truth, each `(N, 3, rows, columns)` in [0, 1]."""

    near: Tensor
    far: Tensor
    sharp: Tensor


@dataclass
class _Scene:
    """A batch before the camera: `share` is the part of each pixel of `sharp` that is to come from `near`."""

    near: Tensor
    far: Tensor
    sharp: Tensor
    share: Tensor


class PairMaker:
    """Makes training batches from sharp pictures, reproducibly.

    Parameters
    ----------
    pictures : sequence of Picture
    crop : int
        Side of the square patches in pixels.
    kinds : mapping of str to int
        Number of pairs of each kind in a batch: "geometric", "fluorescence", "brightfield".
    seed : int
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
        device: torch.device | str = "cpu",
    ) -> None:
        self.images = [p.pixels.to(device) for p in pictures]
        self.crop = crop
        self.kinds = kinds
        self.seed = seed
        self.device = torch.device(device)

    @torch.no_grad()
    def batch(self, step: int) -> Batch:
        """The batch of training step `step`."""
        draw = _Draw(self.seed, step, self.device)
        makers: dict[str, Callable[[_Draw, int], _Scene]] = {
            "geometric": self._geometric,
            "fluorescence": self._fluorescence,
            "brightfield": self._brightfield,
        }
        scenes = [makers[kind](draw, n) for kind, n in self.kinds.items() if n]
        scene = _Scene(*(torch.cat(parts) for parts in zip(*(vars(s).values() for s in scenes), strict=True)))
        _record(scene, draw)
        inner = (..., slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
        near, far, sharp = (x.clamp(0, 1)[inner].contiguous() for x in (scene.near, scene.far, scene.sharp))
        swap = draw.chance(0.5, len(near))
        return Batch(torch.where(swap, far, near), torch.where(swap, near, far), sharp)

    def _patches(self, draw: _Draw, n: int) -> Tensor:
        """Random crops, zoomed and flipped, with changed colours and contrast."""
        size = self.crop + 2 * MARGIN
        x = torch.cat([_zoomed_crop(draw.python.choice(self.images), size, draw.python) for _ in range(n)])
        grey = x.mean(1, keepdim=True).expand_as(x)
        x = torch.where(draw.chance(0.25, n), grey, x)
        x = torch.where(draw.chance(0.1, n), 1 - x, x)
        x = x ** torch.exp(draw.uniform(-0.4, 0.4, n))
        contrast = torch.where(draw.chance(0.5, n), torch.ones_like(x[:, :1, :1, :1]), draw.uniform(0.2, 1, n))
        return contrast * x + (1 - contrast) * draw.uniform(0, 1, n)

    def _geometric(self, draw: _Draw, n: int) -> _Scene:
        sharp = self._patches(draw, n)
        size = draw.uniform(0.7, 6, n)
        levels = [sharp, *(_lens_blur(sharp, size * k / 3, draw) for k in (1, 2, 3))]
        near_blur, far_blur, share = _focus_maps(draw, sharp)
        scene = _Scene(_between(levels, near_blur), _between(levels, far_blur), sharp, share)
        occlusion = self._occlusion(draw, sharp, size)
        choose = draw.chance(0.4, n)
        return _Scene(
            *(torch.where(choose, a, b) for a, b in zip(vars(occlusion).values(), vars(scene).values(), strict=True))
        )

    def _occlusion(self, draw: _Draw, background: Tensor, size: Tensor) -> _Scene:
        """A foreground before a background: its blur, unlike the background's, spreads beyond its own outline."""
        foreground = self._patches(draw, len(background))
        matte = draw.mask(background)
        matte = defocus.gaussian_blur(matte, draw.uniform(0.3, 1, len(matte)))
        shape = torch.rand((), generator=draw.torch, device=background.device) < 0.5
        blur = defocus.disk_blur if shape else defocus.gaussian_blur
        size = size.flatten()
        spread = blur(matte, size)
        near = matte * foreground + (1 - matte) * blur(background, size)
        far = blur(matte * foreground, size) + (1 - spread) * background
        return _Scene(near, far, matte * foreground + (1 - matte) * background, matte)

    def _fluorescence(self, draw: _Draw, n: int) -> _Scene:
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
        return _Scene(near, far, in_focus, share)

    def _brightfield(self, draw: _Draw, n: int) -> _Scene:
        """Planes of one thin specimen, which one is nearest to focus varying over the picture or not.

        A real sharp plane is rarely at the very focus of a phase object and carries phase contrast itself, so the
        truth is the plane of the smallest |kappa| of three, not always of zero.
        """
        absorbing = self._patches(draw, n)
        # Stains are pale: most specimens let most of the light pass.
        pale = draw.uniform(0.15, 1, n)
        absorbing = 1 - pale * (1 - absorbing)
        density = 1 - absorbing.mean(1, keepdim=True)
        cells = draw.mask(absorbing)
        cells = defocus.gaussian_blur(cells, draw.uniform(0.7, 8, n).flatten()) * draw.chance(0.6, n)
        absorbing = absorbing * (1 - draw.uniform(0, 0.5, n, 3) * cells).clamp(0, 1)
        smooth = defocus.gaussian_blur(density, draw.uniform(0.7, 6, n).flatten())
        sign = torch.where(draw.chance(0.5, n), 1.0, -1.0)
        phase = sign * (draw.uniform(0, 7, n) * cells + draw.uniform(0, 5, n) * smooth / pale)
        phase = phase + draw.uniform(0, 0.3, n) * draw.noise(absorbing, draw.python.uniform(3, 20)) * draw.chance(
            0.5, n
        )
        condenser = draw.uniform(0.004, 0.04, n).flatten()
        best = draw.uniform(-45, 45, n) * draw.chance(0.7, n)
        planes = [defocus.brightfield(absorbing, phase, best.flatten(), condenser=condenser)]
        for _ in range(2):
            side = torch.where(draw.chance(0.5, n), 1.0, -1.0)
            kappa = side * (
                best.abs() * draw.uniform(1.3, 2, n) + torch.exp(draw.uniform(math.log(20), math.log(220), n))
            )
            planes.append(defocus.brightfield(absorbing, phase, kappa.flatten(), condenser=condenser))
        near_blur, far_blur, share = _focus_maps(draw, absorbing, depth=0, everywhere=0.6)
        optics_blur = draw.uniform(0, 1.2, n).flatten()
        gain = 1 / torch.stack(planes).amax((0, 2, 3, 4)).clamp_min(1).reshape(-1, 1, 1, 1)
        gain = torch.where(draw.chance(0.5, n), gain, 1.0)
        sharp, first, second = (defocus.gaussian_blur(p * gain, optics_blur) for p in planes)
        near = torch.lerp(sharp, first, near_blur)
        far = torch.lerp(sharp, second, far_blur)
        return _Scene(near, far, sharp, share)


class _Draw:
    """Random numbers of one training step: Python's for sizes and positions, torch's on the device for the rest."""

    def __init__(self, seed: int, step: int, device: torch.device) -> None:
        key = int.from_bytes(hashlib.sha256(f"{seed}/{step}".encode()).digest()[:7], "big")
        self.python = random.Random(key)
        self.torch = torch.Generator(device).manual_seed(key)
        self.device = device

    def uniform(self, low: float, high: float, n: int, channels: int = 1) -> Tensor:
        """`(n, channels, 1, 1)` numbers between `low` and `high`."""
        return low + (high - low) * torch.rand(n, channels, 1, 1, generator=self.torch, device=self.device)

    def chance(self, probability: float, n: int) -> Tensor:
        """`(n, 1, 1, 1)` booleans, true with `probability`."""
        return self.uniform(0, 1, n) < probability

    def noise(self, like: Tensor, grain_px: float) -> Tensor:
        """Smooth noise `(N, 1, rows, columns)` of unit variance with structures of about `grain_px` pixels."""
        n, _, rows, columns = like.shape
        size = (max(2, round(rows / grain_px)), max(2, round(columns / grain_px)))
        coarse = torch.randn(n, 1, *size, generator=self.torch, device=self.device)
        fine = F.interpolate(coarse, (rows, columns), mode="bicubic", align_corners=True)
        return fine / fine.std((2, 3), keepdim=True).clamp_min(1e-6)

    def mask(self, like: Tensor) -> Tensor:
        """Regions `(N, 1, rows, columns)` of zeros and ones: blobs of random size, or strips and half planes."""
        n, _, rows, columns = like.shape
        blobs = self.noise(like, math.exp(self.python.uniform(math.log(12), math.log(90))))
        angle = self.uniform(0, 2 * math.pi, n)
        y = torch.arange(rows, device=self.device)[:, None]
        x = torch.arange(columns, device=self.device)[None, :]
        across = x * torch.cos(angle) + y * torch.sin(angle)
        strips = torch.sin(2 * math.pi * (across / self.uniform(30, 400, n) + self.uniform(0, 1, n)))
        pattern = torch.where(self.chance(0.7, n), blobs, strips)
        return (pattern > self.uniform(-0.7, 0.7, n)).float()


def _zoomed_crop(image: Tensor, size: int, rng: random.Random) -> Tensor:
    """A random square of `image`, as `(1, 3, size, size)` in [0, 1]: from 1.4 times reduced to 2.5 times enlarged.

    Cameras on microscopes oversample: detail in focus may lie far below the pixels' limit, and must still win.
    """
    rows, columns = image.shape[-2:]
    side = min(round(size / math.exp(rng.uniform(math.log(0.7), math.log(2.5)))), rows, columns)
    top, left = rng.randint(0, rows - side), rng.randint(0, columns - side)
    x = image[None, :, top : top + side, left : left + side].float() / 255
    x = F.interpolate(x, (size, size), mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
    if rng.random() < 0.5:
        x = x.transpose(-1, -2)
    return torch.rot90(x, rng.randrange(4), (-2, -1)).expand(1, 3, size, size)


def _lens_blur(image: Tensor, size: Tensor, draw: _Draw) -> Tensor:
    """Half disks, half Gaussians of the same second moment."""
    size = size.flatten()
    disk = defocus.disk_blur(image, 2 * size)
    return torch.where(draw.chance(0.5, len(image)), disk, defocus.gaussian_blur(image, size))


def _focus_maps(
    draw: _Draw, like: Tensor, *, depth: float = 0.25, everywhere: float = 0.36
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


def _between(levels: Sequence[Tensor], where: Tensor) -> Tensor:
    """Interpolate between equally spaced levels; `where` runs from 0, the first, to 1, the last."""
    position = where * (len(levels) - 1)
    out = torch.zeros_like(levels[0])
    for i, level in enumerate(levels):
        out = out + level * (1 - (position - i).abs()).clamp_min(0)
    return out


def _record(scene: _Scene, draw: _Draw) -> None:
    """Let two exposures differ as real ones do: shift and magnification, brightness, noise, JPEG.

    Whatever befalls an image befalls its share of the truth too: fusion is to hand on the sharper source as it is,
    not to restore it.
    """
    n = len(scene.sharp)
    share = scene.share
    moved = draw.chance(0.25, n)
    grid = _small_motion(draw, scene.sharp)
    far, truth = (
        torch.where(moved, F.grid_sample(x, grid, "bicubic", "reflection", align_corners=False), x)
        for x in (scene.far, scene.sharp)
    )
    gain = torch.where(draw.chance(0.25, n), draw.uniform(0.97, 1.03, n), 1.0)
    far, truth = far * gain, truth * gain
    scene.far, scene.sharp = far, share * scene.sharp + (1 - share) * truth
    # One camera took both: the level of noise is one, its values are not. Noise in one image alone would teach the
    # network that noise is no detail, at the cost of doubting real detail.
    sigma = draw.uniform(0, 1, n) ** 2 * 0.03 * draw.chance(0.6, n)
    compressed, quality = draw.chance(0.4, n), draw.uniform(70, 97, n)
    for name, part in (("near", share), ("far", 1 - share)):
        clean = getattr(scene, name)
        noisy = clean + sigma * torch.randn(clean.shape, generator=draw.torch, device=draw.device)
        recorded = torch.where(compressed, _jpeg(noisy, quality), noisy)
        setattr(scene, name, recorded)
        scene.sharp = scene.sharp + part * (recorded - clean)


def _small_motion(draw: _Draw, image: Tensor) -> Tensor:
    """Sampling grids that shift by up to 1.5 pixels and magnify by up to 0.5 %."""
    n, size = len(image), image.shape[-1]
    shift = draw.uniform(-1.5, 1.5, n, 2).reshape(n, 2, 1) * 2 / size
    scale = draw.uniform(0.995, 1.005, n).reshape(n, 1, 1)
    theta = torch.cat([torch.eye(2, device=image.device) * scale, shift], 2)
    return F.affine_grid(theta, list(image.shape), align_corners=False)


# JPEG's example luminance table (ITU-T T.81, table K.1).
_LUMINANCE = torch.tensor(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    dtype=torch.float32,
)


def _jpeg(image: Tensor, quality: Tensor) -> Tensor:
    """Quantise 8x8 blocks of each colour as JPEG of `quality` (50 to 100) does, without chroma subsampling."""
    rows, columns = image.shape[-2:]
    k = torch.arange(8, device=image.device)
    dct = torch.cos(math.pi / 8 * (k[None, :] + 0.5) * k[:, None]) / 2
    dct[0] /= math.sqrt(2)
    step = (_LUMINANCE.to(image.device) * (2 - quality / 50)).clamp_min(1) / 255
    padded = F.pad(image, (0, -columns % 8, 0, -rows % 8), mode="replicate")
    blocks = padded.unfold(2, 8, 8).unfold(3, 8, 8)
    step = step[:, :, None, None]
    coefficients = torch.round(dct @ blocks @ dct.T / step) * step
    blocks = dct.T @ coefficients @ dct
    return blocks.permute(0, 1, 2, 4, 3, 5).reshape(padded.shape)[..., :rows, :columns]

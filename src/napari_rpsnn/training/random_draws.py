"""The random numbers of one training step, and the random shapes made of them."""

from __future__ import annotations

import hashlib
import math
import random

import torch
from torch import Tensor
from torch.nn import functional as F


class Draw:
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

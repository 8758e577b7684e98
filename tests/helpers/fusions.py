"""Plain ways to fuse two images, as (near, far) -> fused, in colour or grey; values are rounded."""

import numpy as np
from scipy import ndimage as ndi

from napari_rpsnn.metrics import to_grey

KERNEL = np.array([1, 4, 6, 4, 1]) / 16


def mean(near, far):
    return np.floor((near.astype(float) + far + 1) / 2)


def sharper(near, far, sigma_px=4):
    """The source with more Laplacian energy in a Gaussian window."""
    first, second = (ndi.gaussian_filter(ndi.laplace(to_grey(x)) ** 2, sigma_px) for x in (near, far))
    chosen = first >= second
    return np.where(chosen[..., None] if near.ndim == 3 else chosen, near, far).astype(float)


def blended(near, far, levels=5):
    """Bands of detail, each from the source that has more of it: a Laplacian pyramid (Burt and Adelson)."""
    if near.ndim == 3:
        return np.stack([blended(near[..., c], far[..., c], levels) for c in range(near.shape[2])], -1)
    sources, details = [near.astype(float), far.astype(float)], []
    for _ in range(levels):
        smaller = [_blur(x)[::2, ::2] for x in sources]
        first, second = (x - _enlarged(y, x.shape) for x, y in zip(sources, smaller, strict=True))
        details.append(np.where(abs(first) >= abs(second), first, second))
        sources = smaller
    fused = sum(sources) / 2
    for detail in reversed(details):
        fused = _enlarged(fused, detail.shape) + detail
    return np.clip(np.floor(fused + 0.5), 0, 255)


def _blur(image):
    return ndi.correlate1d(ndi.correlate1d(image, KERNEL, 0, mode="mirror"), KERNEL, 1, mode="mirror")


def _enlarged(image, shape):
    spread, there = np.zeros(shape), np.zeros(shape)
    spread[::2, ::2], there[::2, ::2] = image, 1
    return _blur(spread) / _blur(there)

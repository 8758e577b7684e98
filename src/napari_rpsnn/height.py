"""Height of the surface from a stack and the index of the plane in focus at each pixel.

1. The energy of detail, a smoothed square of the Laplacian, is taken of each plane; of every pixel only that of the
   plane in focus and of its two neighbours is kept, so that memory does not grow with the number of planes.
2. Through the three a Gaussian is laid, whose top is the height between the planes (S. Nayar, Y. Nakagawa, "Shape from
   focus", IEEE TPAMI 16 (1994)).
3. Where there is little detail there is no height: it is filled in from where there is, the nearest counting most.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, laplace

if TYPE_CHECKING:
    from napari_rpsnn.cascade import PictureStack

#: Window of the energy of detail, in pixels.
DETAIL_SIGMA_PX = 3.0
#: Windows that heights are averaged in, and how much a wider one counts beside a narrower: only where that has nothing.
FILL_SIGMAS_PX, FILL_SHARE = (2.0, 8.0, 32.0), 1e-2


class HeightMap:
    """Collects what a height map needs while planes go by in the order of z."""

    def measure(self, picture: PictureStack) -> Iterator[None]:
        """Read all planes of a fused picture once more. Yields after each plane."""
        index = picture.index
        # Energies below, at and above the plane in focus.
        self._energies = np.zeros((3, *index.shape), np.float32)
        below = None
        self._last = picture.planes.count - 1
        for k in range(picture.planes.count):
            grey = picture.grey(k)
            energy = gaussian_filter(laplace(grey) ** 2, DETAIL_SIGMA_PX)
            here, after = index == k, index == k - 1
            self._energies[0][here] = (energy if below is None else below)[here]
            self._energies[1][here] = energy[here]
            self._energies[2][here] = energy[here]
            self._energies[2][after] = energy[after]
            below = energy
            yield

    def height(self, index: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Height of every pixel, in planes."""
        lowest = max(float(self._energies.max()) * 1e-12, np.finfo(np.float32).tiny)
        below, here, above = np.log(self._energies + lowest)
        bend = below - 2 * here + above
        top = np.where(bend < 0, (below - above) / (2 * np.where(bend < 0, bend, 1)), 0).clip(-0.5, 0.5)
        # Beyond the ends of the stack nothing is known.
        top[(index == 0) | (index == self._last)] = 0
        # How far the plane in focus stands out: detail that is the same in all three says nothing of the height.
        certainty = (self._energies[1] * (1 - np.exp(np.minimum(bend, 0) / 2))).astype(np.float32)
        certainty /= max(float(certainty.max()), np.finfo(np.float32).tiny)
        heights = (index + top).astype(np.float32)
        total = weight = np.zeros(1, np.float32)
        for i, sigma in enumerate(FILL_SIGMAS_PX):
            total = total + FILL_SHARE**i * gaussian_filter(certainty * heights, sigma)
            weight = weight + FILL_SHARE**i * gaussian_filter(certainty, sigma)
        filled = np.where(weight > 1e-9, total / np.maximum(weight, 1e-9), heights)
        return filled.astype(np.float32)

"""File ▸ Open Sample: specimens with known truth, defocused when they are opened.

All are made of the tissue section that scikit-image ships, 384x384 pixels of it: of the whole for brightfield, of the
nuclei alone, by their stain, for fluorescence. The truth and the true height of a stack are layers that are hidden at
first. Every call returns the same values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import color, data

LayerData = tuple[NDArray[Any], dict[str, Any], str]

#: Cut off at each border after defocusing, which wraps around there.
MARGIN = 64
PIXEL_UM, WAVELENGTH_UM = 0.325, 0.532
#: Distance of the two planes of the pair.
PAIR_UM = 30.0
#: Planes of the stack, and their distance: about the depth of field of this aperture.
PLANES, STEP_UM, NA = 12, 2.0, 0.5
#: Of the camera: grey levels in the dark, and photons where the specimen is brightest.
DARK, BRIGHTEST = 100, 10_000


def brightfield_pair() -> list[LayerData]:
    """Two planes of a stepped section: left of a curved line it is in focus in one, right of it in the other."""
    import torch

    from napari_rpsnn.training.defocus import between, brightfield, gaussian_blur

    section = data.immunohistochemistry()
    y, x = _positions(section)
    # From 0, in focus in the near plane, to 1, in focus in the far one.
    height = torch.from_numpy(0.5 + 0.5 * np.tanh((x - 0.1 * np.sin(5 * y)) / 0.01))
    light = torch.from_numpy(section).permute(2, 0, 1)[None] / 255
    # Where there is more stain, there is more of all that delays light.
    phase = 3 * gaussian_blur(1 - light.mean(1, keepdim=True), 2.0)

    def plane(distance_um: float, where: torch.Tensor) -> NDArray[np.uint8]:
        distances = np.linspace(0, distance_um, 4).tolist()
        levels = [brightfield(light, phase, WAVELENGTH_UM * z / PIXEL_UM**2) for z in distances]
        seen = between(levels, where)[0].permute(1, 2, 0).numpy()
        picture: NDArray[np.uint8] = np.rint(_cut(seen).clip(0, 1) * 255).astype(np.uint8)
        return picture

    place = _place(2) | {"rgb": True}
    return [
        (plane(-PAIR_UM, height), place | {"name": "near"}, "image"),
        (plane(PAIR_UM, 1 - height), place | {"name": "far"}, "image"),
        (_cut(section), place | {"name": "truth", "visible": False}, "image"),
    ]


def fluorescence_stack() -> list[LayerData]:
    """A z-stack of tilted, curved tissue with fluorescent nuclei, 16 bit, with photon noise."""
    import torch

    from napari_rpsnn.training.defocus import between, fluorescence

    # The stain of the nuclei, without what it leaves everywhere.
    stain = color.rgb2hed(data.immunohistochemistry())[..., 0]
    light = torch.from_numpy((stain - np.percentile(stain, 40)).clip(0).astype(np.float32))[None, None]
    height = _tilted(stain)
    reach = (PLANES - 1) * STEP_UM
    # Half a depth of field apart: blending is then as good as computing each distance.
    distances = np.linspace(0, reach, 2 * PLANES - 1).tolist()
    levels = [fluorescence(light, z, wavelength_um=WAVELENGTH_UM, na=NA, pixel_size_um=PIXEL_UM) for z in distances]
    gain = BRIGHTEST / float(levels[0].max())
    rng = np.random.default_rng(0)

    def plane(z_um: float) -> NDArray[np.uint16]:
        seen = between(levels, torch.from_numpy(np.abs(z_um - height) / reach))
        photons = (gain * _cut(seen[0, 0].numpy())).clip(0)
        return (DARK + rng.poisson(photons)).astype(np.uint16)

    stack = np.stack([plane(k * STEP_UM) for k in range(PLANES)])
    truth = np.rint(DARK + (gain * _cut(levels[0][0, 0].numpy())).clip(0)).astype(np.uint16)
    look = {"contrast_limits": (DARK, int(truth.max()))}
    hidden = _place(2) | {"visible": False}
    return [
        (stack, _place(3) | look | {"name": "stack"}, "image"),
        (truth, hidden | look | {"name": "truth"}, "image"),
        (_cut(height), hidden | {"name": "true height in um", "colormap": "viridis"}, "image"),
    ]


def _positions(picture: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Row and column of every pixel: from -0.5 to 0.5, beyond that in the margin."""
    rows, columns = (n - 2 * MARGIN for n in picture.shape[:2])
    y, x = np.indices(picture.shape[:2], np.float32) - MARGIN
    return y / rows - 0.5, x / columns - 0.5


def _tilted(picture: NDArray[Any]) -> NDArray[np.float32]:
    """Height of every pixel above the first plane in micrometres, within the stack."""
    y, x = _positions(picture)
    share = (0.55 + 0.6 * x + 0.25 * y - 0.6 * y**2 + 0.06 * np.sin(9 * x)).clip(0, 1)
    height: NDArray[np.float32] = (share * (PLANES - 1) * STEP_UM).astype(np.float32)
    return height


def _cut(picture: NDArray[Any]) -> NDArray[Any]:
    """`picture` without its margin."""
    return picture[MARGIN:-MARGIN, MARGIN:-MARGIN]


def _place(ndim: int) -> dict[str, Any]:
    """Where a layer of the last `ndim` axes lies in the world."""
    scale = (STEP_UM, PIXEL_UM, PIXEL_UM)
    return {"scale": scale[-ndim:], "units": ("um",) * ndim, "axis_labels": ("z", "y", "x")[-ndim:]}

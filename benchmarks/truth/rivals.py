"""What stackers are compared with: one line of NumPy, the average, and commands of others where they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, laplace
from skimage.io import imread, imsave

from truth.scenes import Scene
from truth.scores import Stacker, at_planes

#: Options of openfocus: fuse on one core, and write the index of the plane of each pixel as grey levels.
OPEN = "openfocus -i {folder} -o {out} --no-exposure-match --cpu --threads 1 -m"
INDEX = "--depth-map {index} --depth-colormap gray"
#: How each is told to fuse registered planes, as its documentation says; none is to change the brightness. The index
#: is asked for where the image is made of the planes' own values at it.
COMMANDS = {
    "StackMFF V3": f"{OPEN} stackmffv3",
    "StackMFF V3 hard": f"{OPEN} stackmffv3 --ai-mode hard {INDEX}",
    "StackMFF V2": f"{OPEN} stackmffv2 {INDEX}",
    "guided filter": f"{OPEN} guided_filter",
    "gfgfgf": f"{OPEN} gfgfgf",
    "DCT": f"{OPEN} dct {INDEX}",
    "DTCWT": f"{OPEN} dtcwt",
    "focusweave": "focusweave {folder} --no-align --keep-size --workers 1 --output {out}",
    "enfuse": "enfuse --exposure-weight=0 --saturation-weight=0 --contrast-weight=1 --hard-mask -o {out} {files}",
    "focus-stack": "focus-stack --no-align --no-whitebalance --no-contrast --threads=1 --output={out} {files}",
}


def sharper(planes: NDArray[Any], sigma: float) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """At every pixel the plane of the greatest energy of the Laplacian, smoothed over `sigma` pixels."""
    grey = planes.astype(np.float32) if planes.ndim == 3 else planes.mean(-1, dtype=np.float32)
    index = np.argmax([gaussian_filter(laplace(gaussian_filter(p, 0.7)) ** 2, sigma) for p in grey], 0)
    return at_planes(planes, index), index


def average(planes: NDArray[Any]) -> NDArray[Any]:
    """The mean of all planes."""
    mean: NDArray[Any] = planes.mean(0, dtype=np.float32)
    return mean


def oracle(scene: Scene) -> NDArray[Any]:
    """At every pixel the value that is nearest to the truth, which nobody but the judge knows: the limit."""
    error = np.abs(scene.clean - scene.truth)
    return at_planes(scene.clean, np.argmin(error if error.ndim == 3 else error.sum(-1), 0))


def run_command(line: str, planes: NDArray[Any]) -> Any:
    """What another stacker makes of the planes: the image, with the index where `line` has one written."""
    with tempfile.TemporaryDirectory() as made:
        folder, out, index = (Path(made) / name for name in ("planes", "fused.png", "index.png"))
        folder.mkdir()
        files = [folder / f"{k:04d}.png" for k in range(len(planes))]
        for file, plane in zip(files, planes, strict=True):
            imsave(file, plane, check_contrast=False)
        line = line.format(folder=folder, out=out, index=index, files=" ".join(map(str, files)))
        command, *options = line.split()
        words = [shutil.which(command, path=search_path()) or command, *options]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode or not out.exists():
            raise RuntimeError(f"{' '.join(words[:8])} … failed: {(done.stderr or done.stdout)[-500:]}")
        image = _as_planes(imread(out), planes)
        if not index.exists():
            return image
        grey = imread(index)
        return image, np.rint((grey if grey.ndim == 2 else grey[..., 0]) / 255 * (len(planes) - 1)).astype(np.intp)


def _as_planes(image: NDArray[Any], planes: NDArray[Any]) -> NDArray[Any]:
    """An image with the range and the channels of the planes."""
    if image.dtype == np.uint8 and planes.dtype == np.uint16:  # by a stacker that knows 8 bits only
        image = image.astype(np.float32) * 257
    if planes.ndim == 3 and image.ndim == 3:  # or colour pictures only
        return image[..., :3].mean(-1) if image.shape[-1] > 2 else image[..., 0]
    if planes.ndim == 4 and image.ndim == 2:
        return np.repeat(image[..., None], 3, -1)
    return image[..., :3] if planes.ndim == 4 else image


def search_path() -> str:
    """Where commands are looked for: where this Python has its own first."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def found() -> dict[str, Stacker]:
    """All stackers that are installed."""
    return {
        name: partial(run_command, line)
        for name, line in COMMANDS.items()
        if shutil.which(line.split()[0], path=search_path())
    }

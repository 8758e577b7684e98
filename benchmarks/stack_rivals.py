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
from stack_scenes import Scene
from stack_scores import Stacker, at_planes

#: How each is told to fuse registered planes, as its documentation says; none is to change the brightness.
COMMANDS = {
    "StackMFF V3": "openfocus -i {folder} -o {out} --no-exposure-match --cpu --threads 1 -m stackmffv3",
    "StackMFF V2": "openfocus -i {folder} -o {out} --no-exposure-match --cpu --threads 1 -m stackmffv2",
    "guided filter": "openfocus -i {folder} -o {out} --no-exposure-match --cpu --threads 1 -m guided_filter",
    "gfgfgf": "openfocus -i {folder} -o {out} --no-exposure-match --cpu --threads 1 -m gfgfgf",
    "DCT": "openfocus -i {folder} -o {out} --no-exposure-match --cpu --threads 1 -m dct",
    "DTCWT": "openfocus -i {folder} -o {out} --no-exposure-match --cpu --threads 1 -m dtcwt",
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
    return planes.mean(0, dtype=np.float32)


def oracle(scene: Scene) -> NDArray[Any]:
    """At every pixel the value that is nearest to the truth, which nobody but the judge knows: the limit."""
    error = np.abs(scene.clean - scene.truth)
    return at_planes(scene.clean, np.argmin(error if error.ndim == 3 else error.sum(-1), 0))


def run_command(line: str, planes: NDArray[Any]) -> NDArray[Any]:
    """What another stacker makes of the planes: with the depth and the shape that they have."""
    with tempfile.TemporaryDirectory() as made:
        folder, out = Path(made) / "planes", Path(made) / "fused.png"
        folder.mkdir()
        files = [folder / f"{k:04d}.png" for k in range(len(planes))]
        for file, plane in zip(files, planes, strict=True):
            imsave(file, plane, check_contrast=False)
        words = [
            part
            for word in line.split()
            for part in ([str(f) for f in files] if word == "{files}" else [word.format(folder=folder, out=out)])
        ]
        words[0] = shutil.which(words[0], path=search_path()) or words[0]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode or not out.exists():
            raise RuntimeError(f"{' '.join(words[:8])} … failed: {(done.stderr or done.stdout)[-500:]}")
        image = imread(out)
    if image.dtype == np.uint8 and planes.dtype == np.uint16:  # a stacker that knows 8 bits only
        image = image.astype(np.float32) * 257
    if planes.ndim == 3 and image.ndim == 3:  # or colour pictures only
        image = image[..., :3].mean(-1) if image.shape[-1] > 2 else image[..., 0]
    elif planes.ndim == 4 and image.ndim == 2:
        image = np.repeat(image[..., None], 3, -1)
    return image[..., : planes.shape[-1]] if planes.ndim == 4 else image


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

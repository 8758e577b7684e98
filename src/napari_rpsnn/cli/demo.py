"""The main job, to look at: ``python -m napari_rpsnn.cli.demo`` or ``python -m napari_rpsnn.cli.demo A B -o OUT``.

Without files, a near/far pair is made of a picture that scikit-image ships, so that the truth is known: a tissue
section of which one part is out of focus in each image. The two are fused; the result and one figure are written,
and the scores are printed beside those of the plain average and of the sharper source at every pixel.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageDraw
from numpy.typing import NDArray
from scipy import ndimage as ndi
from skimage import color, data
from skimage.metrics import peak_signal_noise_ratio
from skimage.util import img_as_float

from napari_rpsnn.cli.terminal import quiet_threads
from napari_rpsnn.engine.results import drain
from napari_rpsnn.fusion import iter_fuse
from napari_rpsnn.io import read_image, write_image
from napari_rpsnn.io.formats import is_ours
from napari_rpsnn.io.provenance import record
from napari_rpsnn.options import FuseOptions

Image = NDArray[Any]


def make_pair() -> tuple[Image, Image, Image]:
    """Return near, far and the truth: uint8 RGB pictures of a tissue section that scikit-image ships.

    A curved line divides the picture. On its left the near image is sharp, on its right the far one; the other is
    blurred with a Gaussian of a standard deviation of 3 pixels.
    """
    truth = data.immunohistochemistry()
    rows, columns = np.indices(truth.shape[:2])
    right = columns > truth.shape[1] / 2 + 60 * np.sin(rows / 60)
    share = ndi.gaussian_filter(right.astype(float), 2)[..., None]
    blurred = ndi.gaussian_filter(truth.astype(float), (3, 3, 0))
    near, far = (truth * (1 - part) + blurred * part for part in (share, 1 - share))
    return np.rint(near).astype(np.uint8), np.rint(far).astype(np.uint8), truth


def sharper_source(image0: Image, image1: Image, sigma_px: float = 4.0) -> Image:
    """At every pixel the source with more Laplacian energy, averaged in a Gaussian window: the usual baseline."""
    energy0, energy1 = (ndi.gaussian_filter(ndi.laplace(_luminance(x)) ** 2, sigma_px) for x in (image0, image1))
    first = energy0 >= energy1
    return np.where(first[..., None] if image0.ndim == 3 else first, image0, image1)


def average(image0: Image, image1: Image) -> Image:
    """The plain mean of both images, rounded to their dtype."""
    return np.rint((image0.astype(float) + image1) / 2).astype(image0.dtype)


def _luminance(image: Image) -> Image:
    grey: Image = color.rgb2gray(image[..., :3]) if image.ndim == 3 else img_as_float(image)
    return grey


def read_picture(path: Path) -> Image:
    """A picture of a file, grey or colour."""
    said = read_image(path)
    if said.axes not in ("YX", "YXS") or said.data.shape[2:] not in ((), (3,), (4,)):
        raise ValueError(f"{path}: expected a grey, RGB or RGBA picture, got an array of shape {said.data.shape}")
    return np.asarray(said.data[...])


def draw(panels: dict[str, Image]) -> Image:
    """One figure: uint8 pictures of one height side by side, each under its title."""
    gap, line = 8, 24
    pictures = [PIL.Image.fromarray(image).convert("RGB") for image in panels.values()]
    size = (sum(p.width + gap for p in pictures) - gap, pictures[0].height + line)
    figure = PIL.Image.new("RGB", size, "white")
    pen = PIL.ImageDraw.Draw(figure)
    left = 0
    for title, picture in zip(panels, pictures, strict=True):
        pen.text((left + 4, 4), title, fill="black", font_size=14)
        figure.paste(picture, (left, line))
        left += picture.width + gap
    return np.asarray(figure)


def to_uint8(images: Sequence[Image]) -> list[Image]:
    """Pictures to look at: one stretch for all, none for uint8."""
    if all(image.dtype == np.uint8 for image in images):
        return list(images)
    low, high = min(x.min() for x in images), max(x.max() for x in images)
    return [np.rint((x.astype(float) - low) * 255 / ((high - low) or 1)).astype(np.uint8) for x in images]


def run(image_paths: Sequence[Path], out: Path, model: str, device_name: str) -> None:
    """Fuse, write and print; see `main`."""
    truth = None
    if image_paths:
        near, far = (read_picture(path) for path in image_paths)
    else:
        near, far, truth = make_pair()
    # What PNG, as Pillow writes it, cannot hold goes to TIFF.
    fits_png = near.dtype == np.uint8 or (near.dtype == np.uint16 and near.ndim == 2)
    path = out / ("fused.png" if fits_png else "fused.tif")
    for there in (path, out / "figure.png"):
        if there.exists() and not is_ours(there):
            raise FileExistsError(f"{there}: expected a new file or a result of ours, got another")
    started = time.perf_counter()
    options = FuseOptions(channel_axis=-1 if near.ndim == 3 else None, model=model, device=device_name)
    result = drain(iter_fuse(near, far, options))
    seconds, fused, made = time.perf_counter() - started, result.image, result.made_by

    out.mkdir(parents=True, exist_ok=True)
    said = record(made, [path.name for path in image_paths] or ["near", "far"], seconds)
    write_image(path, fused, "YX" if fused.ndim == 2 else "YXS", provenance=said)
    panels = dict(zip(("near", "far", "fused"), to_uint8((near, far, fused)), strict=True))
    if truth is not None:
        panels["4 x |fused - truth|"] = np.clip(4 * np.abs(fused.astype(float) - truth), 0, 255).astype(np.uint8)
        rivals = {
            made["model"]: fused,
            "plain average": average(near, far),
            "sharper source": sharper_source(near, far),
        }
        for rival, image in rivals.items():
            print(f"{rival:>15}: PSNR to the truth {peak_signal_noise_ratio(truth, image):.2f} dB")
    write_image(out / "figure.png", draw(panels), "YXS", provenance=said)
    how = "{model} on {device}, {precision}".format(**made)
    print(f"{how}, {seconds:.2f} s, {near.shape[1]}x{near.shape[0]} pixels")
    print(f"Wrote {path} and {out / 'figure.png'}")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the demo with command-line arguments."""
    quiet_threads()
    parser = argparse.ArgumentParser(prog="python -m napari_rpsnn.cli.demo", description=__doc__.split("\n\n")[0])
    parser.add_argument("images", nargs="*", type=Path, metavar="A B", help="two image files of the same size")
    parser.add_argument("-o", "--out", type=Path, default=Path("demo"), help="folder for the results (default: demo)")
    parser.add_argument("--model", default="auto", help="rpsnn, rpsnn-lite or a weights file")
    parser.add_argument("--device", default="auto", help="cuda, mps or cpu")
    args = parser.parse_args(argv)
    if len(args.images) not in (0, 2):
        parser.error(f"expected no image or two, got {len(args.images)}")

    try:
        run(args.images, args.out, args.model, args.device)
    except (ValueError, TypeError, OSError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")


if __name__ == "__main__":
    main()

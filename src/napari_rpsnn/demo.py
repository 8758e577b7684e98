"""The main job, to look at: ``python -m napari_rpsnn.demo`` or ``python -m napari_rpsnn.demo A B -o OUT``.

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
from numpy.typing import NDArray
from scipy import ndimage as ndi
from skimage import color, data, metrics
from skimage.io import imread, imsave
from skimage.util import img_as_float

from napari_rpsnn.fusion import fuse

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


def draw(panels: dict[str, Image], path: Path) -> None:
    """Write one figure with the panels side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(panels), 4.4), layout="constrained")
    for axes, (title, image) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        axes.imshow(image, cmap="gray")
        axes.set_title(title)
        axes.axis("off")
    figure.savefig(path, dpi=110)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the demo with command-line arguments."""
    parser = argparse.ArgumentParser(prog="python -m napari_rpsnn.demo", description=__doc__.split("\n\n")[0])
    parser.add_argument("images", nargs="*", type=Path, metavar="A B", help="two image files of the same size")
    parser.add_argument("-o", "--out", type=Path, default=Path("demo"), help="folder for the results (default: demo)")
    parser.add_argument("--model", default="auto", help="rpsnn, rpsnn-lite or a weights file")
    parser.add_argument("--device", default="auto", help="cuda, mps or cpu")
    args = parser.parse_args(argv)
    if len(args.images) not in (0, 2):
        parser.error(f"expected no image or two, got {len(args.images)}")

    truth = None
    if args.images:
        near, far = (imread(path) for path in args.images)
    else:
        near, far, truth = make_pair()

    from napari_rpsnn import inference

    device = inference.choose_device(args.device)
    precision = inference.choose_precision("auto", device)
    model = inference.choose_model(args.model, device)
    started = time.perf_counter()
    fused = fuse(near, far, channel_axis=-1 if near.ndim == 3 else None, model=model, device=str(device))
    seconds = time.perf_counter() - started

    args.out.mkdir(parents=True, exist_ok=True)
    imsave(args.out / "fused.png", fused, check_contrast=False)
    panels = {"near": near, "far": far, "fused": fused}
    if truth is not None:
        panels["4 x |fused - truth|"] = np.clip(4 * np.abs(fused.astype(float) - truth), 0, 255).astype(np.uint8)
        rivals = {model: fused, "plain average": average(near, far), "sharper source": sharper_source(near, far)}
        for name, image in rivals.items():
            print(f"{name:>15}: PSNR to the truth {metrics.peak_signal_noise_ratio(truth, image):.2f} dB")
    draw(panels, args.out / "figure.png")
    print(
        f"{model} on {device}, {str(precision).removeprefix('torch.')}, {seconds:.2f} s, "
        f"{near.shape[1]}x{near.shape[0]} pixels"
    )
    print(f"Wrote {args.out / 'fused.png'} and {args.out / 'figure.png'}")


if __name__ == "__main__":
    main()

"""Make the figures of how-it-works.md: ``make docs`` runs this first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.patches import FancyBboxPatch, Rectangle
from skimage import data

from napari_rpsnn import fuse_stack, load_model
from napari_rpsnn.engine.stacks.evidence import look, to_steps
from napari_rpsnn.model.network import DILATIONS, HALO
from napari_rpsnn.plugin.sample_data import PIXEL_UM, STEP_UM, fluorescence_stack
from napari_rpsnn.training.defocus import brightfield, disk_blur, fluorescence

OUT = Path(__file__).parent / "figures"
BLUE, ORANGE, GREEN, GREY = "#2b6cb0", "#c05621", "#2f855a", "#4a5568"


def save(name: str) -> None:
    """Write the figure, the same bytes each time."""
    metadata = {"Software": None} if name.endswith(".png") else None
    plt.savefig(OUT / name, dpi=110, metadata=metadata, bbox_inches="tight")
    plt.close()


def box(axes: Any, x: float, y: float, text: str, colour: str, width: float = 1.0, height: float = 0.62) -> None:
    """A layer, drawn from its left side."""
    patch = FancyBboxPatch((x, y - height / 2), width, height, boxstyle="round,pad=0.02", color=colour, alpha=0.15)
    axes.add_patch(patch)
    axes.text(x + width / 2, y, text, ha="center", va="center", fontsize=8.5)


def arrow(axes: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From one layer to the next."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": GREY, "lw": 1})


def network() -> None:
    """The graph of R-PSNN, and a pyramid of it."""
    _, axes = plt.subplots(figsize=(10, 4.0))
    branch = ["conv\n7x7", "conv\n3x3", "residual\nblock", "pyramid", "residual\nblock", "pyramid", "residual\nblock"]
    join = ["conv 3x3\nof both", "4 residual\nblocks", "conv 1x1,\n7x7, 3x3"]
    for y, name, colour in ((3.2, "image 0", BLUE), (2.1, "image 1", ORANGE)):
        axes.text(-0.1, y, name, va="center", ha="left", fontsize=9)
        for k, layer in enumerate(branch):
            box(axes, 0.95 + 1.02 * k, y, layer, colour, 0.76)
            arrow(axes, (0.73 + 1.02 * k, y), (0.93 + 1.02 * k, y))
        arrow(axes, (7.87, y), (8.15, 2.75 if y > 2.6 else 2.55))
    for k, layer in enumerate(join):
        box(axes, 8.2 + 1.15 * k, 2.65, layer, GREEN, 0.9)
        arrow(axes, (9.14 + 1.15 * k, 2.65), (9.34 + 1.15 * k, 2.65))
    axes.text(11.7, 2.65, "image", va="center", fontsize=9)
    axes.text(0.95, 0.95, "a pyramid", fontsize=9, weight="bold")
    axes.text(0.95, 0.35, "features", va="center", fontsize=9)
    for k, dilation in enumerate(DILATIONS):
        y = 0.85 - 0.5 * k
        box(axes, 2.6, y, f"3 convs 3x3, dilation {dilation}", BLUE, 2.6, 0.36)
        box(axes, 5.6, y, "conv 1x1", BLUE, 1.0, 0.36)
        arrow(axes, (1.9, 0.35), (2.58, y))
        arrow(axes, (5.23, y), (5.58, y))
        arrow(axes, (6.63, y), (7.35, 0.35))
    axes.text(7.4, 0.35, "+ features", va="center", fontsize=9)
    axes.set(xlim=(-0.2, 12.3), ylim=(-0.5, 3.7))
    axes.axis("off")
    save("network.png")


def receptive_field() -> None:
    """How much each pixel of an input moves one pixel of the output."""
    model = load_model("rpsnn-lite")
    side = 2 * HALO + 21
    pair = [torch.from_numpy(x)[None] for x in picture_pair(side)]
    images = [x.clone().requires_grad_() for x in pair]
    model(*images)[0, :, side // 2, side // 2].sum().backward()
    reach = sum((x.grad.abs().sum((0, 1)) for x in images), torch.zeros(side, side)).numpy()  # type: ignore[union-attr]
    _, axes = plt.subplots(figsize=(4.6, 3.8))
    middle = side // 2
    ends = (-middle - 0.5, middle + 0.5)
    shown = axes.imshow(reach, norm=mpl.colors.LogNorm(reach.max() * 1e-7, reach.max()), extent=(*ends, *ends))
    axes.add_patch(Rectangle((-HALO - 0.5, -HALO - 0.5), 2 * HALO + 1, 2 * HALO + 1, fill=False, ec=ORANGE, lw=1.5))
    axes.set(xlabel="columns from the pixel", ylabel="rows", title=f"nothing beyond {HALO} pixels")
    axes.set_facecolor("white")
    plt.colorbar(shown, label="sum of absolute gradients")
    save("receptive-field.png")


def picture_pair(side: int) -> list[Any]:
    """A picture and the same out of focus, `(3, side, side)`."""
    sharp = torch.from_numpy(data.immunohistochemistry()[100 : 100 + side, 100 : 100 + side] / np.float32(255))
    sharp = sharp.permute(2, 0, 1)[None]
    return [x[0].numpy() for x in (sharp, disk_blur(sharp, 3.0))]


def defocus() -> None:
    """One picture out of focus by the physics of a camera, fluorescence and brightfield."""
    sharp = torch.from_numpy(data.immunohistochemistry()[60:220, 180:340] / np.float32(255)).permute(2, 0, 1)[None]
    grey = 1 - sharp.mean(1, keepdim=True)
    nuclei = (grey - grey.quantile(0.6)).clamp_min(0) * 2
    phase = 3 * disk_blur(1 - sharp.mean(1, keepdim=True), 2.0)
    rows = {
        "camera: a disk": [disk_blur(sharp, r) for r in (0.0, 2.0, 4.0, 8.0)],
        "fluorescence: haze": [fluorescence(nuclei, z, na=0.5, pixel_size_um=0.325) for z in (0.0, 4.0, 8.0, 16.0)],
        "brightfield, below": [brightfield(sharp, phase, k) for k in (0.0, -40.0, -80.0, -160.0)],
        "brightfield, above": [brightfield(sharp, phase, k) for k in (0.0, 40.0, 80.0, 160.0)],
    }
    figure, grid = plt.subplots(4, 4, figsize=(7.2, 7.4))
    for line, (name, images) in zip(grid, rows.items(), strict=True):
        for k, (axes, image) in enumerate(zip(line, images, strict=True)):
            seen = image[0].permute(1, 2, 0).numpy().clip(0, 1)
            axes.imshow(seen if seen.shape[2] == 3 else seen[..., 0] / images[0].max(), cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            if line is grid[0]:
                axes.set_title(("in focus", "a little off", "off", "far off")[k], fontsize=9)
        line[0].set_ylabel(name, fontsize=9)
    figure.tight_layout(pad=0.4)
    save("defocus.jpg")


def stack_decision() -> None:
    """A row of the sample stack: its planes, the energy of detail in each, and the plane that is taken."""
    (planes, *_), _, (height, *_) = fluorescence_stack()
    row, part = 150, slice(40, 340)
    _, index, confidence = fuse_stack(planes, return_index=True, return_confidence=True, model="rpsnn-lite")
    unit = (planes - planes.min()) / np.float32(np.ptp(planes))
    finest = [look(to_steps(torch.from_numpy(plane)[None, None]))[0][0, 1].numpy() for plane in unit]
    energy = np.repeat([plane[row // 2] for plane in finest], 2, 1)
    figure, (above, below, last) = plt.subplots(3, 1, figsize=(7.2, 5.4), sharex=True, height_ratios=(3, 3, 1.3))
    ends = (part.start, part.stop, len(planes) - 0.5, -0.5)
    above.imshow(planes[:, row, part], aspect="auto", extent=ends, cmap="gray", interpolation="nearest")
    above.set(ylabel="plane", yticks=range(0, len(planes), 3), title="the planes along one row")
    below.imshow(energy[:, part], aspect="auto", extent=ends, cmap="viridis", interpolation="nearest")
    columns = np.arange(part.start, part.stop) + 0.5
    below.plot(columns, index[row, part], color="white", lw=1.8, label="plane that is taken")
    below.plot(columns, height[row, part] / STEP_UM, color=ORANGE, lw=1.2, ls="--", label="true height")
    below.legend(fontsize=8, loc="lower right")
    below.set(ylabel="plane", yticks=range(0, len(planes), 3), title="energy of fine detail, one piece of the evidence")
    last.fill_between(columns, confidence[row, part], color=BLUE, alpha=0.4, lw=0)
    last.set(ylabel="confidence", ylim=(0, 1), xlabel=f"column, of {PIXEL_UM} µm")
    figure.tight_layout()
    save("stack-decision.png")


def main() -> None:
    """Make them all."""
    OUT.mkdir(exist_ok=True)
    torch.manual_seed(0)
    for figure in (network, receptive_field, defocus, stack_decision):
        figure()


if __name__ == "__main__":
    main()

"""
A stack and its heights
=======================

A fluorescence z-stack of tilted, curved tissue: *File ▸ Open Sample* in napari has it, too. Besides the image,
`fuse_stack` returns which plane each pixel comes from, how sure that is, and the height of the surface.
"""

import numpy as np
from matplotlib import pyplot as plt

from napari_rpsnn import fuse_stack
from napari_rpsnn.plugin.sample_data import STEP_UM, fluorescence_stack

(planes, *_), (truth, *_), (true_height, *_) = fluorescence_stack()
fused, index, confidence, height = fuse_stack(
    planes, return_index=True, return_confidence=True, return_height=True, plane_spacing=STEP_UM
)

figure, axes = plt.subplots(2, 3, figsize=(9, 6.2), layout="constrained")
look = {"cmap": "gray", "vmin": planes.min(), "vmax": np.percentile(planes, 99.8)}
depth = {"cmap": "viridis", "vmin": 0, "vmax": true_height.max()}
panels = {
    "plane 3 of 12": (planes[3], look),
    "fused": (fused, look),
    "truth": (truth, look),
    "confidence": (confidence, {"cmap": "magma", "vmin": 0, "vmax": 1}),
    "height [µm]": (height, depth),
    "true height [µm]": (true_height, depth),
}
for panel, (title, (image, options)) in zip(axes.flat, panels.items(), strict=True):
    shown = panel.imshow(image, **options)
    panel.set_title(title)
    panel.axis("off")
figure.colorbar(shown, ax=axes[1], shrink=0.8)

# %%
# Where there is nothing to see there is no height to be found, and confidence says so. Where it is high, the height is
# right to a fraction of the distance of two planes, which is 2 µm here.

sure = confidence > 0.9
print(f"{np.abs(height - true_height)[sure].mean():.2f} µm in {sure.mean():.0%} of the pixels")

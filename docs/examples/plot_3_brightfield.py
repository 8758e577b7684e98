"""
Rings are no detail
===================

Out of focus, a brightfield specimen that delays light has rings, which every measure of sharpness takes for detail. The
usual baseline, at every pixel the source with more of it, makes a patchwork of them.
"""

import numpy as np
from matplotlib import pyplot as plt

from napari_rpsnn import fuse
from napari_rpsnn.cli.demo import sharper_source
from napari_rpsnn.plugin.sample_data import brightfield_pair

near, far, truth = (layer[0] for layer in brightfield_pair())
images = {
    "near": near,
    "far": far,
    "truth": truth,
    "more detail wins": sharper_source(near, far),
    "decision": fuse(near, far, channel_axis=-1),
    "regression": fuse(near, far, channel_axis=-1, method="regression"),
}

figure, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")
for panel, (title, image) in zip(axes.flat, images.items(), strict=True):
    error = np.mean((image.astype(float) - truth) ** 2)
    decibels = "" if error == 0 else f", {10 * np.log10(255**2 / error):.1f} dB"
    panel.imshow(image[100:300, 100:300])
    panel.set_title(title + decibels)
    panel.axis("off")

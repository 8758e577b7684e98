"""
What fools a measure
====================

Without a truth, fused images are measured by their sources. Each of these pictures is worse than the truth, and yet
many measures give one of them more. :doc:`/metrics` has them all.
"""

import numpy as np
from matplotlib import pyplot as plt
from scipy.ndimage import gaussian_filter

from napari_rpsnn.cli.demo import make_pair
from napari_rpsnn.metrics import MEASURES, to_grey

near, far, truth = (to_grey(image[100:356, 130:386]) for image in make_pair())
noise = np.random.default_rng(0).normal(0, 10, truth.shape)
images = {
    "truth": truth,
    "with noise": np.clip(truth + noise, 0, 255),
    "sharpened": np.clip(2 * truth - gaussian_filter(truth, 1.5), 0, 255),
    "the first source, not fused": near,
}

figure, axes = plt.subplots(1, 4, figsize=(11, 3), layout="constrained")
for panel, (title, image) in zip(axes, images.items(), strict=True):
    panel.imshow(image, cmap="gray", vmin=0, vmax=255)
    panel.set_title(title)
    panel.axis("off")

# %%
# An asterisk: more than the truth has.

print(f"{'':10}" + "".join(f"{title.split()[-1]:>12}" for title in images))
for measure in MEASURES:
    figures = [measure.of([near, far], image, truth) for image in images.values()]
    cells = (f"{value:10.4f} {'*' if value > figures[0] else ' '}" for value in figures)
    print(f"{measure.name:10}" + "".join(cells), "" if measure.trusted else "  not to be trusted")

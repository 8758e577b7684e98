"""
Places without data
===================

An earlier alignment has left a border without data in each image. Where one image has data, it is taken; where neither
has, the result has none.
"""

import numpy as np
from matplotlib import pyplot as plt

from napari_rpsnn import fuse
from napari_rpsnn.cli.demo import make_pair

near, far, _ = (image[100:356, 130:386].mean(-1) for image in make_pair())
near[:40] = np.nan
far[:, -40:] = np.nan
fused = fuse(near, far)

figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
for panel, (title, image) in zip(axes, {"near": near, "far": far, "fused": fused}.items(), strict=True):
    panel.imshow(image, cmap="gray")
    panel.set_facecolor("tab:orange")
    panel.set(title=title, xticks=[], yticks=[])

# %%
# Only the corner that no image shows is without data.

assert np.isnan(fused[:40, -40:]).all()
assert np.isnan(fused).sum() == 40 * 40

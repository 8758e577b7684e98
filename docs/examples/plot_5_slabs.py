"""
A stack of slabs
================

In a thick specimen one image of all planes puts things over each other that lie far apart. `slab=4` makes an image of
every four neighbouring planes, half of which the next one has, too: a stack of fewer, deeper planes.
"""

import numpy as np
from matplotlib import pyplot as plt

from napari_rpsnn import fuse_stack
from napari_rpsnn.plugin.sample_data import fluorescence_stack

planes = fluorescence_stack()[0][0]
slabs = fuse_stack(planes, slab=4)
print(f"{len(planes)} planes, {len(slabs)} slabs")

figure, axes = plt.subplots(1, len(slabs), figsize=(11, 2.6), layout="constrained")
for k, (panel, slab) in enumerate(zip(axes, slabs, strict=True)):
    panel.imshow(slab, cmap="gray", vmin=planes.min(), vmax=np.percentile(planes, 99.8))
    panel.set_title(f"planes {2 * k} to {2 * k + 3}")
    panel.axis("off")

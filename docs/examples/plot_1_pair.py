"""
Two images
==========

The left part of one image is sharp, the right part of the other. The decision map says how much of the first image is
in each pixel.
"""

from matplotlib import pyplot as plt
from skimage.metrics import peak_signal_noise_ratio

from napari_rpsnn import fuse
from napari_rpsnn.cli.demo import make_pair

near, far, truth = make_pair()
fused, share = fuse(near, far, channel_axis=-1, return_map=True)

figure, axes = plt.subplots(2, 2, figsize=(7, 7), layout="constrained")
images = {"near": near, "far": far, "fused": fused, "share of near": share}
for panel, (title, image) in zip(axes.flat, images.items(), strict=True):
    panel.imshow(image, cmap="gray")
    panel.set_title(title)
    panel.axis("off")

# %%
# The pair was made of a sharp picture, so that the error is known.

print(f"{peak_signal_noise_ratio(truth, fused):.2f} dB")

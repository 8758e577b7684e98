"""The paper's graph without any rewriting: what the network is compared with, and what the benchmarks race against."""

import torch
from torch.nn import functional as F


def as_in_the_paper(weights, image0, image1):
    """The graph written out from its description, with the tensor names of the authors' checkpoint."""

    def conv(x, name, dilation=1):
        w = weights[f"{name}.weight"]
        return F.conv2d(x, w, padding=w.shape[-1] // 2 * dilation, dilation=dilation)

    def active(x):
        return F.leaky_relu(x, 0.1)

    def residual(x, name):
        return x + conv(active(conv(x, f"{name}.res.0")), f"{name}.res.2")

    def pyramid(x, name):
        y = x
        for group in (1, 2, 3):
            parts = [active(conv(x, f"{name}.conv{group}_{i}.0", d)) for i, d in ((1, 1), (2, 4), (3, 8))]
            y = y + conv(torch.cat(parts, 1), f"{name}.conv{group}")
        return y

    def branch(x, name):
        x = active(conv(x, f"{name}.0.conv.0"))
        x = active(conv(x, f"{name}.1.conv.0"))
        x = pyramid(residual(x, f"{name}.2"), f"{name}.3")
        return residual(pyramid(residual(x, f"{name}.4"), f"{name}.5"), f"{name}.6")

    x = torch.cat([branch(image0, "Siamese_1"), branch(image1, "Siamese_2")], 1)
    x = active(conv(x, "Gen_Module.0.conv.0"))
    for i in (1, 2, 3, 4):
        x = residual(x, f"Gen_Module.{i}")
    for i in (5, 6, 7):
        x = active(conv(x, f"Gen_Module.{i}.conv.0"))
    return x


def authors_checkpoint(network):
    """The network's tensors under the authors' names."""
    prefixes = {"branches.0.": "Siamese_1.", "branches.1.": "Siamese_2.", "generator.": "Gen_Module."}
    state = network.state_dict()
    return {
        theirs + n.removeprefix(ours): t
        for ours, theirs in prefixes.items()
        for n, t in state.items()
        if n.startswith(ours)
    }

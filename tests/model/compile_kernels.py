"""Compile the kernels that the full model needs for an H100, without one, and tell what they are made of, as JSON."""

import json

import torch
import triton
from triton.backends.compiler import GPUTarget

from napari_rpsnn.model import triton_kernels
from napari_rpsnn.model.network import RPSNN
from napari_rpsnn.model.triton_network import FusedRPSNN


class Driver:
    """What Triton asks of a GPU's driver when it compiles."""

    get_current_target = staticmethod(lambda: GPUTarget("cuda", 90, 32))
    get_current_device = staticmethod(lambda: 0)
    get_current_stream = staticmethod(lambda device: 0)


class Compiled:
    """A kernel that is compiled when it should be started."""

    def __init__(self, kernel):
        self.kernel = kernel

    def __getitem__(self, programs):
        def compile_(*arguments, **options):
            kernel = self.kernel.warmup(*arguments, grid=programs, **options)
            code = kernel.asm["ptx"]
            found[kernel.hash] = {
                "name": kernel.name,
                "shared": kernel.metadata.shared,
                "products": code.count("wgmma.mma_async"),
                "copies": code.count("cp.async.bulk.tensor"),
            }

        return compile_


found = {}
triton.runtime.driver.set_active(Driver())
for name in ("_convolve", "_pyramid"):
    setattr(triton_kernels, name, Compiled(getattr(triton_kernels, name)))
with torch.inference_mode():
    network = FusedRPSNN(RPSNN())
    for size in ((64, 64), (33, 47)):
        network(*torch.rand(2, 1, 3, *size))
print(json.dumps(list(found.values())))

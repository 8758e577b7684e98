"""What the processes of `worker.py` do: fuse, run a network alone, find the peak of the machine, make the pictures.

Every function here prepares and returns (work, facts): what is to be timed, and what there is to know beforehand.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.io import imread, imsave
from torch.nn import functional as F

from napari_rpsnn import fuse, fuse_stack, load_model
from napari_rpsnn.cli.demo import make_pair
from napari_rpsnn.engine.inference import arithmetic
from napari_rpsnn.engine.memory import keep_freed
from napari_rpsnn.model.arithmetic import half_network, has_bfloat16, has_kernels
from napari_rpsnn.plugin import sample_data

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))
from plain import as_in_the_paper, authors_checkpoint

#: What is done for a line that the process reads, and facts.
Task = tuple[Callable[[str], dict[str, Any]], dict[str, Any]]


def fuse_files(folder: str, model: str, precision: Any, device: str) -> Task:
    """Time `fuse` as a user calls it, on pictures that are in memory."""
    pairs = read_pairs(folder)

    def work(name: str) -> dict[str, Any]:
        near, far = pairs[name]
        fused = fuse(near, far, channel_axis=-1, model=model, precision=precision, device=device)
        return {"psnr": psnr(folder, name, fused)} if name != "speed" else {}

    return work, {"weights": count_weights(model)}


def network_alone(folder: str, model: str, precision: str, device: str) -> Task:
    """Time the network on the whole picture, nothing before and nothing after: what `fuse` cannot be faster than."""
    if device == "cpu":
        keep_freed()  # as `fuse` does
    network = load_model(model).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    compute = (half_network(network) if precision == "float16" else None) or network
    pair = [x.contiguous(memory_format=torch.channels_last) for x in to_tensors(read_pairs(folder)["speed"], device)]

    @torch.inference_mode()
    def work(_: str) -> dict[str, Any]:
        with arithmetic(torch.device(device), getattr(torch, precision)):
            compute(*pair)
        return {}

    return work, {"weights": count_weights(model)}


def plain_network(folder: str, model: str, device: str) -> Task:
    """Time the paper's network as its authors run it: eager, float32, whole pictures, all convolutions one by one."""
    weights = {name: x.to(device) for name, x in authors_checkpoint(load_model(model)).items()}
    pairs = {name: to_tensors(pair, device) for name, pair in read_pairs(folder).items()}

    @torch.no_grad()
    def work(name: str) -> dict[str, Any]:
        fused = as_in_the_paper(weights, *pairs[name])
        if name == "speed":
            return {}
        picture = fused[0].permute(1, 2, 0).cpu().numpy().clip(0, 1)
        return {"psnr": psnr(folder, name, np.rint(picture * 255).astype(np.uint8))}

    return work, {"weights": count_weights(model)}


def peak_of_machine(precision: str, device: str) -> Task:
    """Measure the operations per second of a large convolution and of a large product of matrices."""
    dtype, side = getattr(torch, precision), 8192 if device.startswith("cuda") else 1536
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    rows = side // 4
    x = torch.randn(1, 64, rows, rows, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    w = torch.randn(192, 64, 3, 3, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last)
    jobs: list[tuple[Callable[[], object], int]] = [
        (lambda: a @ b, 2 * side**3),
        (lambda: F.conv2d(x, w, padding=1), 2 * 192 * 64 * 9 * rows**2),
    ]

    def work(_: str) -> dict[str, Any]:
        best = 0.0
        for job, operations in jobs:
            for _repeat in range(5):
                started = time.perf_counter()
                job()
                if device.startswith("cuda"):
                    torch.cuda.synchronize()
                best = max(best, operations / (time.perf_counter() - started))
        return {"operations_per_s": best}

    return work, machine(device)


def fuse_of_size(side: int, planes: int, model: str, device: str) -> Task:
    """Time `fuse`, or `fuse_stack` of planes that are made when they are read: the stack itself takes no memory."""
    grey = [np.rint(image.mean(-1)).astype(np.uint8) for image in make_pair()[:2]]
    near, far = (enlarged(image, side) for image in grey)

    class Stack:
        shape, ndim, dtype = (planes, side, side), 3, near.dtype

        def __getitem__(self, key: Any) -> NDArray[Any]:
            k, *window = key
            whole = near if k % 2 else far
            part: NDArray[Any] = np.roll(whole, 8 * (k // 2), axis=0)[tuple(window)]  # no two planes are the same
            return part

    stack: Any = Stack()

    def work(_: str) -> dict[str, Any]:
        if planes == 2:
            fuse(near, far, model=model, device=device)
        else:
            fuse_stack(stack, model=model, device=device)
        return {}

    fuse(*grey, model=model, device=device)  # loads the libraries and the weights
    return work, machine(device)


def write_pairs(folder: str, side: int, device: str) -> Task:
    """Write pairs with known truth: "speed", of the size to be timed, "blur" and "brightfield"."""
    made = {"speed": [enlarged(image, side) for image in make_pair()], "blur": make_pair()}
    made["brightfield"] = [data for data, *_ in sample_data.brightfield_pair()]
    for name, images in made.items():
        (Path(folder) / name).mkdir()
        for kind, image in zip(("near", "far", "truth"), images, strict=True):
            path = Path(folder) / (f"{name}/{kind}.png" if kind != "truth" else f"{name}-truth.png")
            imsave(path, image, check_contrast=False)

    def work(line: str) -> dict[str, Any]:
        name, path = line.split(" ", 1)
        return {"psnr": psnr(folder, name, imread(path)[..., :3])}

    return work, machine(device)


def enlarged(image: NDArray[Any], side: int) -> NDArray[Any]:
    """`image` cut, or continued as in a mirror, to a square."""
    more = [(0, max(0, side - n)) for n in image.shape[:2]]
    return np.pad(image, [*more, (0, 0)][: image.ndim], mode="symmetric")[:side, :side]


def read_pairs(folder: str) -> dict[str, list[NDArray[Any]]]:
    """Near and far of every pair in the folder."""
    names = ("speed", "blur", "brightfield")
    return {name: [imread(Path(folder) / name / f"{kind}.png") for kind in ("near", "far")] for name in names}


def psnr(folder: str, name: str, fused: NDArray[Any]) -> float:
    """PSNR of 8-bit pictures in dB."""
    truth = imread(Path(folder) / f"{name}-truth.png")
    return float(10 * np.log10(255**2 / np.mean((truth.astype(float) - fused) ** 2)))


def to_tensors(pair: list[NDArray[Any]], device: str) -> list[torch.Tensor]:
    """8-bit RGB pictures as the network takes them."""
    return [torch.from_numpy(x).to(device).permute(2, 0, 1)[None].float() / 255 for x in pair]


def count_weights(model: str) -> int:
    """Number of weights: each is multiplied and added once for every pixel."""
    return sum(x.numel() for x in load_model(model).parameters())


def machine(device: str) -> dict[str, Any]:
    """The machine in words, and what precisions are to be measured on it."""
    bfloat16, float16 = has_bfloat16(torch.device(device)), has_kernels(torch.device(device))
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name(device)
    else:
        info = Path("/proc/cpuinfo")
        models = (
            [x.split(":")[1].strip() for x in info.read_text().splitlines() if x.startswith("model name")]
            if (info.exists())
            else [platform.processor()]
        )
        name = f"{models[0]}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    words = f"{name}, {'with' if bfloat16 else 'without'} bfloat16; torch {torch.__version__}, {platform.system()}"
    precisions = ["float32", *["bfloat16"] * bfloat16, *["float16"] * float16]
    return {"machine": words, "precisions": precisions}


TASKS: dict[str, Callable[..., Task]] = {
    "fuse": fuse_files,
    "network": network_alone,
    "plain": plain_network,
    "peak": peak_of_machine,
    "size": fuse_of_size,
    "pairs": write_pairs,
}

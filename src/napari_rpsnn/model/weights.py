"""Network weights: load files safely, save.

Our files are safetensors: loading one runs no code. Files of the paper's authors are PyTorch checkpoints
(``.pth``), read with ``weights_only=True``, which runs none either.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save as serialize

from napari_rpsnn.io.atomic import write_bytes
from napari_rpsnn.io.provenance import sha256
from napari_rpsnn.model.ambient import undisturbed
from napari_rpsnn.model.catalog import model_path
from napari_rpsnn.model.network import RPSNN
from napari_rpsnn.model.weight_file import TensorFile

#: What names a model: a bundled name, a file, or a network.
ModelLike = str | os.PathLike[str] | RPSNN

#: The authors' names of the two branches and the generation module, and ours. The rest of each name is the same.
AUTHORS_PREFIXES = {"Siamese_1.": "branches.0.", "Siamese_2.": "branches.1.", "Gen_Module.": "generator."}


@undisturbed
def load_model(model: str | os.PathLike[str]) -> RPSNN:
    """Return an R-PSNN with the weights of a bundled model or of a file.

    Parameters
    ----------
    model : str or path-like
        ``"rpsnn"`` (width 64, the paper's), ``"rpsnn-lite"`` (width 16), or the path of a ``.safetensors`` file
        written by `napari-rpsnn-train` or of a PyTorch checkpoint (``.pth``) with the tensor names of the paper's
        authors. The width is read from the tensors.

    Returns
    -------
    RPSNN
        In float32 on the CPU, a fresh copy at every call. `napari_rpsnn.fuse` takes it as its `model`.

    Raises
    ------
    FileNotFoundError
        If `model` is neither a bundled name nor a file.
    ValueError
        If the file holds no R-PSNN weights; the message names what is missing or of the wrong shape.

    References
    ----------
    .. [1] L. Jiang et al., "Pseudo-Siamese residual atrous pyramid network for multi-focus image fusion",
           IET Image Processing 15 (2021), :doi:`10.1049/ipr2.12326`

    Examples
    --------
    >>> from napari_rpsnn import load_model
    >>> load_model("rpsnn-lite").width
    16
    """
    path = model_path(model)
    file = TensorFile(path, _our_name)
    found, width = file.shapes, _width_of(file.shapes, path)
    with torch.device("meta"):  # takes no memory, whatever the width
        expected = {name: tuple(t.shape) for name, t in RPSNN(width).state_dict().items()}
    if wrong := sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k)):
        name = wrong[0]
        raise ValueError(
            f"model: {path} holds no R-PSNN of width {width}: {len(wrong)} tensors differ, the first is "
            f"{name}: expected shape {expected.get(name)}, got {found.get(name)}"
        )
    network = _empty_network(width)
    network.load_state_dict(file.tensors())
    return network.eval()


def _empty_network(width: int) -> RPSNN:
    with torch.random.fork_rng(devices=[]):  # the weights drawn here are overwritten; the user's numbers stay
        return RPSNN(width).float()


def _width_of(shapes: Mapping[str, tuple[int, ...]], path: Path) -> int:
    first = shapes.get("generator.0.conv.0.weight", ())
    if len(first) != 4 or first[0] < 1:
        raise ValueError(
            f"model: expected R-PSNN weights in {path}, with tensors named 'branches.0.…', 'branches.1.…', "
            f"'generator.…' or 'Siamese_1.…', 'Siamese_2.…', 'Gen_Module.…', got {sorted(shapes)[:3]}"
        )
    return first[0]


def _our_name(name: str) -> str:
    for theirs, ours in AUTHORS_PREFIXES.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name


@lru_cache(maxsize=4)
def _cached(path: Path, modified_ns: int, device: torch.device) -> RPSNN:
    return load_model(path).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@undisturbed
def prepared_model(model: ModelLike, device: torch.device) -> RPSNN:
    """`model` on `device` in the memory layout for inference; files are read once and kept. Not to be changed."""
    if isinstance(model, RPSNN):
        return copy.deepcopy(model).float().to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload,no-any-return]
    path = model_path(model)
    return _cached(path.resolve(), path.stat().st_mtime_ns, device)


@lru_cache(maxsize=16)
def _sha256_of(path: Path, modified_ns: int) -> str:
    return sha256(path)


@undisturbed
def model_sha256(model: ModelLike) -> str:
    """SHA-256, in hexadecimal digits, of a model's file, or of the values of a network."""
    if isinstance(model, RPSNN):
        digest = hashlib.sha256()
        for tensor in model.state_dict().values():
            digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()
    path = model_path(model)
    return _sha256_of(path.resolve(), path.stat().st_mtime_ns)


def read_card(model: str | os.PathLike[str]) -> dict[str, Any]:
    """Metadata of a ``.safetensors`` model: how it was made, from what, and how good it is."""
    path = model_path(model)
    try:
        with safe_open(path, framework="pt") as file:
            card: dict[str, Any] = json.loads((file.metadata() or {}).get("card", "{}"))
    except Exception as error:  # a damaged file may raise nearly anything
        raise ValueError(f"model: {path}: expected a weights file with a card, got none: {error}") from error
    return card


def save_model(network: RPSNN, path: str | os.PathLike[str], card: Mapping[str, Any]) -> None:
    """Write weights and their `card`, anything JSON can hold, to a ``.safetensors`` file; whole or not at all."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
    write_bytes(path, serialize(tensors, {"format": "napari-rpsnn", "card": json.dumps(card)}))

"""Tensors of a file, with shapes known before memory is taken: a few bytes never take gigabytes, and run no code."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

#: PyTorch stores tensors as they are: a file that unpacks to more was made to.
INFLATED = 2


class TensorFile:
    """Names and shapes of the tensors of a ``.safetensors`` or PyTorch file, which is read by `tensors`.

    Parameters
    ----------
    path : path
    rename : callable
        Our name of a tensor, of the file's.

    Raises
    ------
    ValueError
        If it is no table of tensors of real floating-point numbers. The message names the file.
    """

    def __init__(self, path: Path, rename: Callable[[str], str]) -> None:
        self.path, self._rename = path, rename
        self.shapes = dict[str, tuple[int, ...]]()
        self._loaded: Mapping[str, Tensor] | None = None
        if path.suffix == ".safetensors":
            kinds = self._of_safetensors()
        else:
            self._loaded = load_pickled(path, "model")
            kinds = self._of_table(self._loaded)
        if wrong := sorted(name for name, kind in kinds.items() if not kind):
            raise ValueError(f"model: expected real floating-point tensors in {path}, got others, as {wrong[0]!r}")

    def tensors(self) -> dict[str, Tensor]:
        """All of it as float32, finite."""
        if self._loaded is None:
            with safe_open(self.path, framework="pt") as file:
                found = {self._rename(name): file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        else:
            found = {self._rename(name): tensor.float() for name, tensor in self._loaded.items()}
        for name, tensor in found.items():
            if not torch.isfinite(tensor).all():
                count = int((~torch.isfinite(tensor)).sum())
                raise ValueError(f"model: {self.path}: {name}: expected finite weights, got {count} that are not")
        return found

    def _of_safetensors(self) -> dict[str, bool]:
        kinds = {}
        try:
            with safe_open(self.path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118
                    part = file.get_slice(name)
                    self.shapes[self._rename(name)] = tuple(part.get_shape())
                    kinds[name] = part.get_dtype().lstrip("B").startswith("F")
        except Exception as error:  # a damaged file may raise nearly anything
            raise ValueError(f"model: {self.path} cannot be read as a weights file: {error}") from error
        return kinds

    def _of_table(self, table: Any) -> dict[str, bool]:
        if not isinstance(table, Mapping) or not all(isinstance(tensor, Tensor) for tensor in table.values()):
            raise ValueError(f"model: expected a table of tensors in {self.path}, got {type(table).__name__}")
        if other := [name for name in table if not isinstance(name, str)]:
            raise ValueError(f"model: expected names of tensors in {self.path}, got {other[0]!r}")
        self.shapes = {self._rename(name): tuple(tensor.shape) for name, tensor in table.items()}
        return {name: tensor.is_floating_point() and tensor.layout == torch.strided for name, tensor in table.items()}


def load_pickled(path: Path, argument: str) -> Any:
    """What `torch.save` wrote, of plain values and tensors only; `argument` is for the message.

    Raises
    ------
    ValueError
        If it is damaged, would run code, or unpacks to much more than it is.
    """
    try:
        unpacked, most = 0, INFLATED * path.stat().st_size
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                unpacked = sum(entry.file_size for entry in file.infolist())
        if unpacked <= most:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what torch would like to hear of
                return torch.load(path, map_location="cpu", weights_only=True)
        why = f"expected at most {most} bytes in it, got {unpacked}"
    except MemoryError:
        raise
    except Exception:  # a damaged file may raise nearly anything
        why = "expected a whole file of tensors and plain values alone, got another"
    # Neither torch's words nor its exception go along: they advise to run what is in the file.
    raise ValueError(f"{argument}: {path} cannot be read as what PyTorch saved: {why}")

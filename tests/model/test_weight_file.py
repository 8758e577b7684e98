"""Weights that must not be read: they ask for memory, are not numbers, or are no weights."""

import io
import pathlib
import pickle
import subprocess
import sys
import traceback
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from napari_rpsnn.model.network import RPSNN
from napari_rpsnn.model.weights import load_model, read_card


def tensors():
    return {name: tensor.clone() for name, tensor in RPSNN(4).state_dict().items()}


def refused(path, message):
    with pytest.raises(ValueError, match=message) as said:
        load_model(path)
    assert path.name in str(said.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, suffix, value):
    table = tensors()
    table["generator.0.conv.0.weight"].view(-1)[0] = value
    path = tmp_path / f"w{suffix}"
    save_file(table, path) if suffix == ".safetensors" else torch.save(table, path)
    refused(path, r"generator\.0\.conv\.0\.weight: expected finite weights, got 1 that are not")


@pytest.mark.parametrize("dtype", [torch.int32, torch.complex64])
def test_weights_that_are_not_real_are_refused(tmp_path, dtype):
    torch.save({name: tensor.to(dtype) for name, tensor in tensors().items()}, tmp_path / "w.pth")
    refused(tmp_path / "w.pth", "expected real floating-point tensors")


def test_names_that_are_none_are_refused(tmp_path):
    torch.save({1: torch.zeros(3)}, tmp_path / "w.pth")
    refused(tmp_path / "w.pth", "expected names of tensors .* got 1")


@pytest.mark.parametrize("content", [b"anything", pickle.dumps(pathlib.PurePosixPath("a"))])
def test_nobody_is_advised_to_run_what_is_in_a_file(tmp_path, recwarn, content):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"w\.pth cannot be read as what PyTorch saved: expected a whole file of tensors"
    ) as said:
        load_model(tmp_path / "w.pth")
    told = "".join(traceback.format_exception(said.value))
    assert "weights_only" not in told
    assert "issue" not in told
    assert not recwarn.list


def hungry(path, kind):
    """A file of a few hundred bytes that asks for gigabytes."""
    if kind == "wide":
        save_file({"generator.0.conv.0.weight": torch.empty(30_000, 0, 1, 1)}, path)
    elif kind == "expanded":
        one = torch.zeros(1)
        torch.save({name: one.expand(10**6, *tensor.shape) for name, tensor in tensors().items()}, path)
    else:
        content = io.BytesIO()
        torch.save(tensors(), content)
        with zipfile.ZipFile(content) as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for entry in whole.infolist():
                data = bytes(3 * 10**8) if entry.filename.endswith("data/0") else whole.read(entry)
                packed.writestr(entry.filename, data)


@pytest.mark.parametrize(("name", "kind"), [("w.safetensors", "wide"), ("w.pth", "expanded"), ("w.pth", "packed")])
def test_a_few_bytes_take_no_gigabytes(tmp_path, name, kind):
    hungry(tmp_path / name, kind)
    script = (
        "import resource, sys; from napari_rpsnn import load_model; import napari_rpsnn.model.weights\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: load_model(sys.argv[1])\n"
        "except ValueError as error: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", script, tmp_path / name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200_000  # KiB


def test_a_card_that_is_none_is_named(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"w\.safetensors: expected a weights file with a card"):
        read_card(tmp_path / "w.safetensors")

"""Results depend on nothing that the user has set in torch, which stays so. Networks are read in fresh processes."""

import multiprocessing
import subprocess
import sys

import numpy as np
import pytest
import torch

from napari_rpsnn import TrainConfig, fuse, load_model, train

FUSE = """
import sys
from contextlib import ExitStack
import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from napari_rpsnn import fuse, fuse_stack, load_model

def state():
    return (
        torch.get_default_dtype(), len(torch.overrides._get_current_function_mode_stack()), torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"),
        torch.get_num_threads(), torch.initial_seed(), np.geterr(),
    )

rng = np.random.default_rng(0)
stack = gaussian_filter(255 * rng.random((4, 40, 50)), (0, 1, 1))
stack[:, :, 25:] = gaussian_filter(stack[:, :, 25:], (0, 2, 2))
stack[::2] = stack[::2, :, ::-1]
with ExitStack() as settings:
    exec(sys.argv[1])
    before = state()
    maps = dict(return_index=True, return_confidence=True, return_height=True, precision="float32")
    results = [
        *fuse(*stack[:2], return_map=True, precision="float32"),
        fuse(*stack[:2], method="regression", model=load_model("rpsnn-lite"), precision="float32"),
        *fuse_stack(stack, **maps),
        *fuse_stack(stack[:2], **maps),
        fuse_stack(stack, method="regression", precision="float32"),
    ]
    assert state() == before
    assert all(weight.requires_grad for weight in load_model("rpsnn-lite").parameters())
np.savez(sys.argv[2], *results)
"""

EVERYTHING = """
torch.set_default_device("meta")
torch.set_default_dtype(torch.float64)
settings.enter_context(torch.autocast("cpu", torch.bfloat16))
settings.enter_context(torch.inference_mode())
np.seterr(all="raise")
"""
LESS_THAN_FLOAT32 = "torch.set_default_dtype(torch.bfloat16); torch.set_grad_enabled(False)"


def results_under(settings, path):
    subprocess.run([sys.executable, "-c", FUSE, settings, path], check=True)
    with np.load(path) as file:
        return [file[name] for name in file]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return results_under("", tmp_path_factory.mktemp("plain") / "results.npz")


@pytest.mark.parametrize("settings", [EVERYTHING, LESS_THAN_FLOAT32], ids=["everything", "less"])
def test_results_depend_on_none_of_torchs_settings_and_change_none(settings, plain, tmp_path):
    for got, expected in zip(results_under(settings, tmp_path / "results.npz"), plain, strict=True):
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == expected.dtype


def test_a_default_device_that_is_not_there_is_not_asked_for(grey_pair):
    near, far, _ = grey_pair
    with torch.device("cuda:7"):
        fused = fuse(near, far)
    np.testing.assert_array_equal(fused, fuse(near, far))


def test_training_refuses_settings_that_it_would_come_out_otherwise_by(tmp_path):
    config = TrainConfig(data=str(tmp_path), out=str(tmp_path / "run"))
    with torch.no_grad(), pytest.raises(RuntimeError, match=r"train: expected .*, got torch\.no_grad"):
        train(config)
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(RuntimeError, match=r"train: expected .*, got torch\.set_default_dtype"):
            train(config)
    finally:
        torch.set_default_dtype(torch.float32)


def _fuse_in_child(images, results):
    # The model is another one than the parent's: loading it is work for several threads, too.
    results.put((fuse(*images), load_model("rpsnn").width))


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked")
def test_a_forked_process_fuses_what_its_parent_does():
    images = np.random.default_rng(0).integers(0, 255, (2, 200, 300), dtype=np.uint8)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # those are what a child lacks
    try:
        expected = fuse(*images)
        context = multiprocessing.get_context("fork")
        results = context.Queue()
        child = context.Process(target=_fuse_in_child, args=(images, results), daemon=True)
        child.start()
        fused, width = results.get(timeout=60)
        child.join()
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(fused, expected)
    assert width == 64

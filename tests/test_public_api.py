import doctest
import inspect

import pytest

import napari_rpsnn
from napari_rpsnn import fusion, stack
from napari_rpsnn.model import weights


def test_public_names():
    assert set(napari_rpsnn.__all__) == {"RPSNN", "TrainConfig", "fuse", "fuse_stack", "load_model", "metrics", "train"}
    assert all(getattr(napari_rpsnn, name).__doc__ for name in napari_rpsnn.__all__)


@pytest.mark.parametrize("name", ["fuse", "fuse_stack", "load_model", "train"])
def test_options_are_keyword_only(name):
    parameters = inspect.signature(getattr(napari_rpsnn, name)).parameters.values()
    assert all(p.default is p.empty or p.kind is p.KEYWORD_ONLY for p in parameters)


@pytest.mark.parametrize("module", [fusion, stack, weights])
def test_examples_run(module):
    failed, tried = doctest.testmod(module)
    assert (failed, tried > 0) == (0, True)

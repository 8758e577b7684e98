"""Weights and checkpoints that were damaged anywhere: a network or a ValueError that names the file."""

import pytest
import torch
from generated import damages, examples
from hypothesis import given
from networks import randomized

from napari_rpsnn.model.weights import load_model, save_model


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_damaged_weights_are_a_network_or_refused_by_name(tmp_path, kind):
    network, path, refused = randomized(3), tmp_path / f"a.{kind}", []
    if kind == "pth":
        torch.save(network.state_dict(), path)
    else:
        save_model(network, path, {})
    content = path.read_bytes()
    assert load_model(path).width == 3

    @examples(60)
    @given(damages())
    def check(damage):
        change, cut = damage
        path.write_bytes(change(content))
        try:
            load_model(path)
        except ValueError as error:
            refused.append(error)
            assert path.name in str(error)  # noqa: PT017
        else:
            assert not cut or path.read_bytes() == content

    check()
    assert len(refused) > 6

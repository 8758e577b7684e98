import pytest
import torch
from networks import image, randomized
from plain import as_in_the_paper, authors_checkpoint

from napari_rpsnn.model.network import HALO, RPSNN, widen


def test_size_is_the_papers():
    state = RPSNN().state_dict()
    assert len(state) == 76
    assert sum(t.numel() for t in state.values()) == 2_322_289


@pytest.mark.parametrize("width", [16, 64])
def test_merged_convolutions_equal_the_plain_graph(width):
    network = randomized(width)
    a, b = image(1, 3, 50, 60), image(1, 3, 50, 60, seed=1)
    plain = as_in_the_paper(authors_checkpoint(network), a, b)
    with torch.inference_mode():
        merged = network(a, b)
    assert (merged - plain).abs().max() <= 1e-5 * plain.abs().max()


@pytest.mark.parametrize("width", [3, 8, 12, 16, 64])
def test_a_new_network_returns_the_mean(width):
    a, b = image(2, 3, 20, 30), image(2, 3, 20, 30, seed=1)
    torch.testing.assert_close(RPSNN(width)(a, b), (a + b) / 2, rtol=0, atol=1e-6)


def test_the_decision_of_a_new_network_selects_a_source():
    network = RPSNN(16)
    a, b = image(1, 3, 20, 30), image(1, 3, 20, 30, seed=1)
    for decision, source in ((6, a), (7, b)):
        network.reset_parameters()
        with torch.no_grad():
            network.generator[0].conv[0].weight[decision, 0, 1, 1] = 100
        torch.testing.assert_close(network(a + 0.1, b + 0.1), source + 0.1, rtol=0, atol=1e-4)


def test_networks_share_no_tensor():
    networks = RPSNN(16), RPSNN(16)
    pointers = [t.data_ptr() for n in networks for t in n.state_dict().values()]
    assert len(set(pointers)) == 2 * 76


def test_receptive_radius_is_the_halo():
    network = randomized().double()
    a = image(1, 3, 101, 101).double().requires_grad_()
    b = image(1, 3, 101, 101, seed=1).double().requires_grad_()
    network(a, b)[..., 50, 50].sum().backward()
    for source in (a, b):
        rows = source.grad.abs().sum((0, 1, 3)).nonzero()
        assert (rows.min(), rows.max()) == (50 - HALO, 50 + HALO)


def test_positively_homogeneous():
    network = randomized().double()
    a, b = image(1, 3, 30, 30).double(), image(1, 3, 30, 30, seed=1).double()
    torch.testing.assert_close(network(7 * a, 7 * b), 7 * network(a, b))


def test_widening_changes_nothing():
    network = randomized(16)
    a, b = image(1, 3, 30, 40), image(1, 3, 30, 40, seed=1)
    expected = network(a, b)
    torch.testing.assert_close(widen(network, 48)(a, b), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (3, 500)])
def test_any_size(size):
    assert RPSNN(16)(image(1, 3, *size), image(1, 3, *size)).shape == (1, 3, *size)


def test_too_narrow_is_refused():
    with pytest.raises(ValueError, match="width: expected at least 3, got 2"):
        RPSNN(2)
    with pytest.raises(ValueError, match="width: expected at least the network's 32, got 16"):
        widen(RPSNN(32), 16)

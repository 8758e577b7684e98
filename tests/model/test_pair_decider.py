import pytest
import torch

from napari_rpsnn.model.pair_decider import AGREED, DILATIONS, EVEN, ODD, Decider, bundled_decider

SWAP = torch.tensor([-1.0] * ODD + [1.0] * EVEN)[:, None, None]


@pytest.fixture
def decider():
    torch.manual_seed(0)
    decider = Decider()
    torch.nn.init.normal_(decider.last)
    return decider


@pytest.mark.parametrize("shape", [(1, 1), (7, 12), (64, 33)])
def test_a_decision_changes_its_sign_when_the_sources_change_places(decider, shape):
    known = torch.randn(2, ODD + EVEN, *shape)
    decided = decider(known)
    assert decided.shape == (2, *shape)
    torch.testing.assert_close(decider(known * SWAP), -decided)
    known[:, :ODD] = 0
    assert (decider(known) == 0).all()


def test_the_layers_cannot_turn_against_evidence_without_a_dissent(decider):
    known = torch.randn(1, ODD + EVEN, 60, 60)
    odd = known[0, :ODD]
    agreed = (odd.sign().sum(0).abs() == ODD) & (odd.abs().amin(0) > 0.05)
    decided, weakest = decider(known)[0][agreed], odd.abs().amin(0)[agreed] * odd[0][agreed].sign()
    assert (decided * weakest.sign() >= AGREED * weakest.abs() - 1e-4).all()
    decider.direct.data.fill_(-5)  # they try
    assert (decider(known)[0][agreed] * weakest > 0).all()


def test_nothing_beyond_the_halo_is_seen(decider):
    halo = sum(DILATIONS)
    known = torch.randn(1, ODD + EVEN, 81, 81)
    changed = known.clone()
    changed[..., 40, 40] += 1
    for axis in (decider(changed) != decider(known))[0].nonzero(as_tuple=True):
        assert (axis.min(), axis.max()) == (40 - halo, 40 + halo)


def test_the_bundled_one_is_read_once_and_follows_what_speaks_clearly():
    decider = bundled_decider(torch.device("cpu"))
    assert decider is bundled_decider(torch.device("cpu"))
    known = torch.zeros(1, ODD + EVEN, 80, 80)
    known[:, :ODD] = 0.9
    known[..., 40:] *= -1
    decided = decider(known)[0]
    assert (decided[:, :30] > 0).all()
    assert (decided[:, 50:] < 0).all()

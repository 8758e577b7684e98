import pytest
import torch
from skimage import data

from napari_rpsnn.training.defocus import brightfield
from napari_rpsnn.training.transmitted import uneven_section


@pytest.fixture
def density():
    picture = torch.from_numpy(data.immunohistochemistry()[100:196, 100:196].mean(-1)).float() / 255
    return -picture.clamp_min(0.05).log()


def test_a_flat_section_is_seen_as_it_is_in_its_plane(density):
    flat = torch.full_like(density, 2.0)
    planes, truth = uneven_section(density / 2, 0.3 * density, flat, 5, 15.0, condenser=0.08, cutoff=0.4)
    assert (planes - truth).square().mean((1, 2)).argmin() == 2
    torch.testing.assert_close(planes[2], truth, rtol=0, atol=1e-3)


def test_light_of_one_direction_and_a_wide_lens_are_as_in_brightfield(density):
    flat = torch.zeros_like(density)
    planes, _ = uneven_section(density / 2, 0.3 * density, flat, 3, 8.0, condenser=0.0, cutoff=2.0)
    for k, seen in enumerate(planes):
        known = brightfield((-density).exp()[None, None], 0.3 * density[None, None], 8.0 * k, condenser=0.0)[0, 0]
        torch.testing.assert_close(seen, known, rtol=1e-3, atol=1e-3)


def test_each_place_is_sharp_in_its_own_plane(density):
    depth = torch.zeros_like(density)
    depth[:, 48:] = 6
    planes, truth = uneven_section(density / 2, 0.3 * density, depth, 7, 15.0, condenser=0.08, cutoff=0.4)
    errors = (planes - truth).square()
    assert errors[:, 12:-12, 12:36].mean((1, 2)).argmin() == 0
    assert errors[:, 12:-12, 60:84].mean((1, 2)).argmin() == 6

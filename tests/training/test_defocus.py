import pytest
import torch
from skimage import data

from napari_rpsnn.training import defocus


@pytest.fixture(scope="module")
def sharp():
    """Three pictures of 128x128 pixels, RGB in [0, 1]."""
    x = torch.from_numpy(data.immunohistochemistry()).permute(2, 0, 1)[None].float() / 255
    return torch.cat([x[..., i : i + 128, i : i + 128] for i in (0, 100, 200)])


def detail(x):
    return float(x.diff(dim=-1).abs().mean() + x.diff(dim=-2).abs().mean())


@pytest.mark.parametrize("blur", [defocus.gaussian_blur, defocus.disk_blur])
def test_blur_keeps_the_light_and_takes_the_detail(sharp, blur):
    blurred = blur(sharp, 3.0)
    torch.testing.assert_close(blurred.mean((2, 3)), sharp.mean((2, 3)))
    assert detail(blurred) < 0.6 * detail(sharp)
    torch.testing.assert_close(blur(sharp, 0.0), sharp)


@pytest.mark.parametrize("blur", [defocus.gaussian_blur, defocus.disk_blur])
def test_every_image_has_its_own_amount(sharp, blur):
    amounts = torch.tensor([0.5, 2.0, 5.0])
    together = blur(sharp, amounts)
    for i, amount in enumerate(amounts):
        torch.testing.assert_close(together[i], blur(sharp[i : i + 1], float(amount))[0], rtol=0, atol=1e-5)


def point(size=129):
    x = torch.zeros(1, 1, size, size)
    x[..., size // 2, size // 2] = 1
    return x


def test_a_point_becomes_a_disk_of_the_radius():
    disk = defocus.disk_blur(point(), 10.0)[0, 0]
    y, x = torch.meshgrid(*(torch.arange(129.0) - 64,) * 2, indexing="ij")
    inside = torch.hypot(x, y) < 8
    torch.testing.assert_close(disk[inside].mean(), torch.tensor(1 / (torch.pi * 100)), rtol=0.02, atol=0)
    assert disk[torch.hypot(x, y) > 14].abs().mean() < 0.02 * disk[inside].mean()


def test_fluorescence_spreads_with_the_aperture_and_the_distance():
    optics = {"wavelength_um": 0.5, "na": 0.6, "pixel_size_um": 0.2}
    y, x = torch.meshgrid(*(torch.arange(129.0) - 64,) * 2, indexing="ij")
    radii = []
    for z in (0.0, 4.0, 8.0):
        psf = defocus.fluorescence(point(), z, **optics)[0, 0]
        assert psf.min() > -1e-6
        torch.testing.assert_close(psf.sum(), torch.tensor(1.0))
        radii.append(float((psf * torch.hypot(x, y)).sum()))
    # Geometric optics: a cone of the aperture's angle, whose mean radius is 2/3 of its rim.
    assert radii[0] < radii[1] < radii[2]
    rim = 8.0 * 0.6 / (1 - 0.6**2) ** 0.5 / 0.2
    assert radii[2] == pytest.approx(2 / 3 * rim, rel=0.25)


def test_fluorescence_is_the_same_above_and_below_focus(sharp):
    torch.testing.assert_close(defocus.fluorescence(sharp, 3.0), defocus.fluorescence(sharp, -3.0), rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def phase(sharp):
    return 3 * defocus.gaussian_blur(1 - sharp.mean(1, keepdim=True), 2.0)


def test_brightfield_in_focus_is_the_sharp_image_exactly(sharp, phase):
    assert torch.equal(defocus.brightfield(sharp, phase, 0.0), sharp)


def test_brightfield_loses_no_light(sharp, phase):
    for kappa in (-80.0, 80.0):
        seen = defocus.brightfield(sharp, phase, kappa)
        torch.testing.assert_close(seen.mean((2, 3)), sharp.mean((2, 3)), rtol=1e-4, atol=1e-4)


def test_brightfield_inverts_the_contrast_of_a_phase_object():
    y, x = torch.meshgrid(*(torch.arange(128.0) - 64,) * 2, indexing="ij")
    bump = torch.exp(-(x**2 + y**2) / (2 * 8**2))[None, None]
    clear = torch.ones(1, 1, 128, 128)
    above, below = (defocus.brightfield(clear, bump, kappa, condenser=0.0)[0, 0, 64, 64] for kappa in (40.0, -40.0))
    # A bump that delays light is a converging lens: bright in the middle on one side of focus, dark on the other.
    assert above > 1.05
    assert below < 0.95


def test_a_wide_condenser_washes_the_rings_out(sharp, phase):
    narrow, wide = (defocus.brightfield(sharp, phase, 100.0, condenser=c) for c in (0.0, 0.05))
    assert detail(wide) < 0.7 * detail(narrow)


def test_grey_images_work_too(sharp, phase):
    grey = sharp[:, :1]
    assert defocus.brightfield(grey, phase, 50.0).shape == grey.shape


def test_levels_are_blended_pixel_by_pixel():
    levels = [torch.full((1, 1, 1, 5), float(value)) for value in (0, 10, 40)]
    where = torch.tensor([0, 0.25, 0.5, 0.75, 1])
    torch.testing.assert_close(defocus.between(levels, where), torch.tensor([[[[0, 5, 10, 25, 40.0]]]]))

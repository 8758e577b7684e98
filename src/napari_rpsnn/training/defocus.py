"""What a lens out of focus would have recorded: geometric, fluorescence and brightfield defocus.

Every function takes a batch `(N, C, rows, columns)` of sharp images in [0, 1] and one amount of defocus per image,
works on the device of its input, and is differentiable. All of them filter in the Fourier domain, which repeats
the picture at its borders: hand in a margin as wide as the blur and cut it off afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

#: Wavelengths of red, green and blue relative to green (630, 532 and 465 nm, a halogen lamp on a colour camera).
RELATIVE_WAVELENGTHS = (1.184, 1.0, 0.874)
#: Second moment of the light of a point, for each micrometre of defocus, in `fluorescence`.
WIDEFIELD_PX_PER_UM = 3.3
#: Blur that makes no difference.
NOT_SEEN_PX = 0.1


def _frequencies(image: Tensor, *, real: bool) -> tuple[Tensor, Tensor]:
    """Spatial frequencies along rows and columns in cycles per pixel; of a real image half of the plane is enough."""
    rows, columns = image.shape[-2:]
    fy = torch.fft.fftfreq(rows, device=image.device)[:, None]
    fx = (torch.fft.rfftfreq if real else torch.fft.fftfreq)(columns, device=image.device)[None, :]
    return fy, fx


def _per_image(value: Tensor | float, image: Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float32, device=image.device).reshape(-1, 1, 1, 1)


def _filter(image: Tensor, transfer: Tensor) -> Tensor:
    """Multiply the spectrum of a real image with `transfer`, given on the half plane of `_frequencies`."""
    filtered: Tensor = torch.fft.irfft2(torch.fft.rfft2(image) * transfer, s=image.shape[-2:])
    return filtered


def gaussian_blur(image: Tensor, sigma_px: Tensor | float) -> Tensor:
    """Blur each image with a Gaussian of standard deviation `sigma_px`: the usual model of a lens with aberrations.

    Parameters
    ----------
    image : Tensor of shape `(N, C, rows, columns)`
    sigma_px : float or Tensor of shape `(N,)`

    Returns
    -------
    Tensor of the shape of `image`
    """
    fy, fx = _frequencies(image, real=True)
    return _filter(image, torch.exp(-2 * (math.pi * _per_image(sigma_px, image)) ** 2 * (fy**2 + fx**2)))


def disk_blur(image: Tensor, radius_px: Tensor | float) -> Tensor:
    """Blur each image with a uniform disk, the circle of confusion of an ideal lens in geometric optics.

    The transfer function of a disk of radius r is ``2 J1(2 pi r f) / (2 pi r f)``.

    Parameters
    ----------
    image : Tensor of shape `(N, C, rows, columns)`
    radius_px : float or Tensor of shape `(N,)`

    Returns
    -------
    Tensor of the shape of `image`
    """
    fy, fx = _frequencies(image, real=True)
    x = 2 * math.pi * _per_image(radius_px, image).abs() * torch.sqrt(fy**2 + fx**2)
    small = x < 1e-3
    x = torch.where(small, torch.ones_like(x), x)
    return _filter(image, torch.where(small, torch.ones_like(x), 2 * torch.special.bessel_j1(x) / x))


def fluorescence(
    image: Tensor,
    z_um: Tensor | float,
    *,
    wavelength_um: float = 0.52,
    na: float = 0.8,
    refractive_index: float = 1.0,
    pixel_size_um: float = 0.2,
) -> Tensor:
    """Image of a thin fluorescent layer `z_um` away from the plane of focus of a widefield microscope.

    Fluorescence is incoherent: intensities add, and light from other depths adds as haze. The point spread
    function is the squared modulus of the Fourier transform of the pupil with the defocus phase
    ``2 pi z sqrt((n / wavelength)^2 - f^2)`` (scalar theory; M. Gu, "Advanced Optical Imaging Theory", ch. 3). With
    ``z_um = 0`` the result is what the microscope records in focus. The total light stays.

    Parameters
    ----------
    image : Tensor of shape `(N, C, rows, columns)`
    z_um : float or Tensor of shape `(N,)`
        Distance from the plane of focus in micrometres; its sign plays no role.
    wavelength_um, na, refractive_index, pixel_size_um : float
        Emission wavelength, numerical aperture, refractive index of the immersion medium, and pixel size in the
        specimen.

    Returns
    -------
    Tensor of the shape of `image`
    """
    fy, fx = (f / pixel_size_um for f in _frequencies(image, real=False))
    f2 = fy**2 + fx**2
    aperture = (f2 <= (na / wavelength_um) ** 2).to(torch.float32)
    axial = torch.sqrt(((refractive_index / wavelength_um) ** 2 - f2).clamp_min(0))
    phase = 2 * math.pi * _per_image(z_um, image) * axial

    psf = torch.fft.ifft2(torch.polar(aperture.expand_as(phase), phase)).abs() ** 2
    otf = torch.fft.rfft2(psf)
    return _filter(image, otf / otf[..., :1, :1])


def spread_gaussian(image: Tensor, size_px: float) -> Tensor:
    """`gaussian_blur`; where next to nothing is blurred, the image as it is."""
    return gaussian_blur(image, size_px) if size_px > NOT_SEEN_PX else image


def spread_disk(image: Tensor, size_px: float) -> Tensor:
    """`disk_blur` by the disk of the second moment of a Gaussian of this standard deviation."""
    return disk_blur(image, 2 * size_px) if size_px > NOT_SEEN_PX else image


def spread_widefield(image: Tensor, size_px: float) -> Tensor:
    """`fluorescence` whose cone of light has this second moment; it does not resolve all that is in focus."""
    return fluorescence(image, size_px / WIDEFIELD_PX_PER_UM)


def brightfield(
    image: Tensor,
    phase_rad: Tensor,
    kappa_px2: Tensor | float,
    *,
    condenser: Tensor | float = 0.02,
) -> Tensor:
    """Image of a thin absorbing and refracting specimen `kappa_px2` away from the plane of focus in brightfield.

    The specimen turns the illumination into the complex field ``sqrt(image) * exp(i phase)``. Free space multiplies
    its spectrum by the Fresnel factor ``exp(-i pi kappa f^2)`` (J. W. Goodman, "Introduction to Fourier Optics",
    ch. 4), and the camera records the squared modulus: Becke rings and contrast that inverts, differently above and
    below focus. Light from a condenser comes from many directions; a wave tilted by the frequency q only shifts its
    picture by ``kappa q``, so that the sum over a disk of directions is a blur with a disk of radius
    ``|kappa| condenser`` (partial coherence). With ``kappa_px2 = 0`` the result is `image` exactly.

    Parameters
    ----------
    image : Tensor of shape `(N, 3 or 1, rows, columns)`
        Transmitted intensity of the specimen in focus, in [0, 1].
    phase_rad : Tensor of shape `(N, 1, rows, columns)`
        Phase delay in radians at the green wavelength.
    kappa_px2 : float or Tensor of shape `(N,)`
        Signed defocus in square pixels, wavelength times distance over the square of the pixel size. Rings have
        a width of about ``sqrt(|kappa|)`` pixels.
    condenser : float or Tensor of shape `(N,)`, optional
        Largest tilt of the illumination in cycles per pixel.

    Returns
    -------
    Tensor of the shape of `image`
    """
    colours = RELATIVE_WAVELENGTHS if image.shape[1] == 3 else (1.0,)
    wavelength = torch.tensor(colours, device=image.device).reshape(1, -1, 1, 1)
    kappa = _per_image(kappa_px2, image)
    fy, fx = _frequencies(image, real=False)
    amplitude = image.clamp_min(0).sqrt()
    field = torch.polar(amplitude, phase_rad / wavelength)
    fresnel = -math.pi * kappa * wavelength * (fy**2 + fx**2)
    propagated = torch.fft.ifft2(torch.fft.fft2(field) * torch.polar(torch.ones_like(fresnel), fresnel))
    recorded = disk_blur(propagated.abs() ** 2, (kappa * _per_image(condenser, image)).flatten())
    return torch.where(kappa == 0, image, recorded)


def between(levels: Sequence[Tensor], where: Tensor) -> Tensor:
    """Blend of equally spaced levels of defocus: `where`, pixel by pixel, runs from 0, the first, to 1, the last.

    Parameters
    ----------
    levels : sequence of Tensor of shape `(N, C, rows, columns)`
    where : Tensor that broadcasts to their shape

    Returns
    -------
    Tensor of the shape of a level
    """
    position = where * (len(levels) - 1)
    out = torch.zeros_like(levels[0])
    for i, level in enumerate(levels):
        out = out + level * (1 - (position - i).abs()).clamp_min(0)
    return out


def through(levels: Sequence[Tensor], where: Tensor) -> Tensor:
    """`between` of one image, at a cost that does not grow with the number of levels."""
    stacked = torch.cat(list(levels))[None, :, 0]
    position = where.clamp(0, 1) * (len(levels) - 1)
    low = position.long().clamp(max=len(levels) - 2)
    return torch.lerp(stacked.gather(1, low), stacked.gather(1, low + 1), position - low)

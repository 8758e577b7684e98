"""What an image file says: data that are read when they are indexed, axes, sizes, units and channel names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

#: Units as OME-TIFF, and we, write them; as OME-Zarr does; and lengths in cm, for a TIFF's resolution.
UNITS: dict[str, tuple[str, float | None]] = {
    "Å": ("angstrom", 1e-8),
    "nm": ("nanometer", 1e-7),
    "µm": ("micrometer", 1e-4),
    "mm": ("millimeter", 0.1),
    "cm": ("centimeter", 1.0),
    "m": ("meter", 100.0),
    "in": ("inch", 2.54),
    "ms": ("millisecond", None),
    "s": ("second", None),
    "min": ("minute", None),
    "h": ("hour", None),
}
#: Other spellings, ImageJ's and those of OME-Zarr. The first µ is the Greek letter.
ALIASES = {"μm": "µm", "um": "µm", "micron": "µm", "microns": "µm", "\\u00B5m": "µm", "inch": "in", "sec": "s"}
ALIASES |= {name: unit for unit, (name, _) in UNITS.items()}


class PlaneArray:
    """Array that reads a plane from its file when it is indexed, so that a stack never is in memory as a whole.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
    leading : int
        Number of axes before those of a plane.
    read : callable
        Returns a plane, given its number in C order.
    """

    def __init__(
        self, shape: tuple[int, ...], dtype: DTypeLike, leading: int, read: Callable[[int], NDArray[Any]]
    ) -> None:
        self.shape, self.dtype, self.ndim = shape, np.dtype(dtype).newbyteorder("="), len(shape)
        self._numbers = np.arange(prod(shape[:leading])).reshape(shape[:leading])
        self._read = read

    @property
    def chunks(self) -> tuple[int, ...]:
        """What is read at a time: a plane."""
        leading = self._numbers.ndim
        return (1,) * leading + self.shape[leading:]

    def __getitem__(self, key: Any) -> NDArray[Any]:
        key = key if isinstance(key, tuple) else (key,)
        if Ellipsis in key:
            at = key.index(Ellipsis)
            key = key[:at] + (slice(None),) * (self.ndim - len(key) + 1) + key[at + 1 :]
        leading = self._numbers.ndim
        numbers = np.asarray(self._numbers[key[:leading]])
        planes = [self._read(int(n))[key[leading:]].astype(self.dtype, copy=False) for n in numbers.flat]
        return np.stack(planes).reshape(numbers.shape + planes[0].shape) if numbers.ndim else planes[0]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self[...].astype(dtype or self.dtype, copy=False)


@dataclass(frozen=True)
class ImageFile:
    """An image and what its file says about it.

    Attributes
    ----------
    data : array_like
        With `shape`, `dtype`, `ndim` and basic indexing, read when indexed.
    axes : str
        One letter for each axis: T, C, Z, Y, X, S (the samples of a colour), or Q for one without a known name.
    scale : dict of str to float
        Pixel size, plane spacing and time step, where the file has them. Along Z negative where planes lie ever lower.
    units : dict of str to str
        Of `scale`: ``"µm"``, ``"s"``; see `UNITS`.
    channel_names : tuple of str
        Empty where the file has none.
    origin : dict of str to float
        Where the first pixel lies, in the units of `scale`, where the file says it; in ``"pixel"``, which is in `units`
        then, where it was cut from an image whose pixel size is not known.
    looks : tuple of dict
        How each channel is shown and made, where the file says it: ``colour`` as ``"00FF00"``, ``window`` as the
        values shown black and full, ``emission`` and ``excitation`` as wavelengths in nm.
    mode : str
        How ImageJ shows the channels: ``"composite"``, ``"color"`` or ``"grayscale"``.
    calibration : dict of str to object
        What values stand for, in ImageJ's words: a function, ``cf``, its coefficients, ``c0`` and so on, and ``vunit``.
    companions : tuple of str
        Names of the files in the same folder that hold the image, if they are several.
    tags : dict of str to bytes
        ``icc``, a colour profile, and ``exif``, what a camera says.
    notes : tuple of str
        What the user is to know of the file.
    """

    data: Any
    axes: str
    scale: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    origin: dict[str, float] = field(default_factory=dict)
    looks: tuple[dict[str, Any], ...] = ()
    mode: str = ""
    calibration: dict[str, Any] = field(default_factory=dict)
    companions: tuple[str, ...] = ()
    tags: dict[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def colours(self) -> int:
        """How many samples a pixel has; 0: it is grey."""
        return int(self.data.shape[self.axes.index("S")]) if "S" in self.axes else 0

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """Of what is read at a time: rows, columns and colours."""
        return tuple(self.data.shape[min(self.axes.index(axis) for axis in "YXS" if axis in self.axes) :])

    def lengths(self, axes: str) -> tuple[int, ...]:
        """Lengths of some of the axes, in the order of the image."""
        return tuple(n for axis, n in zip(self.axes, self.data.shape, strict=True) if axis in axes)

    def planes(self) -> Iterator[NDArray[Any]]:
        """All planes, read one by one."""
        for place in np.ndindex(self.data.shape[: self.data.ndim - len(self.plane_shape)]):
            yield np.asarray(self.data[place])

    def ordered(self, order: str) -> tuple[NDArray[Any], str]:
        """Data and axes, sorted: first the axes that `order` does not name, as they are, then those that it names."""
        places = sorted(range(len(self.axes)), key=lambda place: order.find(self.axes[place]))
        return np.transpose(self.data, places), "".join(self.axes[place] for place in places)


def plain_unit(said: str) -> str:
    """A unit as `UNITS` spells it; one that is not there as it is."""
    return ALIASES.get(said, said)


def chosen(images: Sequence[str], series: int | None) -> int:
    """The number of the one image of a file, or of the one that is asked for; `images` are described for a message."""
    if series is None and len(images) == 1:
        return 0
    if series is None or not 0 <= series < len(images):
        listed = "; ".join(f"{number}: {text}" for number, text in enumerate(images)) or "none"
        asked = "" if series is None else f" and no series {series}"
        raise ValueError(f"expected one image in the file, got {len(images)}{asked}; --series takes one of: {listed}")
    return series


def same_values(array: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays are equal; what is not a number is equal to itself."""
    return np.array_equal(array, other, equal_nan=array.dtype.kind == "f")


def length_factor(unit: str, other: str) -> float | None:
    """What lengths in a unit are multiplied by to be in another; None if either is not known."""
    from_cm, to_cm = (UNITS.get(plain_unit(name), ("", None))[1] for name in (unit, other))
    return from_cm / to_cm if from_cm and to_cm else None


def software() -> str:
    """What files say they were written by."""
    return f"napari-rpsnn {version('napari-rpsnn')}"

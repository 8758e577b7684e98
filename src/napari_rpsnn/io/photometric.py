"""From the numbers that a file stores to those that are seen: palettes, white as 0, inks, bits, alpha, turned pictures.

A palette that is a ramp of one colour, as ImageJ gives to a channel of fluorescence, is a way to show a channel, not
its values: those stay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Step = Callable[[NDArray[Any]], NDArray[Any]]

#: Numbers that are seen as they are stored, or that the decoder converts.
PLAIN = ("MINISBLACK", "RGB")
#: What a TIFF may say of a sample beyond grey: alpha that values are multiplied by, and alpha beside them.
ALPHA = (1, 2)
#: Differences of a palette from a ramp that come from rounding, of 65535.
ROUNDING = 600


def as_seen(axes: str, page: Any, turned: bool) -> tuple[str, list[Step]]:
    """The axes of a plane as it is seen, and the steps that lead there.

    Parameters
    ----------
    axes : str
        Of a plane as it is stored.
    page : tifffile.TiffPage
    turned : bool
        Whether the tag for orientation counts.

    Raises
    ------
    ValueError
        If we do not know what is seen.
    """
    kind, bits, steps = page.photometric.name, int(page.bitspersample), list[Step]()
    if page.dtype == np.bool_ or bits == 1:
        bits = 8
        steps.append(lambda plane: plane.astype(np.uint8) * np.uint8(255))
    if kind == "MINISWHITE" and (page.dtype.kind in "ub"):
        top = 2**bits - 1
        steps.append(lambda plane: plane.dtype.type(top) - plane)
    elif kind == "PALETTE" and axes.endswith("YX"):
        if ramp_colour(page) is None:
            table = palette(page)
            steps.append(lambda plane: table[plane])
            axes += "S"
    elif kind == "SEPARATED" and axes.endswith("S") and page.samplesperpixel == 4 and page.dtype.kind == "u":
        steps.append(_without_inks)
    elif kind == "MINISBLACK" and "S" in axes and page.samplesperpixel == 2 and page.extrasamples[0] in ALPHA:
        samples = axes.index("S")
        steps.append(lambda plane: as_rgba(plane, samples))
    elif kind not in PLAIN and not (kind == "YCBCR" and "JPEG" in page.compression.name):
        raise ValueError(
            f"expected numbers that are seen, of grey, RGB, a palette or 4 inks, got {kind} of {page.dtype}, "
            f"{page.samplesperpixel} a pixel, with the axes {axes}"
        )
    orientation = int(page.tags.valueof("Orientation", 1)) if turned else 1
    if orientation in range(2, 9):
        place = axes.index("Y")
        if axes[place : place + 2] != "YX":
            raise ValueError(f"expected rows before columns in a turned picture, got the axes {axes}")
        steps.append(lambda plane: turn(plane, place, orientation))
    return axes, steps


def ramp_colour(page: Any) -> str | None:
    """The colour of a palette that goes evenly from black to it, as hexadecimal digits; None: it does not."""
    if page.photometric.name != "PALETTE" or page.colormap is None:
        return None
    table = np.asarray(page.colormap, float).T
    ramp = np.linspace(0, 1, len(table))[:, None] * table[-1]
    if np.abs(table - ramp).max() > ROUNDING or not table[-1].any():
        return None
    return "".join(f"{int(value) >> 8:02X}" for value in table[-1])


def palette(page: Any) -> NDArray[np.uint8]:
    """The colours of a palette. Some programs store 8 bits in its 16."""
    table = np.asarray(page.colormap).T
    return (table >> 8 if table.max() > 255 else table).astype(np.uint8)


def turn(plane: NDArray[Any], rows: int, orientation: int) -> NDArray[Any]:
    """A picture as it is to be seen, by the number that TIFF and EXIF have for how it lies; `rows` is an axis."""
    if orientation > 4:
        plane = plane.swapaxes(rows, rows + 1)
    flipped = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}.get(orientation, ())
    return np.flip(plane, tuple(rows + axis for axis in flipped))


def as_rgba(plane: NDArray[Any], samples: int) -> NDArray[Any]:
    """A picture of grey and alpha, two samples along an axis: two that nobody names are two colours to all others."""
    return np.take(plane, (0, 0, 0, 1), samples)


def _without_inks(plane: NDArray[Any]) -> NDArray[Any]:
    """RGB of cyan, magenta, yellow and black."""
    top = float(np.iinfo(plane.dtype).max)
    light = (top - plane[..., :3]) * (top - plane[..., 3:]) / top
    return np.rint(light).astype(plane.dtype)

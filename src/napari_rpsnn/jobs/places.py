"""Where the results of a part of a stack, and of its slabs, lie, as files say it."""

from __future__ import annotations

from dataclasses import replace
from math import copysign

import numpy as np

from napari_rpsnn.images.focus_stack import FocusStack
from napari_rpsnn.images.slabs import middle_of, step_of
from napari_rpsnn.io.image_file import ImageFile
from napari_rpsnn.jobs.finding import Say
from napari_rpsnn.options import StackOptions


def as_asked(image: ImageFile, plane_spacing: float | None = None, plane_origin: float | None = None) -> ImageFile:
    """`image`, with what was asked for in place of what it says of Z; None: nothing. Planes that fall keep falling."""
    scale, origin = dict(image.scale), dict(image.origin)
    if plane_spacing is not None:
        scale["Z"] = copysign(plane_spacing, scale.get("Z", 1.0))
    if plane_origin is not None:
        origin["Z"] = plane_origin
    return replace(image, scale=scale, origin=origin)


def results_of(image: ImageFile, options: StackOptions, say: Say) -> ImageFile:
    """What a stack says of itself, for what is made of the part of it that `options` tell: shape, scale and origin.

    Its data have no values. Where the file says where it lies and not how large its pixels are, it cannot be told where
    the part lies: then that is said, and left out.

    Raises
    ------
    ValueError
        If the stack has no such part.
    """
    whole = FocusStack.of(image.data, options.axis, options.channel_axis, options.guide_channel)
    part = whole.part(options.planes, options.region)
    shape, like = list(image.data.shape), image
    for axis, (start, stop) in zip("YX", options.region or (), strict=False):
        shape[image.axes.index(axis)] = stop - start
        like = _moved(like, axis, start, say)
    if options.slab is not None:
        shape[options.axis] = len(part.slabs(options.slab))
        # Without the distance of planes nobody could tell one slab's place from the next one's.
        if "Z" in like.scale or "Z" in like.origin:
            like = _moved(like, "Z", part.first + middle_of(options.slab), say)
        if "Z" in like.scale:
            like = replace(like, scale=like.scale | {"Z": like.scale["Z"] * step_of(options.slab)})
    return replace(like, data=np.broadcast_to(np.zeros((), image.data.dtype), shape))


def _moved(image: ImageFile, axis: str, pixels: float, say: Say) -> ImageFile:
    """`image` as it begins so many pixels later; its origin counts pixels where their size is not known."""
    origin, units = dict(image.origin), dict(image.units)
    if not pixels:
        return image
    if axis in image.scale:
        origin[axis] = origin.get(axis, 0.0) + pixels * image.scale[axis]
    elif axis in origin:
        say(f"the size of pixels along {axis} is not known: neither is where the result lies there.")
        del origin[axis]
    else:
        origin[axis], units[axis] = float(pixels), "pixel"
    return replace(image, origin=origin, units=units)

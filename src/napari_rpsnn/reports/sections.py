"""A stack, or two images, and what became of them, looked at picture by picture: what a quality report shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.array_like import as_array, as_mask
from napari_rpsnn.images.focus_stack import FocusStack
from napari_rpsnn.images.image_view import ImageView
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.images.validity import NO_PLANE, like_the_rest, split_pair
from napari_rpsnn.options import FuseOptions, StackOptions
from napari_rpsnn.reports.quality import Decision, Finding, findings
from napari_rpsnn.reports.survey import Survey


@dataclass(frozen=True)
class Section:
    """Of one picture.

    Attributes
    ----------
    name : str
        Empty where there is but one.
    image : ndarray of shape `(rows, columns, colours)`
        The fused one.
    survey : Survey
    decision : Decision
    index : ndarray of shape `(rows, columns)`, or None
        The plane of each pixel, from 0 for the first one that was looked at; -1 where none has data.
    findings : list of Finding
    """

    name: str
    image: NDArray[Any]
    survey: Survey
    decision: Decision
    index: NDArray[np.int32] | None
    findings: list[Finding]


def stack_sections(images: Any, options: StackOptions, result: Any, unit: str = "") -> Iterator[Section]:
    """Of what `iter_fuse_stack` made of `images`; `unit` is that of `plane_spacing`, empty if it is not known."""
    if options.slab is not None:
        raise ValueError("report: expected no slab, of which a page has no place, got one")
    whole = FocusStack.of(images, options.axis, options.channel_axis, options.guide_channel, "images", options.mask)
    stack = whole.part(options.planes, options.region)
    for where in np.ndindex(*stack.pictures[:-3]):
        index = _map(result.index, stack.layout, where)
        shares = None
        if index is not None:
            index = np.where(index == NO_PLANE, -1, index.astype(np.int32) - stack.first)
            shares = [float(n) / index.size for n in np.bincount(index[index >= 0], minlength=stack.count)]
        confidence = _map(result.confidence, stack.layout, where)
        decision = Decision(
            shares, confidence, options.plane_spacing, unit, stack.first, aligned=options.register is not None
        )
        seen = (stack.see(where, k) for k in range(stack.count))
        survey = Survey.of(like_the_rest(_guide(stack.layout, picture), valid) for picture, valid in seen)
        yield _section(where, stack.layout, result.image, survey, decision, index)


def pair_sections(image0: Any, image1: Any, options: FuseOptions, result: Any) -> Iterator[Section]:
    """Of what `iter_fuse` made of two images."""
    layout = Layout.of(image0.shape, options.channel_axis, options.guide_channel)
    mask = None if options.mask is None else as_mask(options.mask)
    a, b, masks = split_pair(as_array(image0, "image0"), as_array(image1, "image1"), mask, options.channel_axis)
    every = layout.pictures(np.broadcast_to(np.zeros((), np.uint8), a.shape)).shape[:-3]
    for where in np.ndindex(*every):
        share = _map(result.map, layout, where)
        shares = confidence = index = None
        if share is not None:
            first = float(np.nansum(share) / max(int(np.isfinite(share).sum()), 1))
            shares, confidence = [first, 1 - first], np.abs(2 * np.nan_to_num(share, nan=0.5) - 1)
            index = np.where(np.isnan(share), -1, share < 0.5).astype(np.int32)
        decision = Decision(shares, confidence, aligned=options.register is not None)
        seen = (ImageView(image, layout, where, given).see() for image, given in zip((a, b), masks, strict=True))
        survey = Survey.of(like_the_rest(_guide(layout, picture), valid) for picture, valid in seen)
        yield _section(where, layout, result.image, survey, decision, index)


def _guide(layout: Layout, picture: NDArray[Any]) -> NDArray[Any]:
    return layout.guide_channels(layout.colours(picture))


def _section(
    where: tuple[int, ...],
    layout: Layout,
    image: Any,
    survey: Survey,
    decision: Decision,
    index: NDArray[np.int32] | None,
) -> Section:
    parts = np.ma.getdata(image), np.ma.getmaskarray(image)
    picture, left_out = (layout.colours(layout.pictures(part)[where]) for part in parts)
    if not (np.isfinite(picture) & ~left_out).any() or (index is not None and (index < 0).all()):
        decision = replace(decision, shares=None, empty=True)
    name = f"Picture {', '.join(map(str, where))}" if where else ""
    return Section(name, picture, survey, decision, index, findings(survey, decision))


def _map(values: Any, layout: Layout, where: tuple[int, ...]) -> Any:
    """The map of one picture."""
    if values is None:
        return None
    if layout.channel_axis is not None and not layout.joined:
        values = np.moveaxis(values, layout.channel_axis, 0)
    return values[where]

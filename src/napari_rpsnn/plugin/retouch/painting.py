"""What painted labels make of a result: each label takes its region from one plane. No napari here.

1. Label 0 is the decision as it was made, label k + 1 is plane k, by its number in the whole stack.
2. Where labels have changed, and a few pixels around, the result is composed anew of what it was and of the planes,
   aligned as they were when it was made.
3. Towards what is not painted the region fades, so that no seam is seen. Index and height are the plane's, without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from napari_rpsnn.engine.stacks.planes import Planes
from napari_rpsnn.images.focus_stack import FocusStack
from napari_rpsnn.images.layout import WHOLE, Window
from napari_rpsnn.images.validity import Valid
from napari_rpsnn.options import StackOptions

if TYPE_CHECKING:
    from napari_rpsnn.plugin.run import Task

#: So many pixels within a region it fades.
SOFT_PX = 2


class Sources:
    """The planes of a task, or the two images of a pair, aligned as they were for its result.

    Parameters
    ----------
    task : Task
        It is read as a whole, and takes its time, only where the planes are to be aligned.
    """

    def __init__(self, task: Task) -> None:
        images, options, name = task.sources.images, task.options, task.sources.title
        self.options = options
        self._last: tuple[Any, ...] = (None, None, None)
        if isinstance(options, StackOptions):
            axes = options.axis, options.channel_axis, options.guide_channel
            self.stack = FocusStack.of(images[0], *axes, name, options.mask).part(options.planes, options.region)
        else:
            axis = options.channel_axis
            axis = None if axis is None else axis % len(images[0].shape) + 1
            self.stack = FocusStack.of(list(images), 0, axis, options.guide_channel, name, options.mask)
        self._planes: dict[tuple[int, ...], Any] = {}
        for where in np.ndindex(*self.stack.pictures[:-3]):
            if options.register is None or isinstance(options, StackOptions):
                self._planes[where] = planes = Planes(self.stack, where, options.register)
                if options.register is not None:
                    for _ in planes.check():
                        pass
            else:
                self._planes[where] = _Pair(self.stack, where, options.register)

    def read(self, where: tuple[int, ...], k: int, window: Window) -> tuple[NDArray[Any], Valid]:
        """Window of plane `k` of the whole stack in picture `where`, and where it has data; None: everywhere."""
        planes, k = self._planes[where], k - self.stack.first
        if self.options.register is None:
            part: tuple[NDArray[Any], Valid] = planes.read(k, window)
            return part
        if self._last[:2] != (where, k):  # aligning a plane takes longer than a stroke may
            self._last = where, k, planes.read(k)
        colours, valid = self._last[2]
        return colours[window], None if valid is None else valid[window]


class Painting:
    """A result and its maps, and the labels that are painted on them. Arrays are written in place.

    Parameters
    ----------
    sources : Sources
    image : ndarray
    index, height : ndarray or None
        Its maps.
    """

    def __init__(self, sources: Sources, image: Any, index: Any = None, height: Any = None) -> None:
        self._sources, layout = sources, sources.stack.layout
        last = sources.stack.first + sources.stack.count
        self.labels, self._label_of = layout.new_map(sources.stack.shape, np.uint8 if last < 255 else np.uint16)
        self._seen = self._label_of.copy()
        self._target, self._image = layout.pictures(image), layout.pictures(image.copy())
        self._maps = []
        for made, of_plane in ((index, lambda k: k), (height, self._height_of)):
            if made is not None:
                view = (
                    made if layout.joined or layout.channel_axis is None else np.moveaxis(made, layout.channel_axis, 0)
                )
                self._maps.append((view, view.copy(), of_plane))

    def update(self) -> bool:
        """Compose anew where labels have changed; return whether any have."""
        changed = False
        for where in np.ndindex(*self._label_of.shape[:-2]):
            differs = self._label_of[where] != self._seen[where]
            if not differs.any():
                continue
            rows, columns = (np.flatnonzero(differs.any(axis)) for axis in (1, 0))
            window = tuple(slice(max(i[0] - SOFT_PX - 1, 0), i[-1] + SOFT_PX + 2) for i in (rows, columns))
            self._seen[where][window] = self._label_of[where][window]
            self._compose(where, (window[0], window[1]))
            changed = True
        return changed

    @property
    def said(self) -> dict[str, Any]:
        """What is painted, as provenance has it: nothing, or the planes and how many pixels are theirs."""
        labels, counts = np.unique(self.labels[self.labels > 0], return_counts=True)
        return (
            {"retouched": {str(k - 1): int(n) for k, n in zip(labels.tolist(), counts, strict=True)}}
            if len(labels)
            else {}
        )

    def _compose(self, where: tuple[int, ...], window: Window) -> None:
        layout, labels = self._sources.stack.layout, self._label_of[where][window]
        # A little farther, so that the distance to what is not painted is right in all of the window.
        wide = tuple(slice(max(part.start - SOFT_PX - 1, 0), part.stop + SOFT_PX + 1) for part in window)
        inner = tuple(
            slice(p.start - w.start, p.start - w.start + n) for p, w, n in zip(window, wide, labels.shape, strict=True)
        )
        painted = self._label_of[where][wide] > 0
        far = np.full(painted.shape, SOFT_PX + 1.0) if painted.all() else distance_transform_edt(painted)
        share = np.minimum(far / (SOFT_PX + 1), 1)[inner]
        before = self._image[where][window]
        made = layout.colours(before).astype(np.float64)
        chosen = [int(label) - 1 for label in np.unique(labels[labels > 0])]
        for k in chosen:
            colours, valid = self._sources.read(where, k, window)
            weight = np.where((labels == k + 1) & (True if valid is None else valid), share, 0)[..., None]
            made += weight * (colours - made)
        target = self._target[where][window]
        layout.colours(target)[...] = np.rint(made) if target.dtype.kind in "iu" else made
        for view, original, of_plane in self._maps:
            part = original[where][window].copy()
            for k in chosen:
                part[labels == k + 1] = of_plane(k)
            view[where][window] = part

    def _height_of(self, k: int) -> float:
        options = self._sources.options
        return float(getattr(options, "plane_origin", 0.0) + k * options.plane_spacing)  # type: ignore[union-attr]


class _Pair:
    """Two images, the second one aligned to the first."""

    def __init__(self, stack: FocusStack, where: tuple[int, ...], kind: str) -> None:
        from napari_rpsnn.engine.registration import estimate, warp

        planes, layout = Planes(stack, where, None), stack.layout
        fixed, moving = (planes.read(k)[0] for k in (0, 1))
        warped, valid = warp(moving, estimate(layout.grey(fixed), layout.grey(moving), kind))
        self._colours = fixed, np.where(valid[..., None], warped, fixed)

    def read(self, k: int, window: Window = WHOLE) -> tuple[NDArray[Any], Valid]:
        return self._colours[k][window], None

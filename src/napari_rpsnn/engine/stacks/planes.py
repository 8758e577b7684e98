"""The planes of one picture of a stack: read, checked, and aligned where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.engine.borders import NO_BORDER, SAID_PX, Border
from napari_rpsnn.images.checks import count_differing, count_infinite, refuse_alpha, refuse_infinite
from napari_rpsnn.images.focus_stack import FocusStack
from napari_rpsnn.images.layout import WHOLE, Window
from napari_rpsnn.images.validity import Valid, both, like_the_rest


class Planes:
    """Planes of one picture, `(rows, columns, colours)` each.

    Parameters
    ----------
    stack : FocusStack
    where : tuple of int
        Which picture: time, position, channel.
    register : str or None
        How planes are aligned, each to its neighbour, so that all lie where the middle one lies.

    Attributes
    ----------
    first : int
        Number of the first one in the whole stack.
    alpha : ndarray of shape `(rows, columns)`, or None
        That of all planes, when they have been checked: 0 where none has data.
    bordered : list of str
        Planes of which borders were found, where they are aligned.
    doubt : str or None
        When all have been checked: a sentence on planes that could not be aligned, if there are any.
    """

    def __init__(self, stack: FocusStack, where: tuple[int, ...], register: str | None) -> None:
        self.count, self.first, self.layout = stack.count, stack.first, stack.layout
        self.alpha: NDArray[Any] | None = None
        self.bordered: list[str] = []
        self.doubt: str | None = None
        self._stack, self._where, self._register = stack, where, register
        self._matrices: list[NDArray[np.float64]] = []
        self._borders: list[Border] = []

    def check(self) -> Iterator[tuple[NDArray[Any], Valid]]:
        """Yield every plane as it is, refuse it if it cannot be fused, and find how all of them lie.

        And where each has data, as far as that is known; None: everywhere.
        """
        previous, first = None, self._stack.first
        steps: list[NDArray[np.float64]] = []
        doubts: list[str | None] = []
        for k in range(self.count):
            (picture, valid), name = self._stack.see(self._where, k), self._stack.name
            refuse_infinite(count_infinite(picture, valid), f"{name}, plane {first + k}")
            alpha = self.layout.alpha_of(picture)
            if alpha is not None:
                if self.alpha is not None:
                    names = f"{name}: planes before {first + k}", f"plane {first + k}"
                    refuse_alpha(count_differing(self.alpha, alpha), names)
                self.alpha = alpha.copy() if self.alpha is None else np.maximum(self.alpha, alpha)
            colours = self.layout.colours(picture)
            if self._register is not None:
                from napari_rpsnn.engine.registration import doubt, estimate

                told = valid is not None or self._stack.masks
                self._borders.append(NO_BORDER if told else Border.of(self.layout.guide_channels(colours)))
                found = self._borders[-1].valid(WHOLE, colours.shape[:2])
                if self._borders[-1].depth >= SAID_PX:
                    self.bordered.append(f"plane {first + k}")
                grey = self.layout.grey(like_the_rest(colours, both(valid, found)))
                steps.append(np.eye(3) if previous is None else estimate(previous, grey, self._register))
                doubts.append(None if previous is None else doubt(previous, grey, steps[-1]))
                previous = grey
            yield colours, valid
        self._matrices = _chain(steps)
        if previous is not None:
            self.doubt = self._doubt(doubts, previous.shape)

    def read(self, k: int, window: Window = WHOLE) -> tuple[NDArray[Any], Valid]:
        """Window of plane `k`, aligned, and where it has data (None: everywhere)."""
        if not self._matrices:
            picture, valid = self._stack.see(self._where, k, window)
            return self.layout.colours(picture), valid
        from napari_rpsnn.engine.registration import warp

        picture, valid = self._stack.see(self._where, k)
        valid = both(valid, self._borders[k].valid(WHOLE, picture.shape[:2]))
        warped, inside = warp(self.layout.colours(picture), self._matrices[k], window)
        if valid is not None:
            # Of what is interpolated, only what has data all around.
            inside &= warp(valid[..., None].astype(np.float32), self._matrices[k], window)[0][..., 0] > 1 - 1e-6
        return warped, None if inside.all() else inside

    def _doubt(self, doubts: list[str | None], shape: tuple[int, ...]) -> str | None:
        """The sentence, of what speaks against each plane lying on the one before it, and on the middle one."""
        from napari_rpsnn.engine.registration import doubt_overlap

        all_said = [said or doubt_overlap(matrix, shape) for said, matrix in zip(doubts, self._matrices, strict=True)]
        planes = ", ".join(f"plane {self.first + k} ({said})" for k, said in enumerate(all_said) if said)
        picture = f", picture {', '.join(map(str, self._where))}" if self._where else ""
        return f"register: {self._stack.name}{picture}: could not be aligned: {planes}." if planes else None


def _chain(steps: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """From the middle plane to every plane; `steps` lead to each plane from the one before it."""
    if not steps:
        return []
    middle = len(steps) // 2
    matrices = [np.eye(3)] * len(steps)
    for k in range(middle + 1, len(steps)):
        matrices[k] = steps[k] @ matrices[k - 1]
    for k in range(middle - 1, -1, -1):
        matrices[k] = np.linalg.inv(steps[k + 1]) @ matrices[k + 1]
    return matrices

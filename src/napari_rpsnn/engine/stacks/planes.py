"""The planes of one picture of a stack: read, checked, and aligned where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.checks import check_alpha, check_finite
from napari_rpsnn.images.focus_stack import FocusStack
from napari_rpsnn.images.layout import WHOLE, Window


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
    alpha : ndarray of shape `(rows, columns)`, or None
        That of all planes, when one of them has been checked.
    doubt : str or None
        When all have been checked: a sentence on planes that could not be aligned, if there are any.
    """

    def __init__(self, stack: FocusStack, where: tuple[int, ...], register: str | None) -> None:
        self.count, self.layout = stack.count, stack.layout
        self.alpha: NDArray[Any] | None = None
        self.doubt: str | None = None
        self._stack, self._where, self._register = stack, where, register
        self._matrices: list[NDArray[np.float64]] = []

    def check(self) -> Iterator[NDArray[Any]]:
        """Yield every plane as it is, refuse it if it cannot be fused, and find how all of them lie."""
        previous, first = None, self._stack.first
        steps: list[NDArray[np.float64]] = []
        doubts: list[str | None] = []
        for k in range(self.count):
            picture, name = self._stack.read(self._where, k), self._stack.name
            check_finite(picture, f"{name}, plane {first + k}")
            alpha = self.layout.alpha_of(picture)
            self.alpha = alpha if self.alpha is None else self.alpha
            if alpha is not None:
                check_alpha(self.alpha, alpha, (f"{name}: plane {first}", f"plane {first + k}"))
            colours = self.layout.colours(picture)
            if self._register is not None:
                from napari_rpsnn.engine.registration import doubt, estimate

                grey = self.layout.grey(colours)
                steps.append(np.eye(3) if previous is None else estimate(previous, grey, self._register))
                doubts.append(None if previous is None else doubt(previous, grey, steps[-1]))
                previous = grey
            yield colours
        self._matrices = _chain(steps)
        if previous is not None:
            self.doubt = self._doubt(doubts, previous.shape)

    def read(self, k: int, window: Window = WHOLE) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Window of plane `k`, aligned, and where it has data (None: everywhere)."""
        if not self._matrices:
            return self.layout.colours(self._stack.read(self._where, k, window)), None
        from napari_rpsnn.engine.registration import warp

        picture, valid = warp(self.layout.colours(self._stack.read(self._where, k)), self._matrices[k])
        return picture[window], None if valid[window].all() else valid[window]

    def _doubt(self, doubts: list[str | None], shape: tuple[int, ...]) -> str | None:
        """The sentence, of what speaks against each plane lying on the one before it, and on the middle one."""
        from napari_rpsnn.engine.registration import doubt_overlap

        all_said = [said or doubt_overlap(matrix, shape) for said, matrix in zip(doubts, self._matrices, strict=True)]
        planes = ", ".join(f"plane {k} ({said})" for k, said in enumerate(all_said) if said)
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

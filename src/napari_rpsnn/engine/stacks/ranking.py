"""What each plane of a stack is worth, and the order that planes are fused in: whatever holds the stack.

1. A plane is looked at in strips of rows, so that any number of machines can share the work and get the same sums.
2. Equal planes and constant ones contribute nothing and are left out.
3. The plane that most of the picture is in focus in comes first, then those that are most like it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.images.intensity import IntensityRange
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.images.validity import Valid, like_the_rest

#: Which of two small pictures of a range is in focus in more places, see `Engine.mean_vote`.
MeanVote = Callable[[NDArray[Any], NDArray[Any], IntensityRange], float]

#: Rows of a strip: a strip of the widest picture is a small part of a plane.
STRIP_ROWS = 256


@dataclass(frozen=True)
class Strip:
    """What is known of a strip of rows of a plane.

    Attributes
    ----------
    ends : tuple of ndarray
        The least and the greatest value of what the network is to see.
    constant : bool
        Whether all values are those of `ends`.
    digest : bytes
        The same for equal strips only.
    gradients : float
        Sum of the absolute differences of neighbouring pixels.
    lacks : bool
        Whether it has no data in places; if nowhere, there are no `ends`.
    """

    ends: tuple[NDArray[Any], ...]
    constant: bool
    digest: bytes
    gradients: float
    lacks: bool = False


def strip_rows(rows: int) -> list[slice]:
    """The rows of each strip of a picture."""
    return [slice(start, min(start + STRIP_ROWS, rows)) for start in range(0, rows, STRIP_ROWS)]


def survey_strip(part: NDArray[Any], valid: Valid, rows: int, layout: Layout) -> Strip:
    """Look at the first `rows` rows of a part of a picture, which goes on with the first row of the next strip.

    `valid` is where it has data; None: everywhere.
    """
    lacks = valid is not None and not valid[:rows].all()
    if valid is not None and not valid[:rows].any():
        return Strip((), True, b"", 0.0, lacks)
    # Planes of the same values are not equal where one has data that the other lacks.
    covered = np.packbits(valid[:rows]).tobytes() if valid is not None and lacks else b""
    part = like_the_rest(part, valid)
    own = part[:rows]
    seen = layout.guide_channels(own)
    # Of one memory layout: the rounding of sums depends on it.
    grey = np.ascontiguousarray(layout.grey(part))
    differences = np.diff(grey, axis=0), np.diff(grey[:rows], axis=1)
    return Strip(
        (seen.min(keepdims=True), seen.max(keepdims=True)),
        bool(own.min() == own.max()),
        hashlib.blake2b(own.tobytes() + covered, digest_size=16).digest(),
        sum(float(np.abs(d).sum(dtype=np.float64)) for d in differences),
        lacks,
    )


class Survey:
    """The planes of one picture: `add` each, then `choose`, then `rank`.

    Attributes
    ----------
    order : list of int
        The planes that contribute, in the order that they are to be fused in.
    values : IntensityRange
        Of these planes.
    """

    def __init__(self) -> None:
        self.order: list[int] = []
        self.values = IntensityRange(0, 0)
        self._worth: dict[bytes, tuple[float, bytes, int]] = {}
        self._ends: dict[bytes, list[NDArray[Any]]] = {}
        self._constant: set[bytes] = set()
        self._lacking = False
        self._samples: dict[int, list[NDArray[Any]]] = {}

    def add(self, k: int, strips: Sequence[Strip], samples: Sequence[NDArray[Any]]) -> None:
        """Take in plane `k`: its strips in their order, and what the network is to see of each sample window."""
        digest = hashlib.blake2b(b"".join(strip.digest for strip in strips), digest_size=16).digest()
        self._lacking |= any(strip.lacks for strip in strips)
        if digest in self._worth:
            return
        self._worth[digest] = (-sum(strip.gradients for strip in strips), digest, k)
        self._ends[digest] = [end for strip in strips for end in strip.ends]
        if all(strip.constant for strip in strips) and len({end.item() for end in self._ends[digest]}) == 1:
            self._constant.add(digest)
        # Copies, so that the planes themselves can go.
        self._samples[k] = [np.array(sample, order="C") for sample in samples]

    def choose(self) -> None:
        """Leave out what contributes nothing; the others by their gradients."""
        seen = {digest for digest, ends in self._ends.items() if ends}
        # Where others lack data, a plane of one value may be all that there is.
        useful = (seen if self._lacking else seen - self._constant) or seen or self._worth.keys()
        ends = [end for digest in useful for end in self._ends[digest]]
        self.values = IntensityRange.of(ends or [np.zeros(1)])
        self.order = [k for *_, k in sorted(self._worth[digest] for digest in useful)]

    def rank(self, mean_vote: MeanVote) -> Iterator[None]:
        """Begin with the plane that most of the picture is in focus in; then those that are most like it.

        Planes are compared in a few small windows, the winner with the next. Yields after each plane.
        """
        best, *others = self.order
        for k in others:
            pairs = zip(self._samples[best], self._samples[k], strict=True)
            if sum(mean_vote(*pair, self.values) for pair in pairs) < 0:
                best = k
            yield
        sample = {k: self.values.to_unit(np.stack(self._samples[k])) for k in self.order}
        place = {k: i for i, k in enumerate(self.order)}
        self.order.sort(key=lambda k: (float(np.abs(sample[k] - sample[best]).mean(dtype=np.float64)), place[k]))
        self._samples.clear()

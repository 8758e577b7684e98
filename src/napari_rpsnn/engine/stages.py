"""What long work consists of, and how long each part takes beside the others: for a bar and a time that can be trusted.

Costs are seconds of one core without instructions for bfloat16, measured step by step (`time.process_time`) on stacks
of 2 to 24 planes of 512 to 4608 pixels a side, `rpsnn-lite`. Only their proportions count once some work is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from napari_rpsnn.images.tiling import Tile

#: Of a plane, by megapixel: to look at it, to align it, to decide for it, and its height; heights in the end.
LOOK, ALIGN, DECIDE, HEIGHT, HEIGHTS = 0.013, 13.0, 0.4, 0.03, 0.9
#: To find out whether a specimen is thin: windows of a plane decided. R-PSNN is seldom asked, which is not counted.
COMPARE = 0.066
#: Of two images, by megapixel: the network, and the decision. To rank a plane.
NETWORK, WEIGH, RANK = 8.5, 0.9, 0.6


@dataclass(frozen=True)
class Stage:
    """A part of the work, of steps that take about equally long.

    Attributes
    ----------
    what : str
        What is done, up to the number of what it is done with. Stages of the same name take about equally long.
    steps : int
    cost : float
        Of a step.
    count : int or None
        How many planes the steps are, where each takes several; None: as many as there are steps.
    of : str
        Of several pictures, which one.
    """

    what: str
    steps: int
    cost: float
    count: int | None = None
    of: str = ""

    def said(self, done: int) -> str:
        """What is going on when so many of its steps are done."""
        count = self.count or self.steps
        what = f"{self.of}: {self.what[0].lower()}{self.what[1:]}" if self.of else self.what
        return what if count == 1 else f"{what} {done * count // self.steps + 1} of {count}"


def of_pair(tiles: int, windows: int, rows: int, columns: int, planes: int = 2) -> tuple[Stage, ...]:
    """Two images, or planes that are fused two by two."""
    size = rows * columns / 1e6
    if planes > 2:
        steps = (planes - 1) * (tiles + windows)
        return (Stage("Fusing plane", steps, size * (NETWORK + WEIGH) / (tiles + windows), planes - 1),)
    parts = (("Fusing tile", tiles, NETWORK), ("Deciding window", windows, WEIGH))
    return tuple(Stage(what, steps, size * cost / steps) for what, steps, cost in parts if steps)


def of_looks(planes: int, rows: int, columns: int, aligned: bool, ranked: bool) -> tuple[Stage, ...]:
    """Every plane looked at; before, where they are to be aligned, and after, where they are ranked."""
    size = rows * columns / 1e6
    look = Stage("Looking at plane", planes, LOOK * size)
    # The first plane stays where it is.
    first, others = Stage("Reading the first plane", 1, look.cost), Stage("Aligning plane", planes - 1, ALIGN * size)
    aligning = (first, others) if aligned else ()
    if ranked:
        return (*(aligning or (look,)), Stage("Ranking plane", planes - 1, RANK))
    return (*aligning, look)


def of_decision(planes: int, windows: Sequence[Tile]) -> tuple[Stage, ...]:
    """Planes compared, by R-PSNN if need be, then decided window by window."""
    read = sum((row.stop - row.start) * (column.stop - column.start) for row, column in (w.read for w in windows))
    cost = DECIDE * planes * read / 1e6 / len(windows)
    compare, ask = Stage("Comparing the planes", 1, COMPARE * planes), Stage("Asking R-PSNN about them", 1, 0.0)
    return compare, ask, Stage("Fusing window", len(windows), cost)


def of_heights(planes: int, rows: int, columns: int) -> tuple[Stage, ...]:
    """Heights, plane by plane, and then all together."""
    size = rows * columns / 1e6
    return Stage("Height of plane", planes, HEIGHT * size), Stage("Finding heights", 1, HEIGHTS * size)


def steps_of(stages: Sequence[Stage]) -> int:
    """How many steps there are."""
    return sum(stage.steps for stage in stages)


def of_pictures(stages: Sequence[Stage], pictures: Sequence[int]) -> tuple[Stage, ...]:
    """The same stages for each picture of an array of them."""
    count = prod(pictures)
    if count == 1:
        return tuple(stages)
    return tuple(replace(stage, of=f"Image {number + 1} of {count}") for number in range(count) for stage in stages)

"""What the user chose in a panel, as plain values, and what can be told of a run. No Qt here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_rpsnn.model.catalog import bundled_models

METHODS = ("decision", "regression")
ALIGNMENTS = ("none", "translation", "similarity", "affine")
ORDERS = ("cascade", "tree")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
TILES = ("auto", "128", "256", "512", "1024", "2048")
#: In the list of models: a weights file of the user's own.
FILE = "file…"


@dataclass(frozen=True)
class Choices:
    """Choices that do not depend on a layer: these are remembered."""

    model: str = "auto"
    model_file: str = ""
    device: str = "auto"
    method: str = "decision"
    align: str = "none"
    order: str = "cascade"
    precision: str = "auto"
    tile: str = "auto"
    decision_map: bool = False
    index_map: bool = False
    height_map: bool = False

    @classmethod
    def of(cls, values: dict[str, Any]) -> Choices:
        """Choices of a table that may be old or edited by hand: what is unknown there is left at its default."""
        allowed = {
            "model": ("auto", *bundled_models(), FILE),
            "method": METHODS,
            "align": ALIGNMENTS,
            "order": ORDERS,
            "precision": PRECISIONS,
            "tile": TILES,
        }
        defaults = asdict(cls())
        known = {
            name: values[name]
            for name, default in defaults.items()
            if isinstance(values.get(name), type(default)) and values[name] in allowed.get(name, (values[name],))
        }
        return cls(**defaults | known)

    @property
    def weights(self) -> str:
        """What `fuse` takes as `model`."""
        return self.model_file if self.model == FILE else self.model

    @property
    def decides(self) -> bool:
        """Whether the method decides for sources, so that there are maps of the decision."""
        return self.method == "decision"

    @property
    def engine_options(self) -> dict[str, Any]:
        """Keyword arguments for `fuse` and `fuse_stack`."""
        return {
            "method": self.method,
            "register": None if self.align == "none" else self.align,
            "model": self.weights,
            "device": self.device,
            "precision": self.precision,
            "tile": "auto" if self.tile == "auto" else int(self.tile),
        }

    def check(self) -> None:
        """Refuse what can be seen to be wrong before the work begins.

        Raises
        ------
        ValueError
            With a message for the user.
        """
        if self.model == FILE and not Path(self.model_file).is_file():
            raise ValueError(f"Model: expected a weights file, got '{self.model_file}', which is no file.")


class Remaining:
    """Estimates the time left from the pace of the last steps."""

    #: Weight of the newest step. Steps of a stack differ: planes are read, ranked, fused.
    NEWEST = 0.3

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None
        self._pace: float | None = None

    def after(self, done: int, total: int, now_s: float) -> str:
        """Return what to say after step `done` of `total` at the time `now_s`."""
        if self._last is not None and done > self._last[0]:
            pace = (now_s - self._last[1]) / (done - self._last[0])
            self._pace = pace if self._pace is None else self._pace + self.NEWEST * (pace - self._pace)
        if self._last is None or done > self._last[0]:
            self._last = done, now_s
        said = f"Step {done} of {total}"
        return said if self._pace is None else f"{said}, {duration(self._pace * (total - done))} left"


def duration(seconds: float) -> str:
    """A time to read: 8 s, 2 min 5 s, 1 h 3 min."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"

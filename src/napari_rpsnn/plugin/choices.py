"""What the user chose in a panel, as plain values. No Qt here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any

from napari_rpsnn.model.catalog import bundled_models
from napari_rpsnn.options import FuseOptions, Options, StackOptions, about

#: In the list of models: a weights file of the user's own.
FILE = "file…"


@dataclass(frozen=True, kw_only=True)
class Choices(FuseOptions, StackOptions):
    """Choices of both panels, named as the options are. Those that have a row do not depend on a layer: they are kept.

    Attributes
    ----------
    model_file : str
        Used where the model is `FILE`.
    """

    model_file: str = ""

    def __post_init__(self) -> None:
        """Nothing is refused yet: a row may be ticked that the method has no use for."""

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Choices:
        """Choices of what `kept` returned, which may be old or edited by hand: what is unknown there is left out."""
        known = {option.name: _value(option, kept.get(option.name)) for option in rows(cls)}
        file = kept.get("model_file")
        return cls(
            model_file=file if isinstance(file, str) else "",
            **{name: value for name, value in known.items() if value is not UNKNOWN},
        )

    @property
    def kept(self) -> dict[str, Any]:
        """What is remembered: texts, and booleans."""
        values = {option.name: getattr(self, option.name) for option in rows(type(self))}
        texts = {name: value if isinstance(value, bool) else text_of(value) for name, value in values.items()}
        return {**texts, "model_file": self.model_file}

    def options(self, kind: type[Options], **more: Any) -> Any:
        """What `fuse` or `fuse_stack` takes; `more` goes before. By regression nothing is decided, and no map made.

        Raises
        ------
        ValueError
            With a message for the user, if what is chosen can be seen to be wrong.
        """
        if self.model == FILE and not Path(self.model_file).is_file():
            raise ValueError(f"Model: expected a weights file, got '{self.model_file}', which is no file.")
        values = {option.name: getattr(self, option.name) for option in fields(kind)} | more
        if self.model == FILE:
            values["model"] = self.model_file
        if self.method == "regression":
            values |= {option.name: option.default for option in fields(kind) if about(option).decided}
        return kind(**values)


UNKNOWN = object()


def rows(kind: type[Options]) -> list[Field[Any]]:
    """Options that have a row in a panel."""
    return [option for option in fields(kind) if "about" in option.metadata and about(option).row]


def listed(option: Field[Any]) -> list[tuple[str, Any]]:
    """What a panel lists for an option: texts and values."""
    known = about(option)
    values = known.allowed or known.listed
    if option.name == "model":
        values = (*values, *bundled_models(), FILE)
    return list(zip(known.words or map(text_of, values), values, strict=True))


def text_of(value: Any) -> str:
    """How a value is kept, and listed where there is no better word for it."""
    return "none" if value is None else str(value)


def _value(option: Field[Any], kept: Any) -> Any:
    """The value of what was kept, or `UNKNOWN`."""
    if isinstance(option.default, bool):
        return kept if isinstance(kept, bool) else UNKNOWN
    if about(option).kind is str and isinstance(kept, str):
        return kept
    return next((value for _, value in listed(option) if text_of(value) == kept), UNKNOWN)

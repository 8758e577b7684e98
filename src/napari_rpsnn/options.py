"""Every option of `fuse` and `fuse_stack`, once: its default, the values it may have, and what it is in a sentence.

Behind the functions these objects travel. Flags of the shell, rows of the panels and what they remember are made from
the fields; the functions' signatures and the manifest, which are written by hand, are compared with them by a test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from numbers import Integral, Real
from typing import Any, Literal, Self, get_args

Method = Literal["decision", "regression"]
Order = Literal["cascade", "tree"]
Prefer = Literal["near", "far"]
Registration = Literal["translation", "similarity", "affine"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]

#: Of planes: float32 holds the heights of any number of them, and from one to the next.
SPACINGS = 1e-30, 1e30
#: Of plane 0, up or down.
HIGHEST = 1e37

_KINDS: dict[type | None, str] = {str: "a string", Integral: "an integer", Real: "a number"}


@dataclass(frozen=True)
class About:
    """What there is to know of an option.

    Attributes
    ----------
    text : str
        What it is, in a sentence.
    allowed : tuple
        The values it may have; empty: any that `kind` allows.
    kind : type or None
        Of its values, None beside; None: whatever, which is looked at where it is used.
    row : str
        Its name in the panels, which remember it; empty: it has no row of its own there.
    folded : bool
        Whether that row is under the panel's fold.
    listed : tuple
        Of values without number, those that a panel lists.
    words : tuple of str
        What a panel calls the allowed values, in their order, where that is not what they are.
    flag : bool
        Whether the shell has a flag of its name.
    decided : bool
        Whether it needs a method that decides for sources.
    """

    text: str
    allowed: tuple[Any, ...] = ()
    kind: type | None = None
    row: str = ""
    folded: bool = False
    listed: tuple[Any, ...] = ()
    words: tuple[str, ...] = ()
    flag: bool = True
    decided: bool = False


def _option(default: Any, text: str, **more: Any) -> Any:
    return field(default=default, metadata={"about": About(text, **more)})


def about(option: Field[Any]) -> About:
    """What there is to know of a field of the classes below."""
    known: About = option.metadata["about"]
    return known


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `fuse` and `fuse_stack` have in common; refuses values that are not allowed.

    Raises
    ------
    TypeError, ValueError
        Naming the option, what was expected and what was got.
    """

    channel_axis: int | None = _option(None, "Axis of the colours or channels", kind=Integral, flag=False)
    mask: Any = _option(None, "Nonzero where there is data", flag=False)
    guide_channel: int | Sequence[int] | None = _option(
        None, "The channel that decides for all, or several whose mean does", decided=True
    )
    method: Method = _option(
        "decision",
        "decision: the sources' values; regression: the network's",
        allowed=get_args(Method),
        row="Method",
        words=("Sharpest source (keeps intensities)", "Network's image"),
    )
    match_brightness: bool = _option(
        False, "Bring what is returned to one brightness, too", row="Match brightness", decided=True
    )
    register: Registration | None = _option(
        None,
        "Align the pictures first; this interpolates values",
        allowed=(None, *get_args(Registration)),
        row="Register",
    )
    model: Any = _option(
        "auto", "auto: rpsnn on a GPU, rpsnn-lite on a CPU; or a weights file", row="Model", listed=("auto",)
    )
    device: str = _option(
        "auto", "Where to compute: cuda, cuda:1, mps or cpu; auto takes a GPU", kind=str, row="Device", listed=("auto",)
    )
    precision: Precision = _option(
        "auto", "Of the arithmetic; auto takes the fastest", allowed=get_args(Precision), row="Precision", folded=True
    )
    tile: int | Literal["auto"] = _option(
        "auto",
        "Side of a tile in pixels; smaller ones take less memory, more time",
        row="Tile",
        folded=True,
        listed=("auto", 128, 256, 512, 1024, 2048),
    )

    def __post_init__(self) -> None:
        for option in fields(self):
            value, known = getattr(self, option.name), about(option)
            if known.allowed and not any(isinstance(value, type(a)) and value == a for a in known.allowed):
                raise ValueError(f"{option.name}: expected {either(known.allowed)}, got {value!r}")
            wrong = known.kind is not None and not _is(value, known.kind)
            if wrong and (value is not None or option.default is not None):
                raise TypeError(f"{option.name}: expected {_KINDS[known.kind]}, got {value!r}")
            # NumPy's own are called "bool_" before its version 2.
            if isinstance(option.default, bool) and type(value).__name__ not in ("bool", "bool_"):
                raise TypeError(f"{option.name}: expected True or False, got {value!r}")
            if known.decided and value is not None and value is not False and self.method == "regression":
                raise ValueError(
                    f"{option.name}: expected method='decision', got 'regression', which decides for no source"
                )
        guide = self.guide_channel
        several = isinstance(guide, Sequence) and all(_is(channel, Integral) for channel in guide)
        if guide is not None and not _is(guide, Integral) and not several:
            raise TypeError(f"guide_channel: expected an integer or a sequence of integers, got {guide!r}")
        if not (isinstance(self.tile, str) and self.tile == "auto") and (
            not _is(self.tile, Integral) or int(self.tile) < 1
        ):
            raise ValueError(f"tile: expected 'auto' or a number of pixels of at least 1, got {self.tile!r}")

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Options of a table that has all of them, and may have more: of a function's arguments."""
        return cls(**{option.name: _fixed(given[option.name]) for option in fields(cls)})

    @property
    def said(self) -> dict[str, Any]:
        """All but the model, whose name and hash say more, as JSON can hold them; of a mask, whether it was given."""
        said = {option.name: _plain(getattr(self, option.name)) for option in fields(self) if option.name != "model"}
        return said | {"mask": self.mask is not None}


@dataclass(frozen=True, kw_only=True)
class FuseOptions(Options):
    """Options of `fuse`."""

    return_map: bool = _option(
        False, "How much of the first image is in each pixel", row="Decision map", flag=False, decided=True
    )


@dataclass(frozen=True, kw_only=True)
class StackOptions(Options):
    """Options of `fuse_stack`."""

    axis: int = _option(0, "Axis of the planes", kind=Integral, flag=False)
    planes: tuple[int, int] | None = _option(None, "First and last plane to take, counted from 0")
    region: tuple[tuple[int, int], tuple[int, int]] | None = _option(
        None, "Rows and columns to take, as slices have them: the end is left out"
    )
    order: Order = _option(
        "cascade",
        "By regression: cascade, plane by plane, or tree, pairs, then pairs of results",
        allowed=get_args(Order),
        row="Order",
        folded=True,
    )
    return_index: bool = _option(
        False, "Which plane each pixel comes from", row="Plane index", flag=False, decided=True
    )
    return_confidence: bool = _option(
        False, "How sure the decision for that plane is", row="Confidence", flag=False, decided=True
    )
    return_height: bool = _option(False, "The height of the surface", row="Height map", flag=False, decided=True)
    prefer: Prefer | None = _option(
        None,
        "Of two depths that are both right, the plane of the lower number (near) or of the higher one (far)",
        allowed=(None, *get_args(Prefer)),
        row="Prefer",
        folded=True,
        decided=True,
    )
    slab: int | None = _option(
        None,
        "An image of every so many neighbouring planes, half of which the next one has, too, in place of one of all",
        kind=Integral,
        row="Slabs",
        folded=True,
        listed=(None, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 32),
    )
    plane_spacing: float = _option(1.0, "Distance of two planes, in the unit of heights", kind=Real)
    plane_origin: float = _option(0.0, "Height of plane 0, in the unit of heights", kind=Real)

    def __post_init__(self) -> None:
        super().__post_init__()
        least, most = SPACINGS
        if not least <= self.plane_spacing <= most:
            raise ValueError(
                f"plane_spacing: expected a positive number from {least:g} to {most:g}, got {self.plane_spacing!r}"
            )
        if not abs(self.plane_origin) <= HIGHEST:
            raise ValueError(
                f"plane_origin: expected a finite number, got {self.plane_origin!r}; the highest is {HIGHEST:g}"
            )
        if self.slab is not None and self.slab < 2:
            raise ValueError(f"slab: expected a number of planes of at least 2, got {self.slab}")
        if self.slab is not None and self.register is not None:
            raise ValueError(
                f"slab: expected register=None, got {self.register!r}, by which each slab would lie where its own "
                "middle plane lies; align the planes first"
            )
        if self.planes is not None and not _are_two(self.planes):
            raise TypeError(f"planes: expected two integers, the first plane and the last, got {self.planes!r}")
        if self.region is not None and not (_is_pair(self.region) and all(map(_are_two, self.region))):
            raise TypeError(
                f"region: expected ((first row, end), (first column, end)) in integers, got {self.region!r}"
            )


def either(values: Sequence[Any]) -> str:
    """Values to choose from, as a sentence has them."""
    *first, last = map(repr, values)
    return f"{', '.join(first)} or {last}" if first else last


def _plain(value: Any) -> Any:
    """`value` as JSON has it: sequences of numbers as lists of Python's own."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value


def _fixed(value: Any) -> Any:
    """`value`, with tuples in place of lists: options are kept and compared by their hash."""
    return tuple(map(_fixed, value)) if isinstance(value, list) else value


def _is_pair(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2


def _are_two(value: Any) -> bool:
    """Whether it is a pair of integers."""
    return _is_pair(value) and all(_is(one, Integral) for one in value)


def _is(value: Any, kind: type) -> bool:
    """Whether it is of a kind; True is no number."""
    return isinstance(value, kind) and not isinstance(value, bool)

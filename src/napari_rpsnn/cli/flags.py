"""The options of `fuse` and `fuse_stack` as flags, made from their fields."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from napari_rpsnn.options import FuseOptions, Options, StackOptions, about

Kind = TypeVar("Kind", bound=Options)


def _numbers(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise argparse.ArgumentTypeError(f"expected a channel, or several as 0,2, got {text!r}")
    return tuple(int(number) for number in text.split(","))


def _tile(text: str) -> int | str:
    if not re.fullmatch(r"auto|\d+", text):
        raise argparse.ArgumentTypeError(f"expected auto or a number of pixels, got {text!r}")
    return text if text == "auto" else int(text)


def _planes(text: str) -> tuple[int, int]:
    if not (found := re.fullmatch(r"(\d+)-(\d+)", text)):
        raise argparse.ArgumentTypeError(f"expected the first plane and the last as 5-20, got {text!r}")
    return int(found[1]), int(found[2])


def _region(text: str) -> tuple[tuple[int, int], tuple[int, int]]:
    if not (found := re.fullmatch(r"(\d+):(\d+),(\d+):(\d+)", text)):
        raise argparse.ArgumentTypeError(f"expected rows and columns as 100:300,50:250, got {text!r}")
    first_row, end_row, first_column, end_column = map(int, found.groups())
    return (first_row, end_row), (first_column, end_column)


#: How a flag's text is read, and what stands for it in the help, where it is not taken as it is.
READ: dict[str, tuple[Callable[[str], Any], str]] = {
    "guide_channel": (_numbers, "N[,N]"),
    "tile": (_tile, "PIXELS"),
    "planes": (_planes, "FIRST-LAST"),
    "region": (_region, "ROW:END,COLUMN:END"),
    "slab": (int, "PLANES"),
    "plane_spacing": (float, "D"),
    "plane_origin": (float, "D"),
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add a flag for every option that has one; those that are not given are None."""
    options = {option.name: option for kind in (FuseOptions, StackOptions) for option in fields(kind)}
    for option in options.values():
        known = about(option)
        if known.flag:
            read, shown = READ.get(option.name, (str, option.name.upper()))
            choices = [value for value in known.allowed if value is not None] or None
            default = "" if option.default is None else f" (default: {option.default})"
            flag, text = f"--{option.name.replace('_', '-')}", f"{known.text}{default}"
            if isinstance(option.default, bool):
                parser.add_argument(flag, action="store_true", default=None, help=known.text)
                continue
            parser.add_argument(flag, type=read, choices=choices, metavar=None if choices else shown, help=text)


def given(kind: type[Kind], args: argparse.Namespace, **more: Any) -> Kind:
    """Options of the flags that were given, and `more`, which goes before."""
    flags = {option.name: getattr(args, option.name, None) for option in fields(kind)}
    return kind(**{name: value for name, value in flags.items() if value is not None} | more)

"""The options of `fuse` and `fuse_stack` as flags, made from their fields."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from napari_rpsnn.options import FuseOptions, Options, StackOptions, about

Kind = TypeVar("Kind", bound=Options)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def _tile(text: str) -> int | str:
    return text if text == "auto" else int(text)


#: How a flag's text is read, and what stands for it in the help, where it is not taken as it is.
READ: dict[str, tuple[Callable[[str], Any], str]] = {
    "guide_channel": (_numbers, "N[,N]"),
    "tile": (_tile, "PIXELS"),
    "plane_spacing": (float, "D"),
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
            parser.add_argument(flag, type=read, choices=choices, metavar=None if choices else shown, help=text)


def given(kind: type[Kind], args: argparse.Namespace, **more: Any) -> Kind:
    """Options of the flags that were given, and `more`, which goes before."""
    flags = {option.name: getattr(args, option.name, None) for option in fields(kind)}
    return kind(**{name: value for name, value in flags.items() if value is not None} | more)

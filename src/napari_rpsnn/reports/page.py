"""A page of HTML that holds all it shows."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray


def page(title: str, body: str, script: bool = False) -> bytes:
    """Return a whole page; `body` is HTML, `title` is not."""
    own = files(__package__)
    style = own.joinpath("page.css").read_text(encoding="utf-8")
    code = f"<script>\n{own.joinpath('page.js').read_text(encoding='utf-8')}</script>\n" if script else ""
    text = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>\n{style}</style>\n<h1>{escape(title)}</h1>\n{body}\n"
        f"<footer>napari-rpsnn {escape(version('napari-rpsnn'))}</footer>\n{code}</html>\n"
    )
    return text.encode(errors="backslashreplace")  # names of files may be no text


def picture_tag(picture: NDArray[np.uint8], name: str) -> str:
    """An image element of a grey or colour picture, which a screen reader calls `name`."""
    shape = f'width="{picture.shape[1]}" height="{picture.shape[0]}"'
    return f'<img src="{picture_address(picture)}" alt="{escape(name)}" {shape}>'


def picture_address(picture: NDArray[np.uint8]) -> str:
    """A picture as an address that holds it, as PNG."""
    stream = io.BytesIO()
    PIL.Image.fromarray(picture).save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML; those that begin with ``*`` are the best of their column."""
    lines = ["".join(f"<th>{cell}</th>" for cell in head)]
    for row in rows:
        cells = (('<td class="best">' + cell[1:] if cell[:1] == "*" else f"<td>{cell}") + "</td>" for cell in row)
        lines.append("".join(cells))
    return f'<div class="wide"><table>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'


def listed(words: Sequence[str]) -> str:
    """Words as a sentence has them."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def shown(image: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """An image as a screen shows it: `low` black, `high` white, without alpha."""
    colours = image[..., :3] if image.ndim == 3 else image
    if image.dtype == np.uint8 and (low, high) == (0, 255):
        return np.ascontiguousarray(colours)
    unit = (colours.astype(np.float64) - low) / ((high - low) or 1)
    made: NDArray[np.uint8] = np.rint(unit.clip(0, 1) * 255).astype(np.uint8)
    return made

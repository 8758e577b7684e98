"""Tables of figures in docs/performance.md, between markers, so that the prose around them stays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(name: str, machine: str, command: str, text: str) -> None:
    """Put `text` between the markers of that name, under the machine and the command that made it; print it too."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    page = PAGE.read_text()
    before, rest = page.split(begin)
    after = rest.split(end)[1]
    block = f"{machine}; {datetime.now(UTC):%Y-%m-%d}; `{command}`.\n\n{text}"
    print(block)
    PAGE.write_text(f"{before}{begin}\n{block}\n{end}{after}")

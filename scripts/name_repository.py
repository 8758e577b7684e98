"""Before a release is built: say where the repository is, in README's links and in the metadata.

    python scripts/name_repository.py https://github.com/OWNER/NAME v0.2.0

Links of README.md lead to files beside it, which PyPI and napari's hub, that show it, do not have. The addresses in
`[project.urls]` are those that the hub and the panels link to. Nothing else knows where the repository is, so that a
copy of it elsewhere can be released, too.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURES = (".png", ".jpg", ".svg")


def named(readme: str, address: str, tag: str) -> str:
    """Text in which links to files beside it are addresses."""

    def address_of(match: re.Match[str]) -> str:
        kind = "raw" if match[1].endswith(PICTURES) else "blob"
        return f"]({address}/{kind}/{tag}/{match[1]})"

    return re.sub(r"\]\((?!https?:|#)([^)\s]+)\)", address_of, readme)


def urls(address: str, tag: str) -> str:
    """What is added to pyproject.toml."""
    places = {
        "Homepage": address,
        "Source": address,
        "Issues": f"{address}/issues",
        "Documentation": f"{address}/blob/{tag}/docs/index.md",
        "Changelog": f"{address}/blob/{tag}/CHANGELOG.md",
    }
    return "\n[project.urls]\n" + "".join(f'{name} = "{place}"\n' for name, place in places.items())


def main() -> None:
    """Change both files."""
    address, tag = sys.argv[1:]
    readme, project = ROOT / "README.md", ROOT / "pyproject.toml"
    readme.write_text(named(readme.read_text(encoding="utf-8"), address, tag), encoding="utf-8")
    said = project.read_text(encoding="utf-8")
    if "[project.urls]" not in said:
        project.write_text(said + urls(address, tag), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Where help is: addresses that the package's own metadata name."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata

PACKAGE = "napari-rpsnn"
#: What is shown, and what the metadata call it; else the page of the package.
LINKS = {"Documentation": "Documentation", "Report a problem": "Issues"}
#: Read in the dark and in the light theme: Qt's own blue is not.
COLOUR = "#2f86e8"


def links() -> str:
    """Links as a label shows them."""
    try:
        declared = metadata(PACKAGE).get_all("Project-URL") or []
    except PackageNotFoundError:  # run from a folder that nobody installed
        declared = []
    addresses = dict(entry.split(", ", 1) for entry in declared)
    home = f"https://pypi.org/project/{PACKAGE}/"
    return " · ".join(
        f'<a style="color: {COLOUR}" href="{addresses.get(name, home)}">{shown}</a>' for shown, name in LINKS.items()
    )

"""Settings of Sphinx for the documentation: ``make docs`` writes it to ``build/docs``."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

project = "napari-rpsnn"
author = "The napari-rpsnn developers"
copyright = author
version = release = version_of(project)

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.extlinks",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["examples", "gallery/*.py", "gallery/*.ipynb"]
extlinks = {"doi": ("https://doi.org/%s", "doi:%s")}

# Headings can be linked to, as on GitHub.
myst_heading_anchors = 3
# Math in figures of how it works.
myst_enable_extensions = ["dollarmath"]

autodoc_typehints = "none"
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": "",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "capture_repr": (),
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 1_000_000,
    "write_computation_times": False,
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "napari-rpsnn"
html_logo = html_favicon = "../src/napari_rpsnn/plugin/icon.png"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "navbar_center": [],
    "logo": {"text": "napari-rpsnn", "alt_text": ""},
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"**": ["globaltoc.html"]}

#: Files outside this folder, as its pages link to them, and the pages that show them here.
PAGES = {
    "../CONTRIBUTING.md": "contributing.md",
    "../CHANGELOG.md": "changelog.md",
    "../weights/README.md": "models.md",
    "../SECURITY.md": "security.md",
}


def link_to_pages(app: Any, docname: str, source: list[str]) -> None:
    """Let links that lead out of this folder on GitHub lead to pages of the site."""
    for file, page in PAGES.items():
        source[0] = source[0].replace(f"]({file}", f"]({page}")


def setup(app: Any) -> None:
    """Sphinx calls this."""
    app.connect("source-read", link_to_pages)

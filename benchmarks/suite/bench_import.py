"""How long it takes until there is something to work with, in fresh interpreters."""

from __future__ import annotations


class Import:
    """Imports, each in a fresh interpreter."""

    def timeraw_package(self) -> str:  # noqa: D102
        return "import napari_rpsnn"

    def timeraw_fuse(self) -> str:  # noqa: D102
        return "from napari_rpsnn import fuse"

    def timeraw_first_fuse(self) -> str:
        """With torch and the weights, on the smallest pair."""
        return """
        import numpy as np
        from napari_rpsnn import fuse
        fuse(np.zeros((2, 2)), np.zeros((2, 2)))
        """

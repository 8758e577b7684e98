"""Image files in and out: one file a format, and what made a result."""

from napari_rpsnn.io.formats import read_image, write_image

__all__ = ["read_image", "write_image"]

"""Files in and out of napari, with all that they say: sizes, units, axes, channels, and what made a result."""

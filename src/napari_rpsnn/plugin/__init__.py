"""The panels in napari and its sample data. Only here are napari and Qt known."""

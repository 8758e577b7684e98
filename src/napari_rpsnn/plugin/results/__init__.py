"""What becomes of a run in the viewer."""

"""A picture of a focus stack: all of its planes."""

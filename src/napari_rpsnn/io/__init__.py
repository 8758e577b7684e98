"""Image files in and out: one file a format, and what made a result."""

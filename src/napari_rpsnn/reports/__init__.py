"""Pages to look at in a browser: one file each, with all pictures in it and nothing to load from elsewhere."""

"""Fuse the files of a folder: what the shell does with `--batch`, in the window."""

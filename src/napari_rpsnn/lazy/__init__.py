"""`fuse` and `fuse_stack` on dask arrays: lazy, larger than memory, on threads or a cluster. Knows dask."""

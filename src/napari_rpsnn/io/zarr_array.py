"""A Zarr array whose chunks are looked at before they are decoded.

zarr takes a missing chunk for an empty one, and numcodecs decodes a Blosc chunk that was cut from what lies in memory
behind it. So before values are read, each chunk that they lie in is proven: there, not empty, and as long as it says.
"""

from __future__ import annotations

import struct
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_rpsnn.io.bounds import refuse_bomb

#: Bytes of the header of a Blosc chunk, and what stands in it: bytes decoded, of a block, encoded.
BLOSC_HEADER, BLOSC_SIZES = 16, "<III"


class ProvenArray:
    """A `zarr.Array` in a folder, read when it is indexed.

    Parameters
    ----------
    array : zarr.Array
    folder : Path
        Of the array.
    complete : bool
        Whether every chunk must be there: of a file that we wrote.
    """

    def __init__(self, array: Any, folder: Path, complete: bool) -> None:
        self.shape, self.dtype, self.ndim = tuple(array.shape), np.dtype(array.dtype), int(array.ndim)
        self.chunks, self.shards = array.chunks, getattr(array, "shards", None)
        self._array, self._folder, self._complete = array, folder, complete
        self._stored = self.shards or self.chunks
        self._filtered = bool(getattr(array, "filters", ()))  # may change the size
        self._blosc = "blosc" in str(getattr(array, "compressors", ())).lower()

    def __getitem__(self, key: Any) -> NDArray[Any]:
        for chunk in self._touched(key):
            self._prove(chunk)
        try:
            return np.asarray(self._array[key])
        except (IndexError, MemoryError):
            raise
        except Exception as error:  # codecs raise what they like
            raise ValueError(f"{self._folder}: cannot be read: {error}") from error

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self[...].astype(dtype or self.dtype, copy=False)

    def _touched(self, key: Any) -> product[tuple[int, ...]]:
        """Places of the chunks that basic indexing reads; all, where it is not basic."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if any(k is Ellipsis for k in keys):
            at = next(i for i, k in enumerate(keys) if k is Ellipsis)
            keys[at : at + 1] = [slice(None)] * (self.ndim - len(keys) + 1)
        keys += [slice(None)] * (self.ndim - len(keys))
        ranges = []
        for one, length, chunk in zip(keys, self.shape, self._stored, strict=False):
            if isinstance(one, slice):
                inside = range(length)[one]
            else:
                inside = range(length)[int(one) :][:1] if isinstance(one, int | np.integer) else range(length)
            first, last = (min(inside), max(inside)) if len(inside) else (0, -1)
            ranges.append(range(first // chunk, last // chunk + 1))
        return product(*ranges)

    def _prove(self, chunk: tuple[int, ...]) -> None:
        path = self._folder / self._array.metadata.encode_chunk_key(chunk)
        if not path.is_file():
            if self._complete:
                raise ValueError(f"{path}: expected a chunk, found none")
            return
        stored, decoded = path.stat().st_size, int(np.prod(self._stored)) * self.dtype.itemsize
        if self.shards:
            return  # each chunk inside has a checksum, and the index has one
        refuse_bomb(decoded, stored, str(path))
        if self._blosc:
            with path.open("rb") as file:
                head = file.read(BLOSC_HEADER)
            said = struct.unpack(BLOSC_SIZES, head[4:]) if len(head) == BLOSC_HEADER else (0, 0, 0)
            if (said[0] != decoded and not self._filtered) or said[2] != stored:
                raise ValueError(
                    f"{path}: expected a Blosc chunk of {decoded} bytes in {said[2]}, got one of {said[0]} in {stored}"
                )

"""OME-Zarr 0.4 and 0.5, through zarr-python, the library of the format, alone.

NGFF metadata is one small JSON object, for which ome-zarr would bring dask, aiohttp and S3 along, and ngff-zarr a
WebAssembly runtime. Version 0.4 is written: every reader has it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.io.image_file import UNITS, ImageFile, plain_unit

SUFFIXES: tuple[str, ...] = (".ome.zarr", ".zarr")
WRITTEN = SUFFIXES
RESULT_SUFFIXES: tuple[str, str] | None = None

#: Order of the axes that are written, and the side of a chunk in pixels.
ORDER, CHUNK_PX = "TCSZYX", 1024

#: Files beside an array's chunks, and what these are called: 0.0, or 0/0, or c/0/0.
METADATA = re.compile(r"\.z(group|array|attrs|metadata)|zarr\.json")
CHUNK = re.compile(r"\d+(\.\d+)*|c")

COLOURS = {"R": "FF0000", "G": "00FF00", "B": "0000FF", "A": "FFFFFF"}


def is_image(path: Path) -> bool:
    """Whether a folder is a Zarr group and not a folder of files."""
    return path.is_dir() and any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zattrs"))


def may_replace(folder: Path) -> bool:
    """Whether a folder holds an image of this kind and nothing else: no labels, no other images, no files of yours."""
    try:
        levels = [tuple(level["path"].split("/")) for level in _said(folder)["multiscales"][0]["datasets"]]
    except Exception:  # whatever it is, it is not ours
        return False
    return all(
        any(_belongs((at / name).relative_to(folder).parts, level) for level in levels) and not (at / name).is_symlink()
        for at, names in ((Path(at), (*folders, *files)) for at, folders, files in os.walk(folder))
        for name in names
    )


def _belongs(parts: tuple[str, ...], level: tuple[str, ...]) -> bool:
    """Whether a file or folder is a part of an image of which an array is at `level`."""
    *places, name = parts
    chunks = parts[len(level) :] if parts[: len(level)] == level else ()
    metadata = METADATA.fullmatch(name) is not None and level[: len(places)] == tuple(places)
    return level[: len(parts)] == parts or metadata or (chunks != () and all(CHUNK.fullmatch(x) for x in chunks))


def _zarr() -> Any:
    try:
        import zarr
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error}. OME-Zarr needs one more package: pip install 'napari-rpsnn[zarr]'"
        ) from error
    return zarr


def _said(folder: Path) -> Any:
    """The metadata of OME-Zarr, of 0.5 or older."""
    attributes = _zarr().open_group(str(folder), mode="r").attrs
    return attributes.get("ome", attributes)


def read(path: Path) -> ImageFile:
    """Open the full resolution of an image; it is read when it is indexed."""
    group = _zarr().open_group(str(path), mode="r")
    said = _said(path)
    if len(said.get("multiscales", ())) != 1:
        inside = ", ".join(sorted(group.group_keys())) or None
        raise ValueError(f"expected one OME-Zarr image, got none or several; groups inside, to be given: {inside}")
    image = said["multiscales"][0]
    kind = said.get("version", image.get("version"))
    if kind not in ("0.4", "0.5"):
        raise ValueError(f"expected OME-Zarr 0.4 or 0.5, got {kind}")
    axes = "".join(a["name"].upper() if a["name"] in ("t", "c", "z", "y", "x") else "Q" for a in image["axes"])
    level = image["datasets"][0]
    steps = [level.get("coordinateTransformations", ()), image.get("coordinateTransformations", ())]
    scales = [step["scale"] for some in steps for step in some if step["type"] == "scale"]
    units = {axis: plain_unit(x["unit"]) for axis, x in zip(axes, image["axes"], strict=True) if x.get("unit")}
    # Without a unit a scale of 1 is what a writer that knows no size has to give.
    scale = {a: s for a, s in zip(axes, np.prod(scales, axis=0).tolist(), strict=True) if a in units or s != 1}
    channels = tuple(channel.get("label", "") for channel in said.get("omero", {}).get("channels", ()))
    return ImageFile(group[level["path"]], axes, scale, units, channels if any(channels) else ())


def refusal(suffix: str, image: ImageFile) -> str:
    """What an OME-Zarr holds, if it is not an image with these axes; else an empty string."""
    wrong = set(image.axes) - set("TCZYXS") or {"C", "S"} <= set(image.axes)
    return "axes among T, C or S, Z, Y, X" if wrong else ""


def write(path: Path, suffix: str, image: ImageFile, provenance: str) -> None:
    """Write an OME-Zarr 0.4 of one resolution. Samples of a colour, which it has not, become channels."""
    data, _ = image.ordered(ORDER)
    create(path, image)[...] = data
    describe(path, image, provenance, float(data.min()), float(data.max()))


def create(path: Path, image: ImageFile) -> Any:
    """Start such a file: its array, whose values and whose description are still to be written."""
    data, letters = image.ordered(ORDER)
    group = _zarr().create_group(str(path), zarr_format=2)
    chunks = tuple(min(n, CHUNK_PX) if axis in "YX" else 1 for axis, n in zip(letters, data.shape, strict=True))
    return group.create_array(
        "0", shape=data.shape, dtype=data.dtype, chunks=chunks, chunk_key_encoding={"name": "v2", "separator": "/"}
    )


def describe(path: Path, image: ImageFile, provenance: str, low: float, high: float) -> None:
    """Write what such a file says of its values, which lie between `low` and `high`."""
    data, letters = image.ordered(ORDER)
    names = list(COLOURS)[: data.shape[letters.index("S")]] if "S" in letters else list(image.channel_names)
    axes = letters.replace("S", "C").lower()
    described = [{"name": axis, "type": {"t": "time", "c": "channel"}.get(axis, "space")} for axis in axes]
    for axis in described:
        if unit := image.units.get(axis["name"].upper()):
            axis["unit"] = UNITS.get(unit, (unit,))[0]
    transform = {"type": "scale", "scale": [float(image.scale.get(axis.upper(), 1)) for axis in axes]}
    datasets = [{"path": "0", "coordinateTransformations": [transform]}]
    attributes: dict[str, Any] = {
        "multiscales": [{"version": "0.4", "axes": described, "datasets": datasets}],
        "napari-rpsnn": json.loads(provenance),
    }
    if names and "c" in axes:
        shown = {"window": {"min": low, "max": high, "start": low, "end": high}, "active": True}
        channels = [{"label": name, "color": COLOURS.get(name, "FFFFFF"), **shown} for name in names]
        attributes["omero"] = {"channels": channels}
    _zarr().open_group(str(path), mode="r+").attrs.update(attributes)


def write_part(path: Path, part: tuple[slice, ...], values: NDArray[Any]) -> None:
    """Write some whole chunks of a file that was started."""
    _zarr().open_array(str(path / "0"), mode="r+")[part] = values

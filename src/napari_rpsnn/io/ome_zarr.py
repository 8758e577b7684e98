"""OME-Zarr 0.4 and 0.5, through zarr-python, the library of the format, alone.

NGFF metadata is one small JSON object, for which ome-zarr would bring dask, aiohttp and S3 along, and ngff-zarr a
WebAssembly runtime. Version 0.4 is written: every reader has it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.io.bounds import sizes
from napari_rpsnn.io.format import value_ends
from napari_rpsnn.io.image_file import UNITS, ImageFile, chosen, plain_unit, same_values
from napari_rpsnn.io.provenance import is_record
from napari_rpsnn.io.zarr_array import ProvenArray

SUFFIXES: tuple[str, ...] = (".ome.zarr", ".zarr")
WRITTEN = SUFFIXES
LOSSY: tuple[str, ...] = ()
RESULT_SUFFIXES: tuple[str, str] | None = None

#: Order of the axes that are written, and the side of a chunk in pixels.
ORDER, CHUNK_PX = "TCSZYX", 1024

#: Files beside an array's chunks, and what these are called: 0.0, or 0/0, or c/0/0.
METADATA = re.compile(r"\.z(group|array|attrs|metadata)|zarr\.json")
CHUNK = re.compile(r"\d+(\.\d+)*|c")

_SETTING = Lock()

#: Axes that are what their type says, whatever their name.
TYPES = {"time": "T", "channel": "C"}

COLOURS = {"R": "FF0000", "G": "00FF00", "B": "0000FF", "A": "FFFFFF"}


def is_image(path: Path) -> bool:
    """Whether a folder is Zarr and not a folder of files."""
    names = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
    return path.is_dir() and any((path / name).is_file() for name in names)


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


def is_ours(path: Path) -> bool:
    """Whether a file is a result of ours."""
    said = _zarr().open_group(str(path), mode="r").attrs.get("napari-rpsnn")
    return is_record(json.dumps(said))


def read(path: Path, series: int | None = None) -> ImageFile:
    """Open the full resolution of an image; it is read when it is indexed."""
    if not _is_group(path):
        raise ValueError("expected an OME-Zarr image, got a plain Zarr array, which says nothing of its axes")
    group = _zarr().open_group(str(path), mode="r")
    said = _said(path)
    if not said.get("multiscales"):
        images = [at.relative_to(path).as_posix() for at in _images_in(path)]
        return read(path / images[chosen(images, series)])
    image = said["multiscales"][chosen([str(one.get("name", "")) for one in said["multiscales"]], series)]
    kind = said.get("version", image.get("version", "0.4"))  # some writers leave it out; what is read below, 0.4 has
    if kind not in ("0.4", "0.5") or not all(isinstance(axis, dict) for axis in image.get("axes", [""])):
        raise ValueError(f"expected OME-Zarr 0.4 or 0.5, with axes, got {kind}, with {image.get('axes', 'none')}")
    letters = [TYPES.get(axis.get("type"), str(axis["name"]).upper()) for axis in image["axes"]]
    axes = "".join(letter if letter in tuple("TCZYX") else "Q" for letter in letters)
    level = image["datasets"][0]
    array = ProvenArray(group[level["path"]], path / level["path"], complete="napari-rpsnn" in group.attrs)
    if array.ndim != len(axes):
        raise ValueError(f"expected an array of the axes {axes}, got one of shape {array.shape}")
    # The transformation of a level comes before that of all levels.
    factor, shift = np.ones(len(axes)), np.zeros(len(axes))
    for step in (*level.get("coordinateTransformations", ()), *image.get("coordinateTransformations", ())):
        numbers = np.asarray(step.get(step["type"], step.get("path", np.nan)), float)
        if step["type"] == "scale":
            factor, shift = factor * numbers, shift * numbers
        elif step["type"] == "translation":
            shift = shift + numbers
    units = {axis: plain_unit(x["unit"]) for axis, x in zip(axes, image["axes"], strict=True) if x.get("unit")}
    # Without a unit a scale of 1 is what a writer that knows no size has to give.
    given = {a: s for a, s in zip(axes, factor.tolist(), strict=True) if a in units or s != 1}
    scale, notes = sizes(given, {axis: f"scale of {axis}" for axis in axes})
    channels = said.get("omero", {}).get("channels", ())
    names = tuple(str(channel.get("label", "")) for channel in channels)
    looks = tuple(_look(channel) for channel in channels)
    return ImageFile(
        array,
        axes,
        scale,
        units,
        names if any(names) else (),
        origin={axis: place for axis, place in zip(axes, shift.tolist(), strict=True) if place},
        looks=looks if any(looks) else (),
        notes=notes,
    )


def _look(channel: Any) -> dict[str, Any]:
    look: dict[str, Any] = {}
    if re.fullmatch("[0-9A-Fa-f]{6}", str(channel.get("color"))):
        look["colour"] = channel["color"]
    window = channel.get("window", {})
    if {"start", "end"} <= window.keys():
        look["window"] = [float(window["start"]), float(window["end"])]
    return look


def _is_group(path: Path) -> bool:
    if (path / "zarr.json").is_file():
        return bool(json.loads((path / "zarr.json").read_bytes()).get("node_type") == "group")
    return not (path / ".zarray").is_file()


def _images_in(folder: Path) -> list[Path]:
    """Images of a plate, or of a series, a folder or two or three down: groups that say multiscales."""
    found = []
    for inside in sorted(folder.iterdir(), key=lambda at: (len(at.name), at.name)):
        if is_image(inside) and _is_group(inside):
            found += [inside] if "multiscales" in _said(inside) else _images_in(inside)
        elif inside.is_dir():
            found += _images_in(inside)
    return found


def refusal(suffix: str, image: ImageFile) -> str:
    """What an OME-Zarr holds, if it is not an image with these axes; else an empty string."""
    wrong = set(image.axes) - set("TCZYXS") or {"C", "S"} <= set(image.axes)
    return "axes among T, C or S, Z, Y, X" if wrong else ""


def write(path: Path, suffix: str, image: ImageFile, provenance: str) -> NDArray[Any]:
    """Write an OME-Zarr 0.4 of one resolution. Samples of a colour, which it has not, become channels."""
    data, _ = image.ordered(ORDER)
    create(path, image)[...] = data
    describe(path, image, provenance, *value_ends(data))
    return data


def create(path: Path, image: ImageFile) -> Any:
    """Start such a file: its array, whose values and whose description are still to be written."""
    data, letters = image.ordered(ORDER)
    native = data.dtype.newbyteorder("=")
    group = _zarr().create_group(str(path), zarr_format=2)
    chunks = tuple(min(n, CHUNK_PX) if axis in "YX" else 1 for axis, n in zip(letters, data.shape, strict=True))
    return group.create_array(
        "0",
        shape=data.shape,
        dtype=np.dtype(native.str),  # C has two names for integers of 64 bits, of which Zarr knows one
        chunks=chunks,
        chunk_key_encoding={"name": "v2", "separator": "/"},
        config={"write_empty_chunks": True},  # so that one that is missing is known to be lost
    )


def describe(path: Path, image: ImageFile, provenance: str, low: float, high: float) -> None:
    """Write what such a file says of its values, which lie between `low` and `high`."""
    data, letters = image.ordered(ORDER)
    names = list(COLOURS)[: image.colours] if image.colours in (3, 4) else list(image.channel_names)
    axes = letters.replace("S", "C").lower()
    described = [{"name": axis, "type": {"t": "time", "c": "channel"}.get(axis, "space")} for axis in axes]
    for axis in described:
        name = axis["name"].upper()
        if name in image.scale and (unit := image.units.get(name)):
            axis["unit"] = UNITS.get(unit, (unit,))[0]
    transform = {"type": "scale", "scale": [float(image.scale.get(axis.upper(), 1)) for axis in axes]}
    steps: list[dict[str, Any]] = [transform]
    if image.origin:
        steps.append({"type": "translation", "translation": [image.origin.get(a.upper(), 0.0) for a in axes]})
    datasets = [{"path": "0", "coordinateTransformations": steps}]
    attributes: dict[str, Any] = {
        "multiscales": [{"version": "0.4", "axes": described, "datasets": datasets}],
        "napari-rpsnn": json.loads(provenance),
    }
    if "c" in axes and (names or image.looks):
        count = data.shape[axes.index("c")]
        looks = image.looks if len(image.looks) == count else ({},) * count
        attributes["omero"] = {
            "channels": [
                {
                    "label": name,
                    "color": look.get("colour", COLOURS.get(name, "FFFFFF")),
                    "window": {"min": low, "max": high, "start": start, "end": end},
                    "active": True,
                }
                for name, look in zip(names or ("",) * count, looks, strict=True)
                for start, end in (look.get("window", (low, high)),)
            ]
        }
    _zarr().open_group(str(path), mode="r+").attrs.update(attributes)


def write_part(path: Path, part: tuple[slice, ...], values: NDArray[Any]) -> None:
    """Write some whole chunks of a file that was started, and read them back."""
    zarr = _zarr()
    # An array takes the setting that there is when it is opened. Empty chunks are written: one that is missing is lost.
    with _SETTING, zarr.config.set({"array.write_empty_chunks": True}):
        array = zarr.open_array(str(path / "0"), mode="r+")
    array[part] = values
    if not same_values(np.asarray(ProvenArray(array, path / "0", complete=True)[part]), values):
        raise OSError(f"{path / '0'}: expected the values that were written, got others")

"""PNG, JPEG and BMP, one picture a file, through Pillow.

Of a PNG of 16 bits in colour Pillow keeps 8: the pixels of these are read and written by imagecodecs.
"""

from __future__ import annotations

import struct
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.io.bounds import sizes
from napari_rpsnn.io.image_file import UNITS, ImageFile, software
from napari_rpsnn.io.photometric import as_rgba, turn
from napari_rpsnn.io.provenance import is_record, shortened

#: dtypes of each kind that is written, by the number of colours; 0 is grey.
DTYPES: dict[str, dict[int, tuple[str, ...]]] = {
    ".png": {0: ("uint8", "uint16"), 3: ("uint8", "uint16"), 4: ("uint8", "uint16")},
    ".jpg": {0: ("uint8",), 3: ("uint8",)},
    ".jpeg": {0: ("uint8",), 3: ("uint8",)},
}
COLOURS = {0: "grey", 3: "RGB", 4: "RGBA"}
WRITTEN: tuple[str, ...] = tuple(DTYPES)
SUFFIXES: tuple[str, ...] = (*WRITTEN, ".bmp")
LOSSY: tuple[str, ...] = (".jpg", ".jpeg")

#: PNG holds what they hold, but neither a decision map nor heights.
RESULT_SUFFIXES: tuple[str, str] | None = (".png", ".tif")

#: What Pillow has of a picture that is seen as it is stored.
SEEN = ("L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I")
#: What a file of another name may be, of which Pillow keeps 8 bits, or the first page.
DEEPER = ("TIFF", "JPEG2000")
ORIENTATION = 0x0112
DEEP = "PNG of 16 bits in colour needs one more package: pip install 'napari-rpsnn[compressed]'"
#: The last chunk of every PNG: Pillow does without it, other programs do not.
PNG_END = b"IEND\xaeB`\x82"
#: Most that the comment of a JPEG holds.
COMMENT_BYTES = 2**16 - 3


def is_image(path: Path) -> bool:
    """Whether a path is a file of such a name."""
    return path.is_file() and path.name.lower().endswith(SUFFIXES)


def may_replace(folder: Path) -> bool:
    """Never: such an image is a file."""
    return False


def is_ours(path: Path) -> bool:
    """Whether a file is a result of ours."""
    from PIL import Image

    with Image.open(path) as picture:
        said = picture.info
    return is_record(str(said.get("Description", ""))) or is_record(said.get("comment", b"").decode(errors="replace"))


def read(path: Path, series: int | None = None) -> ImageFile:
    """Read a picture as it is seen: palettes, inks and grey with alpha as colours, turned as the camera says."""
    from PIL import Image

    if series:
        raise ValueError(f"expected one image in the file and no series {series}")
    with Image.open(path) as opened:
        picture: Any = opened
        if picture.format in DEEPER:
            raise ValueError(f"expected a PNG, JPEG or BMP, as its name says, got {picture.format}: rename it")
        said, exif = dict(picture.info), picture.getexif()
        if picture.format == "PNG" and PNG_END not in path.read_bytes():
            raise ValueError("expected a whole PNG, got one that ends too early")
        picture.load()  # info has more now: of a PNG, what stands behind the data
        said |= picture.info
        frames = getattr(picture, "n_frames", 1)
        if frames > 1 and picture.format != "MPO":
            raise ValueError(f"expected one picture, got {frames}")
        if _is_deep(path):
            image = _codecs().png_decode(path.read_bytes())
        else:
            if picture.mode not in SEEN or ("transparency" in said and picture.mode in ("L", "RGB")):
                clear = "transparency" in said or picture.mode in ("PA", "La", "RGBa")
                grey = picture.mode in ("1", "L", "La")
                picture = picture.convert(("LA" if clear else "L") if grey else ("RGBA" if clear else "RGB"))
            image = np.array(picture)
    if image.dtype.kind == "i":  # Pillow's old name for 16 bits
        image = image.astype(np.uint16)
    if image.shape[2:] == (2,):
        image = as_rgba(image, 2)
    orientation = exif.pop(ORIENTATION, 1)
    image = turn(image.astype(image.dtype.newbyteorder("="), copy=False), 0, orientation)
    per_inch = dict(zip("XY", said.get("dpi", ()), strict=False))
    values = {axis: 1 / float(dots) for axis, dots in per_inch.items() if float(dots) > 1}
    scale, notes = sizes(values, {axis: "dpi" for axis in values})
    if frames > 1:
        notes += (f"of its {frames} pictures the first is taken",)
    tags = {"icc": said.get("icc_profile"), "exif": exif.tobytes() if len(exif) else None}
    return ImageFile(
        np.ascontiguousarray(image),
        "YX" if image.ndim == 2 else "YXS",
        scale,
        dict.fromkeys(scale, "in"),
        tags={name: value for name, value in tags.items() if value},
        notes=notes,
    )


def refusal(suffix: str, image: ImageFile) -> str:
    """What such a file holds, if it is not an image like this one; else an empty string."""
    if image.axes.replace("S", "") == "YX" and image.data.dtype.name in DTYPES[suffix].get(image.colours, ()):
        return DEEP if _is_deep_image(image) and not find_spec("imagecodecs") else ""
    kinds = (f"{COLOURS[n]} of {' or '.join(d)}" for n, d in DTYPES[suffix].items())
    return f"one picture, {'; '.join(kinds)}"


def write(path: Path, suffix: str, image: ImageFile, provenance: str) -> NDArray[Any]:
    """Write a picture, JPEG nearly without loss."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    data = np.ascontiguousarray(image.ordered("YXS")[0])
    options: dict[str, Any] = {"icc_profile": image.tags.get("icc"), "exif": image.tags.get("exif")}
    cm = UNITS.get(image.units.get("X", ""), ("", None))[1]
    if cm and {"X", "Y"} <= image.scale.keys() and image.units.get("Y") == image.units["X"]:
        dpi = [2.54 / (image.scale[axis] * cm) for axis in "XY"]
        if all(1 <= dots < (2**16 if suffix != ".png" else 2**24) for dots in dpi):
            options["dpi"] = tuple(dpi)
    options = {name: value for name, value in options.items() if value}
    # Of 16 bits in colour the metadata are written by Pillow, around a picture of nothing.
    picture = Image.fromarray(data[:1, :1].astype(np.uint8) if _is_deep_image(image) else data)
    if suffix == ".png":
        text = PngInfo()
        text.add_text("Software", software())
        text.add_text("Description", provenance)
        picture.save(path, format="PNG", pnginfo=text, **options)
    else:
        comment = shortened(provenance, COMMENT_BYTES).encode()
        picture.save(path, format="JPEG", quality=95, subsampling=0, comment=comment, **options)
    if _is_deep_image(image):
        path.write_bytes(_with_pixels(path.read_bytes(), _codecs().png_encode(data)))
    return data


def _is_deep_image(image: ImageFile) -> bool:
    return image.colours > 2 and bool(image.data.dtype == np.uint16)


def _is_deep(path: Path) -> bool:
    """Whether a file is a PNG of 16 bits in colour, or with alpha, of which Pillow keeps 8."""
    with path.open("rb") as file:
        head = file.read(26)
    return head[1:4] == b"PNG" and head[24:25] == b"\x10" and head[25] != 0


def _codecs() -> Any:
    try:
        import imagecodecs
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"{error}. {DEEP}") from error
    return imagecodecs


def _with_pixels(described: bytes, pixels: bytes) -> bytes:
    """A PNG with the description of one file and the pixels of another."""
    own = (b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS")
    told = b"".join(chunk for name, chunk in _chunks(described) if name not in own)
    head, *data = [chunk for name, chunk in _chunks(pixels) if name in own]
    return described[:8] + head + told + b"".join(data)


def _chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        found.append((png[at + 4 : at + 8], png[at : at + 12 + length]))
        at += 12 + length
    return found

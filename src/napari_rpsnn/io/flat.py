"""PNG, JPEG and BMP, one picture a file, through Pillow."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_rpsnn.io.image_file import ImageFile, software

#: dtypes of each kind that is written, by the number of colours; 0 is grey.
DTYPES: dict[str, dict[int, tuple[str, ...]]] = {
    ".png": {0: ("uint8", "uint16"), 3: ("uint8",), 4: ("uint8",)},
    ".jpg": {0: ("uint8",), 3: ("uint8",)},
    ".jpeg": {0: ("uint8",), 3: ("uint8",)},
}
WRITTEN: tuple[str, ...] = tuple(DTYPES)
SUFFIXES: tuple[str, ...] = (*WRITTEN, ".bmp")

#: PNG holds what they hold, but neither a decision map nor heights.
RESULT_SUFFIXES: tuple[str, str] | None = (".png", ".tif")


def is_image(path: Path) -> bool:
    """Whether a path is a file of such a name."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


def read(path: Path) -> ImageFile:
    """Read a picture."""
    from PIL import Image

    head = path.read_bytes()[:26]
    if head[1:4] == b"PNG" and head[24] == 16 and head[25] != 0:
        raise ValueError("expected a PNG of 8 bits per value, or a grey one, got 16 bits in colour; save it as TIFF")
    with Image.open(path) as picture:
        image = np.asarray(picture)
    return ImageFile(image, "YX" if image.ndim == 2 else "YXS")


def refusal(suffix: str, image: ImageFile) -> str:
    """What such a file holds, if it is not an image like this one; else an empty string."""
    colours = image.data.shape[image.axes.index("S")] if "S" in image.axes else 0
    if image.axes.replace("S", "") == "YX" and image.data.dtype.name in DTYPES[suffix].get(colours, ()):
        return ""
    kinds = ({0: "grey", 3: "RGB", 4: "RGBA"}[n] + f" of {' or '.join(d)}" for n, d in DTYPES[suffix].items())
    return f"one picture, {'; '.join(kinds)}"


def write(path: Path, suffix: str, image: ImageFile, provenance: str) -> None:
    """Write a picture, JPEG nearly without loss."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    picture = Image.fromarray(np.ascontiguousarray(image.ordered("YXS")[0]))
    if suffix == ".png":
        text = PngInfo()
        text.add_text("Software", software())
        text.add_text("Description", provenance)
        picture.save(path, format="PNG", pnginfo=text)
    else:
        picture.save(path, format="JPEG", quality=95, subsampling=0, comment=provenance.encode())


def may_replace(folder: Path) -> bool:
    """Never: such an image is a file."""
    return False

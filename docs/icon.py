"""Make the icon of the plugin: planes of a stack, one of them sharp at each place.

python docs/icon.py
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

OUT = Path(__file__).parents[1] / "src" / "napari_rpsnn" / "plugin" / "icon.png"
SIDE = 1024
#: From the one behind to the one in front.
COLOURS = ((52, 84, 140), (46, 134, 150), (94, 186, 125))


def plane(colour: tuple[int, int, int], top: int, blur: float) -> Image.Image:
    """A plane, seen from above at a slant, out of focus by `blur` pixels."""
    image = Image.new("RGBA", (SIDE, SIDE), (*colour, 0))
    half, height = 430, 230
    middle = SIDE // 2
    corners = [(middle, top), (middle + half, top + height), (middle, top + 2 * height), (middle - half, top + height)]
    ImageDraw.Draw(image).polygon(corners, fill=(*colour, 235))
    return image.filter(ImageFilter.GaussianBlur(blur))


def main() -> None:
    """Draw it large, and write it small."""
    image = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    for colour, top, blur in zip(COLOURS, (470, 290, 110), (26.0, 11.0, 0.0), strict=True):
        image = Image.alpha_composite(image, plane(colour, top, blur))
    small = image.resize((256, 256), Image.Resampling.LANCZOS)
    small.save(OUT, optimize=True)


if __name__ == "__main__":
    main()

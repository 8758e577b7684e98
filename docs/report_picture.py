"""Make the picture of a quality report for the docs, as a browser shows it: ``make screenshots`` runs this, too.

The report is of the sample *Fluorescence z-stack*, from which the last planes were left out, so that it has something
to say. It needs Chromium or Chrome in the PATH.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import tifffile
from PIL import Image

from napari_rpsnn.cli.fuse import main as run
from napari_rpsnn.plugin.sample_data import PIXEL_UM, STEP_UM, fluorescence_stack

OUT = Path(__file__).parent / "report.png"
SIZE_PX = (1000, 760)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SCALE = {"PhysicalSizeZ": STEP_UM, "PhysicalSizeY": PIXEL_UM, "PhysicalSizeX": PIXEL_UM}


def main() -> None:
    """Fuse, report, and take the picture."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"expected one of {', '.join(BROWSERS)} in the PATH, found none")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        stack, page, picture = folder / "stack.ome.tif", folder / "report.html", folder / "report.png"
        tifffile.imwrite(stack, fluorescence_stack()[0][0][:8], metadata={"axes": "ZYX", **SCALE})
        if code := run(["fuse", str(stack), "-o", str(folder / "fused.ome.tif"), "--report", str(page)]):
            sys.exit(code)
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE_PX[0]},{SIZE_PX[1]}"]
        subprocess.run([browser, *options, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True)
        Image.open(picture).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(OUT, optimize=True)
    print(f"{OUT.name}: {OUT.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()

"""Figures of others that the measures reproduce, where the Lytro pairs lie beside the checkout."""

import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from fusions import blended, mean, sharper
from skimage.io import imread

from napari_rpsnn.metrics import MEASURES, to_grey

LYTRO = Path(__file__).parents[3] / "shared" / "eval" / "lytro"
SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
MEASURE = {measure.name: measure for measure in MEASURES}
PAIRS = range(1, 21)
WAYS = {"mean": mean, "sharper": sharper, "blended": blended}
#: Means over the 20 pairs by an implementation that shares no code with this one, which was checked against the toolbox
#: of Z. Liu et al. (IEEE TPAMI 34, 2012) as corrected by the authors of the survey of multi-focus fusion (Y. Liu et
#: al., Information Fusion 64, 2020). The authors' fused images, and plain ways to fuse.
REFERENCE = {
    "authors": {"AG": 8.2592, "SF": 19.4575, "EN": 7.5356, "1-|rSFe|": 0.9824, "Q_Y": 0.9536, "Q_G": 0.7406,
                "Q_E": 0.8787, "Q_CB": 0.7593, "Q_P": 0.8279, "VIFF": 0.9439},
    "mean": {"AG": 5.0134, "SF": 11.5605, "EN": 7.4694, "1-|rSFe|": 0.5908, "Q_Y": 0.8424, "Q_G": 0.5844,
             "Q_E": 0.6727, "Q_CB": 0.6246, "Q_P": 0.7515, "VIFF": 0.7708},
    "sharper": {"AG": 8.1982, "SF": 19.4373, "EN": 7.5317, "1-|rSFe|": 0.9814, "Q_Y": 0.9869, "Q_G": 0.7611,
                "Q_E": 0.8790, "Q_CB": 0.8071, "Q_P": 0.8440, "VIFF": 0.9454},
    "blended": {"AG": 8.1402, "SF": 19.2894, "EN": 7.5535, "1-|rSFe|": 0.9743, "Q_Y": 0.9445, "Q_G": 0.7294,
                "Q_E": 0.8820, "Q_CB": 0.7379, "Q_P": 0.8185, "VIFF": 0.9963},
}  # fmt: skip

pytestmark = pytest.mark.skipif(not LYTRO.is_dir(), reason=f"no Lytro pairs at {LYTRO}")


def figures_of(number):
    """All measures of all ways to fuse a pair, whose sources are taken apart once."""
    near, far = (imread(LYTRO / f"img{k}" / f"lytro-{number:02}.jpg") for k in (1, 2))
    fused = {way: fuse(near, far).astype(np.uint8) for way, fuse in WAYS.items()}
    fused["authors"] = imread(LYTRO / "authors_fused" / f"{number}.png")
    sources = [to_grey(near), to_grey(far)]
    return {way: [MEASURE[name].of(sources, to_grey(fused[way])) for name in REFERENCE[way]] for way in REFERENCE}


@pytest.fixture(scope="module")
def figures():
    """By way and measure, those of the 20 pairs."""
    with ThreadPoolExecutor(2) as threads:  # more pairs at a time would push one another out of the cache of phases
        pairs = list(threads.map(figures_of, PAIRS))
    return {way: {name: [pair[way][k] for pair in pairs] for k, name in enumerate(REFERENCE[way])} for way in REFERENCE}


def sheet():
    """The five rows of 20 figures that the authors of R-PSNN published for their images, in a sheet of many methods."""
    with zipfile.ZipFile(LYTRO / "authors_metrics.xlsx") as book:
        table, strings = (ElementTree.fromstring(book.read(f"xl/{name}.xml")) for name in
                          ("worksheets/sheet1", "sharedStrings"))  # fmt: skip
    texts = ["".join(part.text or "" for part in string.iter(f"{SPACE}t")) for string in strings]
    rows = {int(row.get("r")): row for row in table.iter(f"{SPACE}row")}

    def cells(row):
        return [
            (cell.get("t") == "s", cell.findtext(f"{SPACE}v")) for cell in row if cell.find(f"{SPACE}v") is not None
        ]

    title = next(n for n, row in rows.items() if (True, str(texts.index("R-PSNN"))) in cells(row))
    return np.array([[float(v) for text, v in cells(rows[title + k]) if not text] for k in range(1, 6)])


@pytest.mark.parametrize(
    ("row", "name", "close"),
    [(0, "EN", 1e-5), (1, "AG", 1e-5), (2, "SF", 1e-5), (3, "1-|rSFe|", 1e-5), (4, "Q_Y", 2e-3)],
)
def test_the_authors_sheet_is_reproduced(figures, row, name, close):
    """Rows of the sheet have no names; these measures, in this order, are what gives its figures."""
    published = sheet()
    assert published.shape == (5, 20)
    assert figures["authors"][name] == pytest.approx(list(published[row]), rel=close)


@pytest.mark.parametrize("way", REFERENCE)
def test_means_of_an_independent_implementation_are_reproduced(figures, way):
    means = {name: np.mean(values) for name, values in figures[way].items()}
    assert means == pytest.approx(REFERENCE[way], abs=1e-3)

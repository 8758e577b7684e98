"""All measures of a fused image in one table: which to trust, and what fools the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from napari_rpsnn.metrics.detail import average_gradient, spatial_frequency, spatial_frequency_agreement
from napari_rpsnn.metrics.edges import q_g
from napari_rpsnn.metrics.information import entropy, mutual_information, ncie
from napari_rpsnn.metrics.phase import q_p
from napari_rpsnn.metrics.structure import q_e, q_w, q_y
from napari_rpsnn.metrics.truth import psnr, ssim
from napari_rpsnn.metrics.vision import q_cb, viff

#: What may score more than the truth: the truth with noise or sharpened, the mean of the sources with as much noise as
#: makes up for its blur, one of the sources as it is, bands of detail mixed from all sources, and the sharper source at
#: each pixel, which leaves seams and halos.
NOISE, SHARPENING, NOISY_BLUR = "noise", "sharpening", "blur with noise"
UNFUSED, BLENDING, COPIES = "an unfused source", "blending", "copies of the sharper source"


@dataclass(frozen=True)
class Measure:
    """A measure, of which larger is better.

    Attributes
    ----------
    name : str
        As publications have it.
    text : str
        What it says, in a few words.
    function : callable
        Takes what `needs` says, and the fused image.
    needs : {"truth", "sources", "nothing"}
        What the fused image is compared with.
    trusted : bool
        Whether it is worth a headline.
    fooled_by : tuple of str
        What scores more than the truth on most pictures, as measured by a test.
    pairs_only : bool
        Whether it is defined for two sources only.
    """

    name: str
    text: str
    function: Callable[..., float]
    needs: str = "sources"
    trusted: bool = False
    fooled_by: tuple[str, ...] = ()
    pairs_only: bool = False

    def of(self, sources: Sequence[Any], fused: Any, truth: Any = None) -> float | None:
        """The figure, or None where there is no truth that it needs, or more sources than it is defined for."""
        if self.needs == "truth":
            return None if truth is None else self.function(truth, fused)
        if self.needs == "nothing":
            return self.function(fused)
        return None if self.pairs_only and len(sources) != 2 else self.function(sources, fused)


#: The trustworthy ones first, then those that are known to reward the wrong thing.
MEASURES: tuple[Measure, ...] = (
    Measure("PSNR", "likeness to the truth, in dB", psnr, "truth", True),
    Measure("SSIM", "structural similarity to the truth", ssim, "truth", True),
    Measure("Q_G", "edges kept", q_g, trusted=True, fooled_by=(COPIES,)),
    Measure("Q_CB", "visible contrast kept", q_cb, trusted=True, fooled_by=(COPIES,)),
    Measure("Q_E", "structure of image and edges kept", q_e, trusted=True, fooled_by=(BLENDING, COPIES)),
    Measure("Q_W", "structure kept", q_w, fooled_by=(BLENDING, COPIES)),
    Measure("Q_P", "features kept, by phase", q_p, pairs_only=True, fooled_by=(COPIES,)),
    Measure("Q_Y", "structure of the nearer source kept", q_y, pairs_only=True, fooled_by=(UNFUSED, COPIES)),
    Measure("1-|rSFe|", "as much detail as the sources", spatial_frequency_agreement, fooled_by=(NOISY_BLUR,)),
    Measure("VIFF", "information an eye gets", viff, fooled_by=(SHARPENING, BLENDING)),
    Measure("AG", "mean gradient", average_gradient, "nothing", fooled_by=(NOISE, SHARPENING, NOISY_BLUR)),
    Measure("SF", "spatial frequency", spatial_frequency, "nothing", fooled_by=(NOISE, SHARPENING, NOISY_BLUR)),
    Measure(
        "EN",
        "entropy of the histogram, in bits",
        entropy,
        "nothing",
        fooled_by=(NOISE, SHARPENING, NOISY_BLUR, BLENDING, COPIES),
    ),
    Measure("MI", "grey levels of the sources told, in bits", mutual_information, fooled_by=(UNFUSED, COPIES)),
    Measure("NCIE", "correlation of grey levels", ncie, fooled_by=(UNFUSED, COPIES)),
)

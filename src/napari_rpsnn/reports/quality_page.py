"""The page of a quality report: what is wrong first, then where which plane was taken and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from napari_rpsnn.reports.page import listed, page, picture_tag, shown, table
from napari_rpsnn.reports.quality import depth_of_field, unsharp
from napari_rpsnn.reports.sections import Section

#: Longer sides of pictures are reduced; maps are shown of so many pictures of a series.
SIDE_PX, PICTURES = 640, 6
#: Percentiles that are shown black and white, where a picture has more than 8 bits.
SEEN = (0.1, 99.9)
#: Viridis, at even steps.
COLOURS = np.array(
    [(68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141), (39, 173, 129), (92, 200, 99),
     (170, 220, 50), (253, 231, 37)]
)  # fmt: skip
#: Where no plane has data, or no plane is sharp before or beyond.
NONE, BEFORE, BEYOND = (120, 120, 120), (214, 69, 65), (244, 179, 80)


def quality_page(title: str, sections: Sequence[Section], record: Mapping[str, Any]) -> bytes:
    """Return the page; `record` is what made the image."""
    body = [f'<p class="lead">{_summary(sections)}</p>']
    for section in sections:
        for finding in section.findings:
            where = f"{escape(section.name)}: " if section.name else ""
            body.append(
                f'<div class="finding" data-kind="{escape(finding.kind)}"><b>{where}{escape(finding.text)}</b>'
                f"{escape(finding.advice)}</div>"
            )
    for section in sections[:PICTURES]:
        body.append(f"<h2>{escape(section.name) or 'Where which plane was taken'}</h2>{_maps(section)}")
        body.append(f"<h3>Plane by plane</h3>{_charts(section)}<details><summary>Figures</summary>")
        body.append(f"{_figures(section)}</details>")
    if len(sections) > PICTURES:
        body.append(f"<p>Maps of the other {len(sections) - PICTURES} pictures are left out.</p>")
    made = escape(json.dumps(dict(record), indent=2))
    body.append(f'<h2>How it was made</h2><details><summary>Record</summary><pre class="wide">{made}</pre></details>')
    return page(title, "\n".join(body))


def _summary(sections: Sequence[Section]) -> str:
    kinds = list(dict.fromkeys(finding.kind for section in sections for finding in section.findings))
    count = sections[0].survey.count
    what = f"{count} planes" if count > 2 else "two images"
    if len(sections) > 1:
        what = f"{len(sections)} pictures of {what}"
    if not kinds:
        return (
            f"No trouble was found in {what}. Looked for: shift and drift of brightness between planes, parts that no "
            "plane shows sharply, planes that contribute nothing, coarse spacing, saturation, borders, hot pixels, "
            "unsure choices."
        )
    return f"In {what}: {escape(listed(kinds))}."


def _maps(section: Section) -> str:
    image, survey = section.image, section.survey
    # One hot pixel leaves the others their contrast.
    there = np.isfinite(image)
    ends = 0.0, 255.0
    if image.dtype != np.uint8 and there.any():
        low, high = np.percentile(image[there], SEEN)
        ends = float(low), float(high)
    image = np.where(there, image, image.dtype.type(ends[0]))
    picture = shown(image[..., 0] if image.shape[-1] < 3 else image, *ends)
    tags = [_figure(picture, "the image")]
    last = max(survey.count - 1, 1)
    if section.index is not None:
        colours = _coloured(section.index / last)
        colours[section.index < 0] = NONE
        ends = section.decision.first, section.decision.first + survey.count - 1
        tags.append(
            _figure(colours, f"the plane of each pixel, from {ends[0]} (dark) to {ends[1]} (bright)", exact=True)
        )
    if section.decision.confidence is not None:
        tags.append(_figure(_coloured(section.decision.confidence), "how sure that is: dark is unsure"))
    cells = unsharp(survey)
    if cells.any():
        marks = np.full((*cells.shape, 3), 40, np.uint8)
        marks[cells < 0], marks[cells > 0] = BEFORE, BEYOND
        large = marks.repeat(survey.cell, 0).repeat(survey.cell, 1)
        tags.append(_figure(large, "where no plane is sharp: focus before the first (red), beyond the last (yellow)"))
    return f'<div class="maps">{"".join(tags)}</div>'


def _coloured(unit: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Values from 0 to 1 as colours; NaN is where no plane has data."""
    steps = np.linspace(0, 1, len(COLOURS))
    channels = [np.interp(unit, steps, COLOURS[:, channel]) for channel in range(3)]
    colours = np.where(np.isnan(unit)[..., None], NONE, np.stack(channels, -1))
    made: NDArray[np.uint8] = np.rint(colours).astype(np.uint8)
    return made


def _figure(picture: NDArray[np.uint8], caption: str, exact: bool = False) -> str:
    """A picture with its caption; `exact` colours are not mixed where it is reduced."""
    small = PIL.Image.fromarray(picture)
    kind = PIL.Image.Resampling.NEAREST if exact else PIL.Image.Resampling.LANCZOS
    if max(small.size) > SIDE_PX:
        ratio = SIDE_PX / max(small.size)
        small = small.resize((max(round(small.width * ratio), 1), max(round(small.height * ratio), 1)), kind)
    return f"<figure>{picture_tag(np.asarray(small), caption)}<figcaption>{escape(caption)}</figcaption></figure>"


def _charts(section: Section) -> str:
    survey, first = section.survey, section.decision.first
    brightness = np.array(survey.brightness)
    middle = float(np.median(brightness)) or 1.0
    charts = [_bars(brightness / middle, "brightness, beside the median plane", first)]
    if section.decision.shares is not None:
        charts.insert(0, _bars(np.array(section.decision.shares), "share of the image", first))
    if any(step != (0, 0) for step in survey.shifts):
        charts.append(_bars(np.hypot(*np.transpose(survey.shifts)), "shift to the plane before, in pixels", first))
    return f'<div class="maps">{"".join(charts)}</div>'


def _bars(values: NDArray[np.floating], caption: str, first: int) -> str:
    """A bar for each plane."""
    width, height, room = 320, 110, 18
    most = float(values.max()) or 1.0
    step = width / len(values)
    heights = height * (values / most).clip(0, 1)  # values about zero have means below it
    bars = "".join(
        f'<rect x="{k * step + 0.1 * step:.1f}" width="{0.8 * step:.1f}" y="{height - high:.1f}" '
        f'height="{high:.1f}" fill="#21908d"><title>plane {first + k}: {value:.3g}</title></rect>'
        for k, (value, high) in enumerate(zip(values, heights, strict=True))
    )
    ends = (
        f'<text x="0" y="{height + 14}">plane {first}</text>'
        f'<text x="{width}" y="{height + 14}" text-anchor="end">{first + len(values) - 1}</text>'
    )
    return (
        f'<figure><svg viewBox="0 0 {width} {height + room}" role="img" aria-label="{escape(caption)}">'
        f"{bars}{ends}</svg>"
        f"<figcaption>{escape(caption)}: up to {most:.3g}</figcaption></figure>"
    )


def _figures(section: Section) -> str:
    survey, decision = section.survey, section.decision
    rows = []
    for k in range(survey.count):
        share = "-" if decision.shares is None else f"{decision.shares[k]:.1%}"
        rows.append(
            [
                str(decision.first + k),
                share,
                f"{survey.brightness[k]:.5g}",
                f"{survey.shifts[k][0]:g}, {survey.shifts[k][1]:g}",
                f"{survey.saturated[k]:.2%}",
                f"{survey.borders[k]:.1%}",
            ]
        )
    depth = depth_of_field(survey)
    said = "" if depth is None else f"<p>Fine detail keeps 80 % of its contrast over {depth:.1f} planes.</p>"
    head = ["plane", "share", "brightness", "shift (rows, columns)", "saturated", "without data"]
    return said + table(head, rows)

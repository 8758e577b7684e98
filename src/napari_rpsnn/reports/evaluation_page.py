"""An evaluation as a table, CSV, JSON, and a page: the summary first, the measures to trust before the others."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from html import escape
from importlib.metadata import version

from napari_rpsnn.metrics import Measure
from napari_rpsnn.reports.evaluation import Evaluation, Place
from napari_rpsnn.reports.page import listed, page, picture_tag, table


def as_text(made: Evaluation) -> str:
    """Means, a line a method; below them the measures not to rely on."""
    parts = []
    for title, measures in _groups(made).items():
        rows = [["mean of " + _count(made), *(measure.name for measure in measures)]]
        rows += [[name, *(_number(made.mean(name, m.name)) for m in measures)] for name in made.methods]
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        lines = []
        for first, *cells in rows:
            aligned = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
            lines.append("  ".join([first.ljust(widths[0]), *aligned]))
        parts.append("\n".join([title, *lines]))
    return "\n\n".join([*parts, *made.notes])


def as_csv(made: Evaluation) -> bytes:
    """A line for each scene and method."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["scene", "method", *(measure.name for measure in made.measures)])
    for scene, methods in made.scores.items():
        for name, scores in methods.items():
            writer.writerow([scene, name, *(repr(scores[measure.name]) for measure in made.measures)])
    return stream.getvalue().encode(errors="backslashreplace")  # names of files may be no text


def as_json(made: Evaluation) -> bytes:
    """All of it; what JSON has no number for, an infinite PSNR, is a string."""

    def plain(value: float | None) -> float | str | None:
        return value if value is None or math.isfinite(value) else str(value)

    said = {
        "program": "napari-rpsnn",
        "version": version("napari-rpsnn"),
        "measures": {
            m.name: {"text": m.text, "trusted": m.trusted, "fooled_by": list(m.fooled_by)} for m in made.measures
        },
        "means": {name: {m.name: plain(made.mean(name, m.name)) for m in made.measures} for name in made.methods},
        "scenes": {
            scene: {name: {m.name: plain(scores[m.name]) for m in made.measures} for name, scores in methods.items()}
            for scene, methods in made.scores.items()
        },
        "notes": made.notes,
    }
    return (json.dumps(said, indent=2) + "\n").encode()


def as_page(made: Evaluation, title: str) -> bytes:
    """The page, of one file."""
    groups = _groups(made)
    (_, trusted), *others = groups.items()
    body = [f'<p class="lead">{_summary(made, trusted)}</p>']
    body += [f'<p class="warn">{escape(note)}</p>' for note in made.notes]
    body += ["<h2>Measures to trust</h2>", _means(made, trusted)]
    body.append(
        '<p class="soft">Mean of each measure; in brackets, in how many scenes a method is the best. Differences '
        "in the third digit are none: the truth itself is a little behind good results in measures without one.</p>"
    )
    if any(made.places.values()):
        body.append("<h2>Worst places</h2><p>Move the slider, and choose below which two to compare.</p>")
        for name in made.methods:
            body += [f"<h3>{escape(name)}</h3>", *map(_place, made.places.get(name, []))]
            if not made.places.get(name):
                body.append("<p>Nowhere worse than all others.</p>")
    for _, measures in others:
        body += [
            "<h2>Measures that reward the wrong thing</h2>",
            "<p>Each scores higher than the truth what stands below its name. They are here because publications have "
            "them; a lead in them alone means nothing.</p>",
            _means(made, measures),
        ]
    body.append(f"<h2>Scene by scene</h2><details><summary>{_count(made)}</summary>{_scenes(made, trusted)}</details>")
    return page(title, "\n".join(body), script=True)


def _groups(made: Evaluation) -> dict[str, list[Measure]]:
    trusted = [measure for measure in made.measures if measure.trusted]
    others = [measure for measure in made.measures if not measure.trusted]
    return {"Measures to trust": trusted, "Measures that reward the wrong thing": others}


def _summary(made: Evaluation, trusted: Sequence[Measure]) -> str:
    """Who is ahead, in words."""
    if len(made.methods) == 1:
        figures = (f"{m.name} {_number(made.mean(made.methods[0], m.name))}" for m in trusted)
        return f"{escape(made.methods[0])}, {_count(made)}: {listed(list(figures))}."
    ahead: dict[str, list[str]] = {}
    for measure in trusted:
        ahead.setdefault(made.best(measure.name), []).append(measure.name)
    parts = [f"<b>{escape(name)}</b> is ahead in {listed(names)}" for name, names in ahead.items()]
    return f"Of {len(made.methods)} methods on {_count(made)}, {listed(parts)}."


def _count(made: Evaluation) -> str:
    return f"{len(made.scores)} scene{'s' if len(made.scores) > 1 else ''}"


def _means(made: Evaluation, measures: Sequence[Measure]) -> str:
    head = ["", *(f"{escape(m.name)}<small>{escape(m.text)}</small>{_warning(m)}" for m in measures)]
    first = measures[0].name
    rows = []
    for name in sorted(made.methods, key=lambda method: -made.mean(method, first)):
        cells = []
        for measure in measures:
            best = len(made.methods) > 1 and made.mean(name, measure.name) == made.mean(
                made.best(measure.name), measure.name
            )
            wins = f" <small>({made.wins(name, measure.name)})</small>" if measure.trusted else ""
            cells.append(f"{'*' if best and measure.trusted else ''}{_number(made.mean(name, measure.name))}{wins}")
        rows.append([escape(name), *cells])
    return table(head, rows)


def _warning(measure: Measure) -> str:
    if measure.trusted:
        return ""
    return f'<small class="warn">fooled by {escape(listed(measure.fooled_by))}</small>'


def _scenes(made: Evaluation, measures: Sequence[Measure]) -> str:
    rows = []
    for scene, methods in made.scores.items():
        for name, scores in methods.items():
            cells = []
            for measure in measures:
                value = scores[measure.name]
                best = max(x[measure.name] for x in methods.values())  # type: ignore[type-var]
                cells.append(f"{'*' if value == best and len(methods) > 1 else ''}{_number(value)}")
            rows.append([escape(f"{scene}, {name}"), *cells])
    return table(["", *(escape(m.name) for m in measures)], rows)


def _place(place: Place) -> str:
    choices: list[str] = []
    for chosen in (place.method, place.beside):
        options = (f"<option{' selected' * (name == chosen)}>{escape(name)}</option>" for name in place.pictures)
        side = "left" if not choices else "right"
        choices.append(f'<select aria-label="Picture on the {side}">{"".join(options)}</select>')
    thumbs = (
        f"<figure>{picture_tag(picture, name)}<figcaption>{escape(name)}</figcaption></figure>"
        for name, picture in place.pictures.items()
    )
    row, column = place.where
    return (
        f'<div class="place"><p><b>{escape(place.scene)}</b>, row {row}, column {column}: {escape(place.text)}.</p>'
        '<div class="compare"><div style="width: min(24rem, 100%)"><div class="pair"><img class="under" alt="">'
        '<img class="over" alt=""><input type="range" value="50" aria-label="How much of the left picture is shown">'
        f'<span></span></div><div class="choices">{"".join(choices)}</div></div>'
        f'<div class="thumbs">{"".join(thumbs)}</div></div></div>'
    )


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if math.isfinite(value) else "∞" if value > 0 else "-∞"

"""Reports of long work, as many as a window has use for. No Qt here."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace

from napari_rpsnn.engine.results import Preview, Progress, Result

Steps = Generator[Progress, None, Result]

#: Seconds between reports, and between previews: a window needs no more, and each costs it time.
REPORT_S, PREVIEW_S = 0.5, 1.0


def now_and_then(steps: Steps) -> Steps:
    """Pass some of the reports on, and all notes."""
    reported = previewed = float("-inf")
    preview: Preview | None = None
    while True:
        try:
            report = next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        preview = report.preview or preview
        now = time.perf_counter()
        if report.note is None and now - reported < REPORT_S:
            continue
        reported = now
        if preview is not None and now - previewed < PREVIEW_S:
            yield replace(report, preview=None)
        else:
            previewed = now if preview is not None else previewed
            yield replace(report, preview=preview)
            preview = None

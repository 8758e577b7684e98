"""Reports of long work, as many as a window has use for. No Qt here."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Generator
from dataclasses import replace
from itertools import accumulate

from napari_rpsnn.engine.results import Preview, Progress, Result
from napari_rpsnn.engine.stages import Stage

Steps = Generator[Progress, None, Result]

#: Seconds between reports, and between previews: a window needs no more, and each costs it time.
REPORT_S, PREVIEW_S = 0.5, 1.0
#: The first report of a stage, whose first step may take long, is passed on at once, but no more often than this; that
#: of a stage whose steps cost so much always: no other one would come for long.
STAGE_S, LONG = 0.25, 0.5


def now_and_then(steps: Steps) -> Steps:
    """Pass some of the reports on, all notes, and the first report of each stage."""
    reported = previewed = entered = float("-inf")
    preview: Preview | None = None
    stages, starts, stage = tuple[Stage, ...](), list[int](), 0
    while True:
        try:
            report = next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        preview = report.preview or preview
        now = time.perf_counter()
        stages = report.stages or stages
        starts = list(accumulate(part.steps for part in report.stages)) or starts
        before, stage = stage, bisect_right(starts, report.done)
        is_long = stage < len(stages) and stages[stage].cost >= LONG
        enters = stage > before and (is_long or now - entered >= STAGE_S)
        if report.note is None and now - reported < REPORT_S and not enters:
            continue
        reported, entered = now, now if enters else entered
        if preview is not None and now - previewed < PREVIEW_S:
            yield replace(report, preview=None)
        else:
            previewed = now if preview is not None else previewed
            yield replace(report, preview=preview)
            preview = None

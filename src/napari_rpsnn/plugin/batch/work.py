"""The fusion of what a folder holds, one stack after the other. No Qt here."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from dataclasses import replace

from napari_rpsnn.engine.results import Progress
from napari_rpsnn.fusion import iter_fuse
from napari_rpsnn.io.provenance import record
from napari_rpsnn.jobs.there import begin
from napari_rpsnn.jobs.work import write_files
from napari_rpsnn.plugin.batch.rows import FUSED, KEPT, REFUSED, THERE, Batch, Report, Row, why
from napari_rpsnn.plugin.results.remaining import duration
from napari_rpsnn.plugin.results.reports import now_and_then
from napari_rpsnn.stack import iter_fuse_stack

LOG = logging.getLogger("napari_rpsnn")


def fuse_all(batch: Batch, rows: list[tuple[int, Row]]) -> Generator[Progress, None, list[Row]]:
    """Fuse rows, given with their numbers; yields how far it is, and what becomes of each. A bad one ends nothing."""
    done = []
    for count, (number, row) in enumerate(rows):
        start = time.perf_counter()
        try:
            work = yield from _fused(batch, number, row)
            spent = duration(time.perf_counter() - start)
            row = replace(row, state=FUSED, said=f"fused in {spent}") if work else replace(row, state=THERE, said=KEPT)
        except Exception as error:
            LOG.exception("The fusion of %s failed", row.name)
            row = replace(row, state=REFUSED, said=why(row, error))
        done.append(row)
        yield Report(count + 1, len(rows), number=number, row=row)
    return done


def _fused(batch: Batch, number: int, row: Row) -> Generator[Progress, None, bool]:
    """Fuse and write one; whether it was not there already."""
    if not begin(row.job, batch.replace):
        return False
    start, notes = time.perf_counter(), list[str]()
    work = batch.opened(row.job, notes.append)
    work.check_folders()
    steps = now_and_then(work.fused_by(iter_fuse, iter_fuse_stack))
    while True:
        try:
            report = next(steps)
        except StopIteration as end:
            result = end.value
            break
        note = f"{row.name}: {report.note}" if report.note else None
        yield Report(report.done, report.total, note, stages=report.stages, number=number, row=row)
    said = record(result.made_by, [path.name for path in row.job.sources], time.perf_counter() - start)
    write_files(work.files(result, notes.append), said)
    return True

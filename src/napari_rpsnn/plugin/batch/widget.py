"""The dock widget *Fuse files*: a folder of stacks in, a folder of fused images out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import napari
from magicgui.types import FileDialogMode
from magicgui.widgets import FileEdit, LineEdit
from napari.layers import Layer
from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QWidget

from napari_rpsnn.engine.results import Progress
from napari_rpsnn.options import StackOptions
from napari_rpsnn.plugin.batch.remaining import BatchRemaining
from napari_rpsnn.plugin.batch.rows import (
    FUSED,
    READY,
    REFUSED,
    THERE,
    Batch,
    Report,
    Row,
    has_results,
    in_window,
    read_results,
    survey,
)
from napari_rpsnn.plugin.batch.table import FileTable
from napari_rpsnn.plugin.batch.work import fuse_all
from napari_rpsnn.plugin.results.remaining import duration
from napari_rpsnn.plugin.rows.controls import describe, labelled, path_of, set_choices, stacked, tick
from napari_rpsnn.plugin.settings import remember
from napari_rpsnn.plugin.worker import Run
from napari_rpsnn.plugin.working import BAR, Working

#: After the last change of a row the folder is looked at anew.
LOOK_MS = 400
#: All columns of the table are seen.
WIDTH_PX = 380
HINT = "Choose a folder: each image in it, and each folder of planes, is a stack."


class FuseFiles(Working):
    """Choose a folder, see what is in it, fuse it in the background, open results.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        Given by napari. Results that are opened are added to it.
    """

    left_out = ("return_confidence",)

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self.folder = _folder("folder", "Folder", "Stacks: images, and folders of planes")
        self.out = _folder("out", "Results to", "A folder; it is made where there is none")
        self.replace = tick("replace", "Replace", "Make results anew that are there; else they are kept")
        about = "Of each file, in place of what it says itself, as ZCYX: T, C, Z, Y, X, S (colours), Q (other)"
        self.axes = LineEdit(name="axes", label="Axes", tooltip=about)
        self.axes.native.setPlaceholderText("as the files say")
        describe(self.axes, "Axes")
        self.table = FileTable(self._open, self._tell)
        self._survey: Run | None = None
        self._opening: Any = None
        self._preset = Path()
        self._batch: Batch | None = None
        self._batch_left: BatchRemaining | None = None
        self._looks, self._is_stale = 0, False
        self._trouble = HINT  # why the table is empty
        super().__init__(napari_viewer, StackOptions, [], [self.axes], None)
        self.min_width = self._least_px = WIDTH_PX
        self.show_row(self.channels, False)
        self.show_row(self.guide, False)
        self.folder.changed.connect(self._preset_out)
        changing = self.return_index, self.return_height, self.method, self.slab, self.guide
        for widget in [self.folder, self.out, self.replace, self.axes, *changing]:
            widget.changed.connect(self._look_soon)
        self.say(HINT)

    def start(self) -> None:
        """Fuse what the table says will be fused."""
        if self._is_at_work():
            return
        if self._survey is not None or self._is_stale:
            show_info("The folder is being looked at; wait for the table to be complete.")
            return
        try:
            batch = self.read()
        except ValueError as error:
            self._refuse(str(error))
            return
        rows = [(number, row) for number, row in enumerate(self.table.rows) if row.state == READY]
        if not rows:
            none = "Expected stacks to be fused, got none: see the table for what becomes of each."
            self._refuse(none if self.table.rows else self._trouble)
            return
        remember(self.choices)
        self._batch, self._note = batch, ""
        self._batch_left = BatchRemaining([row.weight for _, row in rows], time.perf_counter())
        self._begin(
            fuse_all(batch, rows),
            f"The fusion of {batch.folder}",
            "Loading the network…",
            done=self._tell_end,
            failed=lambda error: self._finish(str(error), error=True),
            cancelled=self._end_early,
        )

    def read(self) -> Batch:
        """What is chosen; raises ValueError where that is nothing."""
        folder, out = path_of(self.folder), path_of(self.out)
        if folder == Path():
            raise ValueError(HINT)
        if out == Path():  # which would be wherever napari was started
            raise ValueError("Results to: expected a folder, got none.")
        self.choices.options(StackOptions)  # which a weights file that is none would fail in
        axes = self.axes.value.strip().upper() or None
        return Batch(folder, out, self.choices, axes, self.guide.value, self.replace.value)

    # The folder.

    def _preset_out(self) -> None:
        """Results lie in the folder, unless somebody has chosen another place."""
        if path_of(self.out) in (Path(), self._preset):
            folder = path_of(self.folder)
            self._preset = Path() if folder == Path() else folder / "fused"
            # The line itself: in the row's value magicgui makes an empty path the one where napari was started.
            self.out.line_edit.value = "" if folder == Path() else str(self._preset)

    def _look_soon(self) -> None:
        """When nothing more is changed for a moment; until then the table is of something else."""
        self._is_stale = True
        self._looks += 1
        number = self._looks
        self._later(LOOK_MS, lambda: self._look() if number == self._looks else None)

    def _look(self) -> None:
        if self._run is not None:
            return  # when it is done
        self._is_stale = False
        self._forget_survey()
        self.table.clear_rows()
        try:
            batch = self.read()
        except ValueError as error:
            self._trouble = str(error)
            self.say(self._trouble)
            return
        self.say("Looking at the folder…")
        self._survey = Run(
            survey(batch),
            f"A look at {batch.folder}",
            reported=self._add_row,
            done=self._tell_rows,
            failed=self._tell_no_rows,
            cancelled=lambda: None,
        )
        self._survey.start()

    def _forget_survey(self) -> None:
        if self._survey is not None:
            self._survey.abandon()
            self._survey = None

    def _add_row(self, report: Progress) -> None:
        assert isinstance(report, Report)
        self.table.show_row(report.number, report.row)

    def _tell_rows(self, rows: list[Row]) -> None:
        self._survey = None
        for number, row in enumerate(rows):  # reports that came together may have been passed over
            self.table.show_row(number, row)
        channels = max((int(row.channels) for row in rows if row.channels.isdecimal()), default=1)
        options = [("none", None), *((f"channel {k}", k) for k in range(channels if channels > 1 else 0))]
        guide = self.guide.value
        set_choices(self.guide, options, guide if guide is not None and guide < channels else None)
        self.show_row(self.guide, channels > 1)
        self.say(_counted(rows))

    def _tell_no_rows(self, error: Exception) -> None:
        self._survey, self._trouble = None, in_window(str(error))
        self.say(self._trouble, error=True)

    # A run.

    def _show_report(self, report: Progress) -> None:
        assert isinstance(report, Report)
        assert self._batch_left is not None
        left, now = self._batch_left, time.perf_counter()
        if report.row.state == READY:
            if report.stages:
                left.begin(report.stages, now)
            left.after(report.done, now)
            self.table.show_at_work(report.number)
        else:
            left.next(now)
            self.table.show_row(report.number, report.row)
        self._note = report.note or self._note
        with self._one_repaint():
            self.progress.value = round(BAR * left.share)
            self._say_how_far()

    def _finish(self, said: str, *, done: bool = False, error: bool = False) -> None:
        super()._finish(said, done=done, error=error)
        if self._is_stale:  # a row was changed meanwhile
            self._look_soon()

    def _said(self, now_s: float) -> str:
        return self._batch_left.said(now_s) if self._batch_left is not None else ""

    def _tell_end(self, done: list[Row]) -> None:
        failed = [row for row in done if row.state == REFUSED]
        spent = duration(time.perf_counter() - self._began_s)
        said = f"Done in {spent}. {_counted(self.table.rows)} Double-click a row to open its result."
        for row in failed[:1]:
            said += f" {row.name}: {row.said}"
        self._batch_left = None
        self._finish(said, done=True, error=bool(failed))
        if failed:
            show_error(f"{len(failed)} of {len(done)} stacks could not be fused; the table says why.")

    def _end_early(self) -> None:
        """What is fused stays; what was at work is to be fused."""
        for number, row in enumerate(self.table.rows):
            self.table.show_row(number, row)
        self._batch_left = None
        self._finish(f"Cancelled. {_counted(self.table.rows)}")
        show_info("Fusion cancelled.")

    # Results.

    def _tell(self, row: Row) -> None:
        """What becomes of a row is longer than its place in the table."""
        if self._run is None and self._survey is None:
            self.say(f"{row.name}: {row.said}.", error=row.state == REFUSED)

    def _open(self, row: Row) -> None:
        """Open the result of a row, and its maps, if they are there."""
        if not has_results(row):
            self.say(f"{row.name}: there is no result yet.")
            return
        self._opening = create_worker(read_results, row, _start_thread=False)
        self._opening.returned.connect(self._add_layers)
        self._opening.errored.connect(lambda error: self.say(f"{row.name}: {error}", error=True))
        self._opening.start()

    def _add_layers(self, layers: list[Any]) -> None:
        """One by one: napari needs a tenth of a second for each."""
        if layers:
            data, attributes, kind = layers[0]
            self._viewer.add_layer(Layer.create(data, attributes, kind))
            self._later(0, lambda: self._add_layers(layers[1:]))

    def _above(self) -> list[QWidget]:
        self._files = stacked([labelled(self.folder), labelled(self.out), self.replace])
        return [self._files.native, self.table.native]

    def _abandon(self) -> None:
        self._forget_survey()
        if self._opening is not None:
            self._opening.returned.disconnect()
            self._opening.errored.disconnect()
        super()._abandon()


def _folder(name: str, label: str, tooltip: str) -> FileEdit:
    row = FileEdit(name=name, label=label, mode=FileDialogMode.EXISTING_DIRECTORY, tooltip=tooltip)
    describe(row, label)
    row.choose_btn.text, row.choose_btn.max_width = "…", 32  # its own text leaves no room for the path
    row.choose_btn.tooltip = f"{label}: choose a folder"
    row.choose_btn.native.setAccessibleName(row.choose_btn.tooltip)
    return row


def _counted(rows: list[Row]) -> str:
    """How many rows there are of each state."""
    words = {READY: "to be fused", FUSED: "fused", THERE: "kept", REFUSED: "refused"}
    counts = [(sum(row.state == state for row in rows), word) for state, word in words.items()]
    said = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"{len(rows)} stack{'s' if len(rows) != 1 else ''}: {said}."

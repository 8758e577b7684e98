"""What a folder holds, and what becomes of each stack in it. No Qt here.

Everything is read from the panel before; nothing of it is touched here.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from napari_rpsnn.engine.results import Progress
from napari_rpsnn.io.formats import suffix_of
from napari_rpsnn.jobs.failures import sentence
from napari_rpsnn.jobs.finding import Job, Say, batch_jobs
from napari_rpsnn.jobs.stack_files import Stack, open_stack
from napari_rpsnn.jobs.work import Work
from napari_rpsnn.plugin.choices import Choices

READY, THERE, REFUSED, FUSED = "ready", "there", "refused", "fused"
KEPT = "is there, and is kept"
#: Rows of the panel in place of the shell's flags, in messages that both have.
WORDS = {
    "--overwrite replaces it": "tick Replace to replace it",
    "--axes names them by hand": "name them under Axes",
    "--axes names the axes": "Axes names the axes",
    "--batch takes each file as a stack of its own, ": "",
    "--series takes one of": "in the shell --series takes one of",
    "--guide-channel": "Guide",
    "INPUT: ": "Folder: ",
    "--axes": "Axes",
}


@dataclass(frozen=True)
class Batch:
    """What was chosen in the panel.

    Attributes
    ----------
    folder, out : path
    choices : Choices
    axes : str or None
        Of each file, in place of what it says itself.
    guide : int or None
        The channel that decides for all, of files that have channels.
    replace : bool
        Whether results that are there are made anew.
    """

    folder: Path
    out: Path
    choices: Choices
    axes: str | None = None
    guide: int | None = None
    replace: bool = False

    @property
    def wanted(self) -> dict[str, Path | None]:
        """Folders of what is wanted beside the images; by regression there are no maps."""
        decided, chosen = self.choices.method == "decision", self.choices
        ticked = {"map": chosen.return_index, "height": chosen.return_height}
        return {name: self.out / f"{name}s" if tick and decided else None for name, tick in ticked.items()}

    def opened(self, job: Job, say: Say) -> Work:
        """The work that a job is; raises what refuses it."""
        if job.problem:
            raise ValueError(job.problem)
        stack = open_stack(job.sources, self.axes, None, say)
        if self.guide is not None and "C" in stack.image.axes:
            stack = open_stack(job.sources, self.axes, self.guide, say)
        guide = None if stack.channel_axis is None or "C" not in stack.image.axes else self.guide
        return Work.of(job, stack, replace(self.choices, guide_channel=guide).options, say)


@dataclass(frozen=True)
class Row:
    """A stack, as the table shows it: what it is, what becomes of it and why; how much work it is."""

    job: Job
    name: str
    planes: str = ""
    size: str = ""
    channels: str = ""
    state: str = READY
    said: str = ""
    weight: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Report(Progress):
    """How a batch goes on: the row that it is about, and its number."""

    number: int
    row: Row


def survey(batch: Batch) -> Generator[Progress, None, list[Row]]:
    """Look at a folder; yields every row, and returns all. Nothing is written.

    Raises
    ------
    ValueError, OSError
        If there is no such folder, nothing to be fused in it, or results would fall on each other or on their sources.
    """
    if not batch.folder.is_dir():
        raise ValueError(f"Folder: expected a folder of stacks, found none at '{batch.folder}'.")
    notes: list[str] = []
    jobs = batch_jobs([str(batch.folder)], batch.out, notes.append, **batch.wanted)
    rows = []
    for number, job in enumerate(jobs):
        if len(job.sources) == 2:
            job = replace(job, height=None)  # two images have none
        rows.append(_looked_at(batch, job))
        yield Report(number + 1, len(jobs), number=number, row=rows[-1])
    return rows


def _looked_at(batch: Batch, job: Job) -> Row:
    notes: list[str] = []
    row = Row(job, job.out.name[: len(job.out.name) - len(suffix_of(job.out))])
    try:
        work = batch.opened(job, notes.append)
    except Exception as error:  # image readers raise what they like
        return replace(row, state=REFUSED, said=why(row, error))
    row = _described(row, work.stack)
    there = all(os.path.lexists(path) for path in job.outputs)
    if there and not batch.replace:
        return replace(row, state=THERE, said=KEPT)
    # What a file says of itself begins with its path.
    assumed = [note.removeprefix(f"{job.sources[0]}: ") for note in notes]
    said = "is there, and will be replaced" if there else "will be fused"
    return replace(row, said="; ".join([said, *map(in_window, dict.fromkeys(assumed))]))


def _described(row: Row, stack: Stack) -> Row:
    image = stack.image
    length = dict(zip(image.axes, image.data.shape, strict=True))
    pictures = [f"{length[axis]} {name}" for axis, name in (("T", "times"),) if length.get(axis, 1) > 1]
    colours = f"{image.colours} colours" if image.colours else ""
    return replace(
        row,
        planes=" \N{MULTIPLICATION SIGN} ".join([str(stack.planes), *pictures]),
        size=f"{length['Y']}\N{MULTIPLICATION SIGN}{length['X']}",
        channels=colours or str(length.get("C", 1)),
        weight=prod(image.data.shape) * (2 if stack.other else 1) / 1e6,
    )


def why(row: Row, error: Exception) -> str:
    """Why a row is refused; its name stands before it."""
    return in_window(sentence(error)).removeprefix(f"{row.job.sources[0]}: ")


def in_window(text: str) -> str:
    """A message of the shell, in the panel's words."""
    for flag, row in WORDS.items():
        text = text.replace(flag, row)
    return text


def has_results(row: Row) -> bool:
    """Whether something is there to be opened."""
    return any(path.exists() for path in row.job.outputs)


def read_results(row: Row) -> list[Any]:
    """Layers of the files of a row that are there, as napari takes them: maps, hidden, and last the image."""
    from napari_rpsnn.plugin.files.reading import read_layers

    layers = []
    for path, what in ((row.job.height, "height"), (row.job.map, "plane index"), (row.job.out, "")):
        for data, attributes, kind in read_layers(str(path)) if path is not None and path.exists() else ():
            maps = {"name": f"{attributes['name']} {what}", "colormap": "viridis", "visible": False} if what else {}
            layers.append((data, attributes | maps, kind))
    return layers

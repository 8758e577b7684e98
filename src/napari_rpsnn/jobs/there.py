"""Results that are there: which are done, and which are not to be lost."""

from __future__ import annotations

import json
import os
from pathlib import Path

from napari_rpsnn.io import read_image
from napari_rpsnn.io.formats import is_ours
from napari_rpsnn.jobs.failures import sentence
from napari_rpsnn.jobs.finding import Job, refuse_to_replace


def begin(job: Job, overwrite: bool) -> bool:
    """Make the folders of a job of a batch; False: all of it is there already, and is to stay.

    Raises
    ------
    FileExistsError
        If something is there that is not to be replaced.
    """
    if not overwrite and _is_done(job):
        return False
    refuse_to_replace(job.outputs, overwrite=True)
    for path in job.outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
    return True


def _is_done(job: Job) -> bool:
    """Whether all outputs are there and whole. What is there and not whole, or not ours, is never replaced unasked."""
    there = [path for path in job.outputs if os.path.lexists(path)]
    for path in there:
        try:
            if path.suffix == ".json":
                ours = json.loads(path.read_bytes()).get("program") == "napari-rpsnn"
            elif path.suffix == ".html":
                ours = _is_our_page(path)
            else:
                for _ in read_image(path).planes():
                    pass
                ours = is_ours(path)
        except Exception as error:
            raise FileExistsError(
                f"{path}: expected a whole result or nothing there, got what cannot be read; --overwrite replaces it: "
                f"{sentence(error)}"
            ) from error
        if not ours and len(there) < len(job.outputs):
            raise FileExistsError(
                f"{path}: expected a result of ours or nothing there, got another; --overwrite replaces it"
            )
    return len(there) == len(job.outputs)


def _is_our_page(path: Path) -> bool:
    """Whether a page was written by us; one that was cut is refused."""
    text = path.read_text(encoding="utf-8")
    if not text.endswith("</html>\n"):
        raise ValueError("expected a page, got one without an end")
    return "<footer>napari-rpsnn " in text

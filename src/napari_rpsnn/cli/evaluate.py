"""``napari-rpsnn evaluate``: sources and what programs made of them in, figures and a page out: parse, call, print."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_rpsnn.cli.terminal import hears, say, tell

#: Kinds of files that an evaluation is written as.
KINDS = (".html", ".csv", ".json")


@dataclass(frozen=True)
class SceneFiles:
    """The files of a scene: sources, results by method, truth."""

    name: str
    sources: tuple[Path, ...]
    fused: dict[str, Path]
    truth: Path | None

    @property
    def all(self) -> list[Path]:
        """Every one."""
        return [*self.sources, *self.fused.values(), *([self.truth] if self.truth else [])]


def add_evaluate(commands: Any) -> None:
    """Add the command to those of the program."""
    parser = commands.add_parser(
        "evaluate",
        help="measure fused images, of any program",
        description="Measure fused images, of this or any other program, by their sources and, where it is known, by "
        "the truth. Files of folders go together in natural order of their names.",
    )
    parser.add_argument(
        "--sources",
        nargs="+",
        required=True,
        type=Path,
        metavar="FOLDER",
        help="two folders or more: the first images of each are a scene, and so on; one folder: each image and each "
        "folder of planes in it is a stack. Or files of one scene",
    )
    parser.add_argument(
        "--fused",
        nargs="+",
        required=True,
        metavar="NAME=FOLDER",
        help="for each method its results, one image a scene; without NAME= the folder names it. Or one file",
    )
    parser.add_argument("--truth", type=Path, metavar="FOLDER", help="the all-in-focus images, where they are known")
    parser.add_argument(
        "-o", "--out", nargs="+", type=Path, default=[], metavar="FILE", help="write a page (.html), .csv or .json"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    parser.set_defaults(run=_evaluate)


def _evaluate(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from napari_rpsnn.io.atomic import write_bytes
    from napari_rpsnn.jobs.finding import refuse_to_replace
    from napari_rpsnn.reports.evaluation import Evaluation, Scene
    from napari_rpsnn.reports.evaluation_page import as_csv, as_json, as_page, as_text

    try:
        scenes = find_scenes(args.sources, _named(args.fused), args.truth)
        _check_outputs(args.out, scenes)
        refuse_to_replace(args.out, args.overwrite)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    made = Evaluation()
    total = len(scenes) * len(scenes[0].fused)
    with tqdm(desc="evaluate", total=total, unit="image", disable=not hears(), leave=False) as bar:
        for files in scenes:
            truth = None if files.truth is None else _picture(files.truth)
            sources = [image for path in files.sources for image in _pictures(path)]
            fused = {name: _picture(path) for name, path in files.fused.items()}
            for _ in made.add(Scene(files.name, sources, fused, truth)):
                bar.update()
    for path in args.out:
        kinds = {".csv": as_csv, ".json": as_json}
        write = kinds.get(path.suffix)
        write_bytes(path, write(made) if write else as_page(made, "How good are the fused images?"))
    tell(as_text(made))
    for path in args.out:
        say(f"wrote {path}")
    return 0


def find_scenes(sources: Sequence[Path], fused: dict[str, Path], truth: Path | None) -> list[SceneFiles]:
    """Return which files belong together.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file or folder, or folders do not hold the same number of images.
    """
    from napari_rpsnn.jobs.finding import batch_jobs, images_in, is_folder

    def files(path: Path) -> list[Path]:
        if not path.exists():
            raise FileNotFoundError(f"expected a folder of images or an image, found nothing at {path}")
        found = images_in(path) if is_folder(path) else [path]
        if not found:
            raise ValueError(f"{path}: expected images, found none")
        return found

    if len(sources) == 1 and is_folder(sources[0]):
        jobs = batch_jobs([str(sources[0])], Path(), say)
        if wrong := next((job.problem for job in jobs if job.problem), ""):
            raise ValueError(f"--sources: {wrong}")
        names, groups = [_stem(job.out) for job in jobs], [job.sources for job in jobs]
    else:
        columns = {path: files(path) for path in sources}
        _same_number({f"--sources {path}": found for path, found in columns.items()})
        groups = list(zip(*columns.values(), strict=True))
        names = [_stem(group[0]) for group in groups]
    results = {name: files(path) for name, path in fused.items()}
    truths = None if truth is None else files(truth)
    known = {"--truth": truths} if truths else {}
    _same_number({"--sources": groups, **{f"--fused {name}": found for name, found in results.items()}, **known})
    for title, found in {**results, **known}.items():
        if [_stem(path) for path in found] != names:
            say(f"{title}: goes by order, not by name: {found[0].name} is taken for {names[0]}, and so on.")
    made = []
    for k, name in enumerate(names):
        one = {key: found[k] for key, found in results.items()}
        made.append(SceneFiles(name, tuple(groups[k]), one, truths[k] if truths else None))
    return made


def _named(texts: Sequence[str]) -> dict[str, Path]:
    """Folders of methods by their names."""
    made: dict[str, Path] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or Path(text).exists():
            name, path = Path(text).name or text, text
        if name in made:
            raise ValueError(f"--fused: expected names that differ, got {name} twice; NAME=FOLDER gives another")
        made[name] = Path(path)
    return made


def _stem(path: Path) -> str:
    from napari_rpsnn.io.formats import suffix_of

    return path.name[: len(path.name) - len(suffix_of(path))]


def _same_number(groups: dict[str, Any]) -> None:
    counts = {name: len(group) for name, group in groups.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise ValueError(f"expected the same number of images, or stacks, of each, got {listed}")


def _check_outputs(outputs: Sequence[Path], scenes: Sequence[SceneFiles]) -> None:
    """Refuse before the work what could not be written after it."""
    sources = {path.resolve() for scene in scenes for path in scene.all}
    for path in outputs:
        if path.suffix not in KINDS:
            raise ValueError(f"--out: expected a name that ends with one of {', '.join(KINDS)}, got {path}")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"{path}: expected a folder that exists, found none at {path.parent}")
        if path.resolve() in sources:
            raise ValueError(f"--out: expected a file that is no input, got {path}")


def _pictures(path: Path) -> Iterator[NDArray[Any]]:
    """The picture of a file, or the planes of the stack that it holds."""
    from napari_rpsnn.io import read_image

    image = read_image(path)
    axes, shape = image.axes.replace("Q", "Z"), image.data.shape
    if axes.removeprefix("Z") not in ("YX", "YXS") or image.colours not in (0, 3, 4):
        raise ValueError(
            f"{path}: expected a grey, RGB or RGBA picture or the planes of one stack, got the axes {image.axes} of "
            f"shape {shape}"
        )
    if axes[0] == "Z":
        yield from (np.asarray(image.data[k]) for k in range(shape[0]))
    else:
        yield np.asarray(image.data[...])


def _picture(path: Path) -> NDArray[Any]:
    found = list(_pictures(path))
    if len(found) != 1:
        raise ValueError(f"{path}: expected one picture, got a stack of {len(found)}")
    return found[0]

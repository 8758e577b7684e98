"""What is to be fused: which files make one result, and what it is called."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_rpsnn.io import read_image
from napari_rpsnn.io.atomic import refuse_to_delete
from napari_rpsnn.io.formats import check_replaceable, format_of, is_image, is_ours, suffix_of
from napari_rpsnn.jobs.names import pattern, split
from napari_rpsnn.jobs.natural import in_order

#: Tells the user a sentence.
Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """The files of one result: its sources and what is to be written."""

    sources: tuple[Path, ...]
    out: Path
    problem: str = ""  #: why it cannot be done, as far as names tell
    map: Path | None = None
    height: Path | None = None
    report: Path | None = None

    @property
    def has_page(self) -> bool:
        """Whether the report is a page for a browser."""
        return self.report is not None and self.report.suffix.lower() in (".html", ".htm")

    @property
    def outputs(self) -> list[Path]:
        """Files to be written, the image last: when it is there, all are."""
        return [path for path in (self.map, self.height, self.report, self.out) if path is not None]


def single_jobs(inputs: Sequence[str], out: Path, say: Say, **more: Path | None) -> list[Job]:
    """One result, of all inputs: two images in their order, or planes in natural order; `more` as in `Job`."""
    sources, named = list[Path](), list[Path]()
    for text in inputs:
        found = _found(text, say)
        whole = len(found) == 1 and is_folder(found[0])
        files = _planes_in(found[0], say) if whole else [file for path in found for file in _files(path)]
        if whole or found != [Path(text)]:  # not named one by one
            _refuse_several(files, found[0] if whole else Path(text))
        elif len(files) == 1:
            named += files
        sources += files
    sources = _once(sources, say)
    if len(named) > 2 and len(groups := _split_or_one(named)) > 1:
        say(f"the names of the {len(named)} files count in two ways, as {', '.join(groups)}: all are taken as planes.")
    if len(sources) != 2:
        sources = in_order(sources)
    jobs = [Job(tuple(sources), out, "", **more)]
    _check(jobs)
    return jobs


def batch_jobs(inputs: Sequence[str], out: Path, say: Say, **more: Path | None) -> list[Job]:
    """A result of each input, or of each image and each folder of planes in it; `out` and `more` are folders."""
    folders = [out, *(folder for folder in more.values() if folder)]
    stacks: list[tuple[Path, list[Path]]] = []
    for text in inputs:
        whole = is_folder(Path(text))
        stacks += _stacks_in(Path(text), folders, say) if whole else _with_files(_found(text, say), say)
    singles = _once([files[0] for _, files in stacks if len(files) == 1], say)
    stacks = [(stack, files) for stack, files in stacks if len(files) > 1 or files[0] in singles]
    if not stacks:
        raise ValueError(f"INPUT: expected images or folders of planes, found none in {', '.join(inputs)}")
    jobs = []
    for stack, files in stacks:
        try:
            groups, problem = split(files), ""
        except ValueError as error:
            groups, problem = {"": files}, str(error)
        for group, sources in groups.items():
            jobs.append(_batch_job(stack, group, sources, problem, out, more))
    _check(jobs)
    return jobs


def _batch_job(
    stack: Path, group: str, sources: Sequence[Path], problem: str, out: Path, more: Mapping[str, Path | None]
) -> Job:
    """The job of a stack, or of one of those that a folder holds."""
    suffix, kind = suffix_of(sources[0]), format_of(sources[0])
    name = stack.name if is_folder(stack) else stack.name[: len(stack.name) - len(suffix)]
    name = "_".join(filter(None, (name, group)))
    image, other = (kind and kind.RESULT_SUFFIXES) or (suffix or ".tif", suffix or ".tif")
    kinds = {"map": other, "height": other, "report": f"{image}.json"}
    places = {key: folder / f"{name}{kinds[key]}" if folder else None for key, folder in more.items()}
    return Job(tuple(sources), out / f"{name}{image}", problem, **places)


def refuse_to_replace(outputs: Sequence[Path], overwrite: bool) -> None:
    """Refuse outputs that are there, or, where they are to be replaced, that are not to be lost."""
    for path in outputs:
        if not overwrite and os.path.lexists(path):
            raise FileExistsError(f"{path}: expected a new file, found one there; --overwrite replaces it")
        if suffix_of(path):
            check_replaceable(path)
        else:
            refuse_to_delete(path, by_folder=False)


def _split_or_one(files: Sequence[Path]) -> dict[str, list[Path]]:
    try:
        return split(files)
    except ValueError:
        return {"channels": [], "planes": []}  # or times, or positions


def _refuse_several(files: Sequence[Path], where: Path) -> None:
    """Refuse files whose names say that they are several stacks."""
    groups = split(files)
    if len(groups) > 1:
        listed = ", ".join(f"{len(group)} planes {pattern(group)!r}" for group in groups.values())
        raise ValueError(
            f"{where}: expected the planes of one stack, got names of {len(groups)}: {listed}; give one of these "
            "patterns, or --batch and their folder, which makes a result of each"
        )


def _check(jobs: Sequence[Job]) -> None:
    """Refuse jobs that would write over each other or over their sources."""
    outputs = Counter(path.resolve() for job in jobs for path in job.outputs)
    path, count = outputs.most_common(1)[0]
    if count > 1:
        raise ValueError(f"expected one file for each output, got {path} {count} times")
    sources = {source.resolve(): source for job in jobs for source in job.sources}
    if any(output.exists() for output in outputs):
        sources = {file: at for at in sources.values() for file in _companions(at)} | sources
    # A hard link is a source by another name; a folder that holds one goes with it.
    same = {_file_number(source) for source in sources} - {None}
    for output in outputs:
        if output in sources or (same and _file_number(output) in same):
            raise ValueError(f"expected outputs that are no inputs, got {output} as both")
        if inside := next((sources[at] for at in output.parents if at in sources), None):
            raise ValueError(f"expected outputs beside the inputs, got {output}, which is in {inside}")
    for source in sources:
        if holding := next((at for at in source.parents if at in outputs), None):
            raise ValueError(f"expected outputs that are no inputs, got {holding}, which holds {sources[source]}")


def _file_number(path: Path) -> tuple[int, int] | None:
    """What two names of one file have in common."""
    try:
        said = path.stat()
    except OSError:
        return None
    return said.st_dev, said.st_ino


def _found(text: str, say: Say) -> list[Path]:
    """The file or folder of that name, or what matches it as a pattern, but what we have written."""
    if Path(text).exists():
        return [Path(text)]
    # As far as it is there, it is a name: brackets in folder names are no pattern.
    whole = Path(text)
    there = next(at for at in (*whole.parents, Path()) if at.exists())
    rest = whole.relative_to(there) if there != Path() else whole
    matches = [Path(match) for match in glob.glob(str(Path(glob.escape(str(there))) / rest))]  # noqa: PTH207
    if not matches:
        raise FileNotFoundError(f"INPUT: expected a file, a folder or a pattern, found nothing at {text}")
    return _not_ours(in_order(matches), whole, say)


def _not_ours(paths: Sequence[Path], where: Path, say: Say) -> list[Path]:
    """Paths but those of results of ours, and of folders of them, which is said; all, if all are."""
    images = {path: images_in(path) if is_folder(path) else [path] for path in paths}
    ours = {path for path in paths if images[path] and all(map(is_ours, images[path]))}
    if not ours or len(ours) == len(paths):
        return _once(paths, say)
    names = ", ".join(sorted(path.name for path in ours))
    say(f"{where}: what this program has written is left out: {names}")
    return _once([path for path in paths if path not in ours], say)


def _once(paths: Sequence[Path], say: Say) -> list[Path]:
    """Paths but those whose image an earlier one holds: an OME-TIFF may lie in several files, each of which is all."""
    kept, held = list[Path](), dict[Path, Path]()
    for path in paths:
        if (holder := held.get(path.resolve(), path)) == path:
            kept.append(path)
            held |= dict.fromkeys(_companions(path), path)
        else:
            say(f"{path}: is a part of the image that {holder.name} holds, and is not taken once more.")
    return kept


def _companions(path: Path) -> set[Path]:
    """The files that an image lies in, if they are several."""
    if not suffix_of(path).startswith(".ome.tif"):
        return set()
    try:
        names = read_image(path).companions
    except (ValueError, OSError, ModuleNotFoundError):  # reading it will say what is wrong
        return set()
    return {(path.parent / name).resolve() for name in names}


def _planes_in(folder: Path, say: Say) -> list[Path]:
    """Images in a folder, but those that we have written; reading refuses a folder without images."""
    return _not_ours(images_in(folder), folder, say) or [folder]


def is_folder(path: Path) -> bool:
    """Whether it is a folder of files: an OME-Zarr is one image."""
    return path.is_dir() and not is_image(path)


def images_in(folder: Path) -> list[Path]:
    """Images in a folder, in natural order."""
    paths = [p for p in folder.iterdir() if suffix_of(p) and not p.name.startswith(".") and not is_folder(p)]
    return in_order(paths)


def _with_files(stacks: Sequence[Path], say: Say) -> list[tuple[Path, list[Path]]]:
    return [(path, _planes_in(path, say) if is_folder(path) else [path]) for path in stacks]


def _stacks_in(folder: Path, outputs: Sequence[Path], say: Say) -> list[tuple[Path, list[Path]]]:
    """Images in a folder, and its subfolders with images, each with its files; not those that results go to.

    Images that are single planes of several stacks go together.
    """
    apart = {path.resolve() for path in outputs}
    folders = (path for path in folder.iterdir() if is_folder(path) and path.resolve() not in apart)
    found = in_order(_not_ours([*images_in(folder), *(path for path in folders if images_in(path))], folder, say))
    images = [path for path in found if not is_folder(path)]
    if not _are_planes(images):
        return _with_files(found, say)
    say(f"{folder}: by their names the {len(images)} images are the planes of several stacks.")
    return [(folder.resolve(), images), *_with_files([path for path in found if is_folder(path)], say)]


def _are_planes(images: Sequence[Path]) -> bool:
    """Whether images are the planes of several stacks: by their names, and because they are no stacks themselves."""
    try:
        groups = split(images).values()
        several = len(groups) > 1 and min(map(len, groups)) > 1
        return several and all(set(read_image(group[0]).axes) <= set("YXS") for group in groups)
    except (ValueError, OSError, ModuleNotFoundError):  # each image says by itself what is wrong
        return False


def _files(path: Path) -> list[Path]:
    """Image files of a folder of planes, or the path itself; reading refuses a folder without images."""
    return (is_folder(path) and images_in(path)) or [path]

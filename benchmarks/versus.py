"""Our `fuse` beside the paper's network as its authors run it, the peak of the machine, and other focus stackers.

    python benchmarks/versus.py [--size 520] [--repeat 3] [--models rpsnn-lite rpsnn] [--device cpu]

Everything runs in one go, one thing at a time, in turns; figures are medians of the rounds after a first one that is
not counted. Each contender has a process of its own, which tells its peak memory. Other stackers are run where their
commands are found (enfuse, focusweave, openfocus). The table goes to docs/performance.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import tables
from worker import Worker, peak_mb

#: How each is told to fuse two registered pictures of equal exposure, as its documentation says for focus stacks.
COMMANDS = {
    "`napari-rpsnn fuse`": "napari-rpsnn fuse {near} {far} -o {out} --overwrite --device {device}",
    "enfuse": "enfuse --exposure-weight=0 --saturation-weight=0 --contrast-weight=1 --hard-mask -o {out} {near} {far}",
    "focusweave": "focusweave {folder} --no-align --keep-size --output {out}",
    "openfocus, StackMFF V3": "openfocus -i {near} {far} -o {out} --no-exposure-match {cpu} -m stackmffv3",
    "openfocus, guided filter": "openfocus -i {near} {far} -o {out} --no-exposure-match {cpu} -m guided_filter",
}
QUALITY = ("blur", "brightfield")
PLAIN = "the paper's network as its authors run it"


@dataclass
class Row:
    """A line of the table."""

    name: str
    precision: str = ""
    weights: int = 0
    seconds: list[float] = field(default_factory=list)
    megabytes: float = 0.0
    psnr: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=int, default=520, help="side of the square pictures in pixels")
    parser.add_argument("--repeat", type=int, default=3, help="rounds that count")
    parser.add_argument("--models", nargs="+", default=["rpsnn-lite", "rpsnn"])
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        judge = Worker(kind="pairs", folder=folder, side=args.size, device=args.device)
        precisions = judge.facts["precisions"]
        peaks = {p: Worker(kind="peak", precision=p, device=args.device) for p in precisions}
        workers = start(folder, args, precisions)
        rows = [row for row, _ in workers]
        commands = {name: line for name, line in COMMANDS.items() if shutil.which(line.split()[0], path=search_path())}
        rows += [Row(name) for name in commands]
        peak_rates: dict[str, list[float]] = {p: [] for p in precisions}
        for number in range(args.repeat + 1):
            say(f"round {number} of {args.repeat}")
            for precision, worker in peaks.items():
                peak_rates[precision].append(worker.run()["operations_per_s"])
            for row, worker in workers:
                answer = worker.run("speed")
                row.seconds.append(answer["seconds"])
                row.megabytes = answer["MB"]
                say(f"  {row.name} {row.precision}: {row.seconds[-1]:.3f} s")
            for row in rows[len(workers) :]:
                seconds, megabytes = run_command(commands[row.name], folder, "speed", args.device)
                row.seconds.append(seconds)
                row.megabytes = max(megabytes, row.megabytes)
                say(f"  {row.name}: {seconds:.3f} s")
        for pair in QUALITY:
            for row, worker in workers:
                if not row.name.endswith("alone"):
                    row.psnr[pair] = worker.run(pair)["psnr"]
            for row in rows[len(workers) :]:
                run_command(commands[row.name], folder, pair, args.device)
                row.psnr[pair] = judge.run(f"{pair} {output(folder)}")["psnr"]
        for worker in (judge, *peaks.values(), *(worker for _, worker in workers)):
            worker.finish()

    rates = {p: median(values[1:]) for p, values in peak_rates.items()}
    text = ", ".join(f"{p} {rate / 1e12:.3g}" for p, rate in rates.items())
    missing = [name for name in COMMANDS if name not in commands]
    text = f"Peak of the machine, measured, in 10¹² operations per second: {text}.\n\n" + versus_table(
        rows, rates, args
    )
    text += f"\n\nNot installed: {', '.join(missing)}." if missing else ""
    tables.write("versus", judge.facts["machine"], " ".join(["python", "benchmarks/versus.py", *sys.argv[1:]]), text)


def start(folder: str, args: argparse.Namespace, precisions: list[str]) -> list[tuple[Row, Worker]]:
    """Processes of all that runs in Python, and their rows."""
    made = []
    common = {"folder": folder, "device": args.device}
    for model in args.models:
        for precision in precisions:
            for name, kind in ((f"`fuse`, `{model}`", "fuse"), (f"`{model}` alone", "network")):
                made.append((Row(name, precision), Worker(kind=kind, model=model, precision=precision, **common)))
    made.append((Row(PLAIN, "float32"), Worker(kind="plain", model="rpsnn", **common)))
    for row, worker in made:
        row.weights = worker.facts["weights"]
    return made


def search_path() -> str:
    """Where commands are looked for: where this Python has its own first."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def output(folder: str) -> str:
    """The file that commands write."""
    return f"{folder}/fused.png"


def run_command(line: str, folder: str, pair: str, device: str) -> tuple[float, float]:
    """Run a stacker; seconds and peak memory in MB, with its start and its reading and writing of files."""
    where = Path(folder) / pair
    words = line.format(
        near=where / "near.png",
        far=where / "far.png",
        folder=where,
        out=output(folder),
        device=device,
        cpu="--cpu" if device == "cpu" else "",
    ).split()
    words[0] = shutil.which(words[0], path=search_path()) or words[0]
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        process = subprocess.Popen(words, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        if status:
            log.seek(0)
            raise RuntimeError(f"{' '.join(words)} failed: {log.read().decode()[-500:]}")
    return seconds, peak_mb(usage)


def versus_table(rows: list[Row], rates: dict[str, float], args: argparse.Namespace) -> str:
    """The table of all rows."""
    plain = median(next(row for row in rows if row.name == PLAIN).seconds[1:])
    lines = []
    for row in rows:
        seconds = median(row.seconds[1:])
        share = 2 * row.weights * args.size**2 / seconds / rates.get(row.precision, float("inf"))
        lines.append(
            [
                row.name,
                row.precision,
                f"{seconds:.3f}",
                f"{plain / seconds:.1f}",
                f"{share:.0%}" if row.weights else "",
                f"{row.megabytes:.0f}",
                *(f"{row.psnr[pair]:.2f}" if row.psnr else "" for pair in QUALITY),
            ]
        )
    head = [f"{args.size}x{args.size} pixels, {args.device}", "precision", "seconds", "times as fast", "of the peak"]
    return tables.table([*head, "MB", *(f"PSNR, {pair}" for pair in QUALITY)], lines)


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

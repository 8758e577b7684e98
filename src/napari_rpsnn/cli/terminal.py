"""What a command says, where somebody hears it: a closed stream or a broken pipe never changes what is done."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator
from typing import Any, TextIO

from tqdm import tqdm


def quiet_threads() -> None:
    """Let threads that wait for work sleep, unless the user has said otherwise; to be called before torch is loaded.

    They spin by default, and take the cores from one another where several processes compute: 327 s became 33.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def load_torch() -> None:
    """Load torch; Ctrl-C takes effect when it is loaded, as an exception in its C++ would abort the process."""
    interrupted = False

    def interrupt(*_: Any) -> None:
        nonlocal interrupted
        interrupted = True

    before = signal.getsignal(signal.SIGINT)
    deaf = not callable(before) or threading.current_thread() is not threading.main_thread()
    if not deaf:
        signal.signal(signal.SIGINT, interrupt)
    try:
        import torch  # noqa: F401
    finally:
        if not deaf:
            signal.signal(signal.SIGINT, before)
    if interrupted:
        raise KeyboardInterrupt


def say(text: str) -> None:
    """Print to stderr, under the program's name."""
    _print(sys.stderr, f"napari-rpsnn: {text}")


def tell(text: str) -> None:
    """Print to stdout."""
    _print(sys.stdout, text)


def hears() -> bool:
    """Whether somebody watches stderr."""
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()


def watch(steps: Generator[Any, None, Any], name: str) -> Any:
    """Run the generator with a progress bar, where somebody is there to see it."""
    with tqdm(desc=name, unit="tile", file=sys.stderr, disable=not hears(), leave=False) as bar:
        try:
            while True:
                report = next(steps)
                bar.total = report.total
                bar.update(report.done - bar.n)
                if report.note:
                    bar.clear()
                    say(f"{name}: {report.note}")
        except StopIteration as end:
            return end.value


def _print(stream: TextIO | None, text: str) -> None:
    if stream is None or stream.closed:  # as after 2>&-
        return
    try:
        try:
            print(text, file=stream, flush=True)
        except UnicodeEncodeError:  # as names of files that are not in the terminal's encoding
            encoding = stream.encoding or "ascii"
            print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
    except OSError:
        # Nobody reads any more. What is left in the buffer must not fail at the end, when Python flushes it.
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except (OSError, ValueError):
            stream.close()

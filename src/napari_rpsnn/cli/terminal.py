"""What a command says, where somebody hears it: a closed stream or a broken pipe never changes what is done."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from tqdm import tqdm

#: Signals that end a process unheard: of batch systems and ``timeout``, and of a terminal that is closed.
ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def quiet_threads() -> None:
    """Let threads that wait for work sleep, unless the user has said otherwise; to be called before torch is loaded.

    They spin by default, and take the cores from one another where several processes compute: 327 s became 33.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@contextmanager
def ends_in_order() -> Iterator[None]:
    """What ends a process, as a batch system does or a terminal that is closed, is an exception here, as Ctrl-C is.

    So nothing is left half-written, neither files nor folders beside them.
    """

    def end(number: int, _: Any) -> None:
        raise KeyboardInterrupt(number)

    with _heard([number for number in ENDS if signal.getsignal(number) == signal.SIG_DFL], end):
        yield


def load_torch() -> None:
    """Load torch; Ctrl-C takes effect when it is loaded, as an exception in its C++ would abort the process."""
    interrupted: list[int] = []
    callers = [number for number in (signal.SIGINT, *ENDS) if callable(signal.getsignal(number))]
    with _heard(callers, lambda number, _: interrupted.append(number)):
        import torch  # noqa: F401
    if interrupted:
        raise KeyboardInterrupt(interrupted[0])


@contextmanager
def _heard(numbers: Sequence[int], hear: Callable[[int, Any], None]) -> Iterator[None]:
    """Signals go to `hear`, where they may: in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, hear) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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

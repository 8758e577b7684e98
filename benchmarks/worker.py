"""One contender of `versus.py` or `scaling.py` in a process of its own, so that its peak memory is its own.

    python benchmarks/worker.py '{"kind": "fuse", "model": "rpsnn-lite", ...}'

Prepares, tells facts, then does its work once for every line it reads and answers with a line of JSON. `Worker` is the
other end; it loads no torch, because a process that starts another hands its own peak on.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import Any


class Worker:
    """A contender in a process of its own."""

    def __init__(self, **task: Any) -> None:
        command = [sys.executable, __file__, json.dumps(task)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin
        assert self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout
        self.facts = self._answer()

    def run(self, what: str = "run") -> dict[str, Any]:
        """Do the work once: its answer, with the seconds that it took and the process's peak memory so far in MB.

        The memory is the GPU's where the work is done there.
        """
        self._say(what)
        return self._answer()

    def finish(self) -> None:
        """End the process."""
        self._input.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        self._input.write(f"{line}\n")
        self._input.flush()

    def _answer(self) -> dict[str, Any]:
        line = self._output.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r}: expected an answer, the process ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


def main() -> None:
    """Prepare, then work line by line."""
    task = json.loads(sys.argv[1])
    import torch
    from tasks import TASKS

    on_gpu = task["device"].startswith("cuda")
    work, facts = TASKS[task.pop("kind")](**task)
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        answer = work(line.strip())
        if on_gpu:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - started
        megabytes = (
            torch.cuda.max_memory_reserved() / 1e6 if on_gpu else peak_mb(resource.getrusage(resource.RUSAGE_SELF))
        )
        print(json.dumps({"seconds": seconds, "MB": megabytes} | answer), flush=True)


def peak_mb(usage: resource.struct_rusage) -> float:
    """Peak memory of a process in MB."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


if __name__ == "__main__":
    main()

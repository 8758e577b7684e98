import os
import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "window.py"


def test_the_benchmark_of_the_window_still_runs(tmp_path):
    # In a process of its own: it starts further ones, and remembers choices as napari does.
    run = subprocess.run(
        [sys.executable, SCRIPT, "--side", "128", "--repeat", "1"],
        env=os.environ | {"NAPARI_CONFIG": str(tmp_path / "settings.yaml")},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert len(re.findall(r"Run \d: stalls of .* ms", run.stdout)) == 2
    assert re.search(r"Worker .* s, `fuse` .* s: ", run.stdout)

import os
import platform
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from napari_rpsnn.engine import memory

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

MEASURE = '''
import resource
import threading
from concurrent.futures import ThreadPoolExecutor
import torch
from napari_rpsnn import load_model
from napari_rpsnn.engine import memory

branch = load_model("rpsnn-lite").to(memory_format=torch.channels_last).branches[0]
image = torch.rand(1, 3, 740, 740)  # 35 MB of features: blocks of up to 32 MB glibc may keep by itself

def page_faults(few=0):
    """The fewest of up to five times: a heap may grow once more, when its free blocks lie badly."""
    faults = []
    with torch.inference_mode():
        while len(faults) < 2 or (min(faults) >= few and len(faults) < 5):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            branch(image)
            faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    counts.append(min(faults))

def take_a_heap():
    kept.append(torch.zeros(1 << 18))
    meet.wait()
    meet.wait()

def take_the_first():
    kept.append(torch.zeros(1 << 18))

counts = []
page_faults(10**9)
few = counts[0] / 100
# As in a window: threads of others have heaps already.
meet, kept = threading.Barrier(4), []
with ThreadPoolExecutor(4) as others:
    for _ in range(3):
        others.submit(take_a_heap)
    meet.wait()
    memory.keep_freed()
    page_faults(few)
    others.submit(take_the_first).result()
    def in_the_first_heap():
        with memory.on_first_heap(lambda: None) as run:
            run(lambda: page_faults(few))

    others.submit(in_the_first_heap).result()
    meet.wait()
memory.give_back()
print(*counts)
'''


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the allocator is glibc's")
def test_memory_is_used_again_and_not_asked_for_anew():
    # dask leaves a setting of its workers in the environment of a process that has started some.
    untuned = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    run = subprocess.run([sys.executable, "-c", MEASURE], env=untuned, capture_output=True, text=True, check=True)
    before, main_thread, other_thread = map(int, run.stdout.split())
    assert main_thread < before / 100
    assert other_thread < before / 100


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the allocator is glibc's")
def test_images_of_ever_new_shapes_take_no_more_memory():
    """In use, since what is free depends on where blocks lie. What a shape takes depends on the processor."""
    plain = {name: value for name, value in os.environ.items() if name != "LRU_CACHE_CAPACITY"}
    command = [sys.executable, BENCHMARKS / "new_shapes.py", "60", "100", "20"]

    def in_use(**settings):
        run = subprocess.run(command, env=plain | settings, capture_output=True, text=True, check=True)
        return [int(line.split()[1]) for line in run.stdout.splitlines()]

    _, after_40, after_60 = in_use()
    assert after_60 - after_40 < 4
    # As many shapes as torch keeps by itself take 7 to 32 MB more.
    assert after_60 < in_use(LRU_CACHE_CAPACITY="1024")[-1] - 4


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the allocator is glibc's")
def test_glibc_still_has_what_is_asked_of_it():
    """If this fails, a tile may take twice the time: look for the new names. (Other C libraries have none of it.)"""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    libc = memory._glibc()
    assert all(hasattr(libc, name) for name in ("mallopt", "malloc_trim", "malloc", "free"))


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    memory.keep_freed.__wrapped__()
    memory.give_back()
    with memory.on_first_heap(lambda: None) as run:
        assert run(threading.get_ident) == threading.get_ident()

import subprocess
import sys

import pytest

MEASURE = """
import resource
import threading
import torch
from napari_rpsnn import allocator, load_model

network = load_model("rpsnn-lite").to(memory_format=torch.channels_last)
image = torch.rand(1, 3, 600, 600)

def page_faults():
    with torch.inference_mode():
        network(image, image)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(3):
            network(image, image)
        counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

def in_thread():
    thread = threading.Thread(target=page_faults)
    thread.start()
    thread.join()

counts = []
page_faults()
allocator.keep_freed()
page_faults()
in_thread()
allocator.give_back()
print(*counts)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the allocator is glibc's")
def test_memory_is_used_again_and_not_asked_for_anew():
    run = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    before, main_thread, other_thread = map(int, run.stdout.split())
    assert main_thread < before / 20
    assert other_thread < before / 20

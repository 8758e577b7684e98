import multiprocessing
import sys

import numpy as np
import pytest

from napari_rpsnn import fuse

da = pytest.importorskip("dask.array", reason="dask is not in this environment")


def _compute_in_child(fused, scheduler, results):
    results.put(fused.compute(scheduler=scheduler))


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is forked")
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_what_was_computed_is_computed_in_a_forked_process_again(scheduler):
    images = np.random.default_rng(0).integers(0, 255, (2, 64, 64), dtype=np.uint8)
    fused = fuse(*(da.from_array(image, chunks=40) for image in images))
    expected = fused.compute(scheduler="threads")  # begins the threads that a child lacks
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_compute_in_child, args=(fused, scheduler, results), daemon=True)
    child.start()
    np.testing.assert_array_equal(results.get(timeout=60), expected)
    child.join()

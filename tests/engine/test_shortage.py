"""Where memory falls short, less is computed at a time, and the result is the same."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_rpsnn.engine import shortage
from napari_rpsnn.engine.pairs import engine as pairs
from napari_rpsnn.engine.results import drain
from napari_rpsnn.engine.stacks import engine as stacks
from napari_rpsnn.fusion import iter_fuse
from napari_rpsnn.images.tiling import split_image
from napari_rpsnn.options import FuseOptions, StackOptions
from napari_rpsnn.stack import iter_fuse_stack

SAYINGS = [
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("could not create a primitive"),
    MemoryError("Unable to allocate 1.87 MiB"),
]


def fail(error):
    raise error


@pytest.fixture(scope="module")
def planes():
    sharp = gaussian_filter(255 * np.random.default_rng(0).random((64, 420)), 1)
    stack = np.stack([gaussian_filter(sharp, 3)] * 3)
    for k in range(3):
        third = np.s_[:, 140 * k : 140 * (k + 1)]
        stack[k][third] = sharp[third]
    return stack.astype(np.uint8)


@pytest.mark.parametrize("error", SAYINGS)
def test_windows_are_halved_until_there_is_memory(error):
    image = np.random.default_rng(0).random((300, 500))
    asked = []

    def work(place):
        rows, columns = (part.stop - part.start for part in place.read)
        if rows * columns > 40_000:
            raise error
        asked.append(place)
        part = image[place.read][place.inner]
        return part, 2 * part

    notes = []
    for place in split_image(300, 500, 400, 20):
        once, twice = shortage.in_halves(work, place, 20, 2, notes)
        np.testing.assert_array_equal(once, image[place.write])
        np.testing.assert_array_equal(twice, 2 * image[place.write])
        assert all(part.read[0].start % 2 == part.read[1].start % 2 == 0 for part in asked)
    assert notes == ["The memory was too small: the image is put together in smaller windows."]


def test_what_is_no_shortage_or_cannot_be_helped_is_raised():
    (place,) = split_image(300, 500, 1000, 20)

    for error in (RuntimeError("expected a 4D tensor"), *SAYINGS):
        with pytest.raises(type(error)) as raised:
            shortage.in_halves(lambda place, error=error: fail(error), place, 20, 2, [])
        assert raised.value is error


def test_what_torch_says_becomes_an_error_by_name():
    with pytest.raises(MemoryError, match="expected more memory to be free, got from torch: could not create"):
        shortage.named(lambda: fail(SAYINGS[1]))()
    with pytest.raises(RuntimeError, match="expected a 4D tensor"):
        shortage.named(lambda: fail(RuntimeError("expected a 4D tensor")))()


def test_a_pair_is_put_together_in_smaller_windows(planes, monkeypatch):
    options = FuseOptions(precision="float32", return_map=True)
    whole = drain(iter_fuse(planes[0], planes[1], options))
    compose, sizes = pairs.Engine._compose, []

    def short(self, device, parts, *rest):
        sizes.append(parts[0].shape[1])
        if parts[0].shape[1] > 400:
            raise SAYINGS[0]
        return compose(self, device, parts, *rest)

    monkeypatch.setattr(pairs.Engine, "_compose", short)
    halves = drain(iter_fuse(planes[0], planes[1], options))
    assert len(sizes) == 3
    np.testing.assert_allclose(halves.map, whole.map, atol=1e-3)
    assert np.mean(halves.image != whole.image) < 1e-3
    assert any("smaller windows" in note for note in halves.made_by["notes"])


def test_a_stack_is_decided_in_smaller_windows(planes, monkeypatch):
    options = StackOptions(precision="float32", return_confidence=True)
    whole = drain(iter_fuse_stack(planes, options))
    decide, sizes = stacks.decide_window, []

    def short(read, window, *rest):
        sizes.append(window[1].stop - window[1].start)
        if sizes[-1] > 400:
            raise SAYINGS[0]
        return decide(read, window, *rest)

    monkeypatch.setattr(stacks, "decide_window", short)
    halves = drain(iter_fuse_stack(planes, options))
    assert len(sizes) == 3
    assert np.mean(halves.index != whole.index) < 1e-3
    np.testing.assert_allclose(halves.confidence, whole.confidence, atol=0.02)

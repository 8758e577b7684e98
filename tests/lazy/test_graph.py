import numpy as np
import pytest

pytest.importorskip("dask", reason="dask is not in this environment")

import dask
import dask.array as da

from napari_rpsnn.lazy.graph import array_of, by_picture, clone_graph, window


@pytest.mark.parametrize("chunks", [(1, 7, 5, 3), (1, 4, 30, 3), (1, (1, 0, 19), 30, 3)])
@pytest.mark.parametrize("part", [np.s_[3:9, 4:11], np.s_[0:20, 0:30], np.s_[19:20, 29:30], np.s_[7:14, 5:10]])
def test_a_window_is_put_together_from_the_chunks_it_lies_in(chunks, part):
    images = np.random.default_rng(0).random((2, 20, 30, 3))
    lazy = da.from_array(images, chunks=chunks)
    for where in [(0,), (1,)]:
        tasks = {(0, 0, 0): window(lazy, where, part)}
        read = array_of("read", "0", tasks, [lazy], tuple((n,) for n in images[where][part].shape), float)
        np.testing.assert_array_equal(read.compute(), images[where][part])


def test_by_picture_splits_pictures_and_joins_channels():
    images = by_picture(da.zeros((4, 2, 20, 30, 3), chunks=(3, 2, 10, 10, 1)))
    assert images.chunks == ((1,) * 4, (1, 1), (10, 10), (10, 10, 10), (3,))


def made(values, calls):
    """`values` by way of tasks of several kinds, whose first notes that it is called."""

    def note(block):
        if block.size:  # dask tries an empty block first
            calls.append(1)
        return block

    lazy = da.from_array(values, chunks=4).map_blocks(note, dtype=values.dtype)
    return da.moveaxis((lazy + lazy.mean())[None], 0, -1).rechunk((5, 3, 1))


def test_apart_has_no_task_in_common():
    values, calls = np.random.default_rng(0).random((8, 8)), []
    images = made(values, calls)
    other = clone_graph(images, "seed")
    np.testing.assert_array_equal(*dask.compute(images, other))
    assert len(calls) == 2 * 4
    first, second = (set(image.__dask_graph__()) for image in (dask.optimize(images)[0], other))
    assert not first & second
    assert clone_graph(images, "seed").name == other.name != images.name

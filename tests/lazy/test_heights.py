import weakref

import numpy as np
import pytest
from surfaces import GREY, VALUES, stack, whole

pytest.importorskip("dask", reason="dask is not in this environment")

import dask.array as da

from napari_rpsnn.engine.stacks import depth_from_focus
from napari_rpsnn.images.layout import Layout
from napari_rpsnn.lazy.graph import by_picture
from napari_rpsnn.lazy.heights import heights
from napari_rpsnn.lazy.planes import LazyPlane
from napari_rpsnn.lazy.stack_windows import StackWindows


@pytest.fixture(autouse=True)
def several_windows(monkeypatch):
    monkeypatch.setattr(depth_from_focus, "TILE_PX", 48)


def lazily(images, index, chunks, layout=GREY):
    pictures = [by_picture(image) for image in images]
    planes = [LazyPlane(picture, None) for picture in pictures]
    return heights(StackWindows([pictures]), planes, da.from_array(index, chunks=chunks), VALUES, layout)


@pytest.mark.parametrize("chunks", [(1, 333, 350, 1), (2, 100, 97, 1), (5, 31, 350, 1)])
def test_chunked_equals_whole(chunks):
    """Several windows of both steps, whatever the chunks."""
    images, index = stack(333, 350, 5)
    heights = lazily(da.from_array(images, chunks=chunks), index, 120)
    assert all(len(lengths) > 1 for lengths in heights.chunks)
    computed = heights.compute()
    assert computed.dtype == np.float32
    np.testing.assert_array_equal(computed, whole(images, index))


def test_colours_of_any_memory_layout():
    images, index = stack(70, 60, 3, channels=3)
    layout = Layout.of((70, 60, 3), -1, None)
    heights = lazily(da.from_array(np.asfortranarray(images), chunks=(1, 33, 60, 2)), index, 50, layout)
    np.testing.assert_array_equal(heights, whole(images, index, layout))


def test_a_plane_goes_before_the_next_is_read():
    """However many planes there are, no more than those chunks of two are there that a window touches."""
    images, index = stack(90, 90, 30)
    alive, most = [], []

    def load(block_info):
        if block_info == []:  # dask asks for the type first
            return np.zeros((0, 0, 0, 0), np.uint8)
        made = images[tuple(slice(*ends) for ends in block_info[None]["array-location"])].copy()
        alive.append(weakref.ref(made))
        most.append(sum(one() is not None for one in alive))
        return made

    lazy = da.map_blocks(load, chunks=((1,) * 30, (45, 45), (45, 45), (1,)), dtype=np.uint8)
    np.testing.assert_array_equal(lazily(lazy, index, 90).compute(scheduler="sync"), whole(images, index))
    assert len(most) >= 30 * 4
    assert max(most) <= 2 * 4


def test_sources_are_read_anew_and_data_is_shared():
    """Its tasks hold what is to be computed; what is there already is handed to them, and not copied into each."""
    images, index = stack(60, 130, 3)
    source = da.from_array(images, chunks=(1, 60, 130, 1))
    for images_, shared in ((source, 3), (source + 0, 3)):
        graph = dict(lazily(images_, index, 60).__dask_graph__())
        assert sum(key in graph for key in dict(source.__dask_graph__())) == shared
        assert not [key for key in graph if "add" in str(key)]

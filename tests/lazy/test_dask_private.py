import numpy as np
import pytest
from surfaces import GREY, VALUES, stack, whole

pytest.importorskip("dask", reason="dask is not in this environment")

import dask
import dask.array as da
from dask.base import clone_key

from napari_rpsnn.lazy import dask_private
from napari_rpsnn.lazy.dask_private import as_tasks, is_data, renamed
from napari_rpsnn.lazy.graph import by_picture, clone_graph
from napari_rpsnn.lazy.heights import heights
from napari_rpsnn.lazy.planes import LazyPlane
from napari_rpsnn.lazy.stack_windows import StackWindows


@pytest.fixture
def gone(monkeypatch):
    """A dask that has no such objects any more."""
    monkeypatch.setattr(dask_private, "convert_legacy_graph", None)


def test_dask_still_has_tasks_as_objects():
    """If this fails, heights and first looks need more memory with this version of dask: look for the new names."""
    tasks = as_tasks({"a": 5, "b": (divmod, "a", "c")}, {"a", "c"})
    assert [is_data(tasks[key]) for key in "ab"] == [True, False]
    assert tasks["b"].dependencies == {"a", "c"}
    assert tasks["b"].key == "b"
    other = tasks["b"].substitute({"a": "x"}, key="y")
    assert (other.key, other.dependencies) == ("y", {"x", "c"})
    assert other({"x": 17, "c": 5}) == (3, 2)


def test_keys_are_renamed_as_dask_does_it():
    for key in ("inc-cbb1eca3bafafbb3e8b2419c4eebb387", ("sum-cbb1eca3bafafbb3e8b2419c4eebb387", 4, 3)):
        assert renamed(key, "seed") == clone_key(key, "seed")


@pytest.mark.usefixtures("gone")
def test_without_them_heights_are_the_same():
    images, index = stack(70, 60, 4)
    planes = [LazyPlane(by_picture(image), None) for image in da.from_array(images, chunks=(1, 30, 60, 1))]
    found = heights(
        StackWindows([[plane.picture for plane in planes]]), planes, da.from_array(index, chunks=40), VALUES, GREY
    )
    np.testing.assert_array_equal(found, whole(images, index))


@pytest.mark.usefixtures("gone")
def test_without_them_images_are_cloned_as_well_as_dask_can():
    images = da.ones((8, 8), chunks=4) + 1
    other = clone_graph(images, "seed")
    np.testing.assert_array_equal(*dask.compute(images, other))
    assert other.name != images.name

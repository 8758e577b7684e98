import pickle

import numpy as np
import pytest
from image_files import PROVENANCE, assert_same, described, pixels

from napari_rpsnn.io import write_image

pytest.importorskip("distributed", reason="dask is not in this environment")

from napari_rpsnn.cli.dask_files import connected, open_lazily
from napari_rpsnn.io import ome_zarr


@pytest.mark.parametrize(
    ("name", "axes", "shape", "chunks"),
    [
        ("a.ome.zarr", "CYX", (2, 1030, 20), ((1, 1), (1024, 6), (20,))),
        ("a.ome.tif", "TYX", (3, 20, 30), ((1, 1, 1), (20,), (30,))),
        ("a.png", "YX", (20, 30), ((20,), (30,))),
    ],
)
def test_files_are_read_in_their_chunks_by_whom_they_are_sent_to(name, axes, shape, chunks, tmp_path):
    image = described(pixels(*shape), axes)
    write_image(tmp_path / name, image.data, axes, like=image, provenance=PROVENANCE)
    opened = open_lazily(tmp_path / name)
    assert opened.data.chunks == chunks
    sent = pickle.loads(pickle.dumps(opened.data))
    np.testing.assert_array_equal(sent.compute(scheduler="sync"), image.data)
    if name != "a.png":
        assert_same(opened, image)


def test_small_chunks_are_read_several_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(ome_zarr, "CHUNK_PX", 300)
    write_image(tmp_path / "a.zarr", pixels(1000, 950), "YX", provenance={})
    assert open_lazily(tmp_path / "a.zarr").data.chunks == ((900, 100), (900, 50))


def test_a_scheduler_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr("napari_rpsnn.cli.dask_files.TIMEOUT", 1)
    with pytest.raises(OSError, match="Timed out"), connected("tcp://127.0.0.1:9"):
        pass


def test_no_scheduler_is_no_client():
    with connected(None) as client:
        assert client is None

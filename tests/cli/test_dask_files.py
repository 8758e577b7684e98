import pickle

import numpy as np
import pytest
from image_files import PROVENANCE, assert_same, described, pixels

from napari_rpsnn.io import write_image

pytest.importorskip("distributed", reason="dask is not in this environment")

import dask.array as da
from distributed import LocalCluster

from napari_rpsnn.cli.dask_files import connected, open_lazily, stored
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


def test_what_is_done_leaves_no_error_in_the_scheduler(tmp_path, caplog):
    image = described(pixels(40, 30), "YX")
    lazy = da.from_array(image.data, chunks=(20, 30))
    files = {tmp_path / name: described(lazy, "YX") for name in ("a.ome.zarr", "b.tif")}
    local = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with LocalCluster(**local) as cluster, connected(cluster.scheduler_address) as client:
        with stored(files, lazy.sum(dtype=float), client, "a") as (tally, finish):
            finish(PROVENANCE)
        assert client.submit(abs, -1).result() == 1  # the scheduler still listens
    assert tally == image.data.sum(dtype=float)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]

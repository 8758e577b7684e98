import os
import signal
import time

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data

from napari_rpsnn import fuse, fuse_stack, load_model

dask = pytest.importorskip("dask", reason="dask is not in this environment")
da = pytest.importorskip("dask.array")

#: Small tiles, so that small images have several; float32, in which chunked equals whole bit for bit.
SMALL = {"tile": 32, "precision": "float32"}
LARGE = {"tile": 64, "precision": "float32"}


def halves(truth, sigma=2):
    """Near and far of `(rows, columns, ...)`, each sharp in a half."""
    blurred = gaussian_filter(truth, (sigma, sigma) + (0,) * (truth.ndim - 2))
    middle = truth.shape[1] // 2
    near, far = truth.copy(), truth.copy()
    near[:, middle:], far[:, :middle] = blurred[:, middle:], blurred[:, :middle]
    return near, far


def test_chunks_of_no_length_are_left_out(grey_pair):
    near, far, _ = grey_pair
    rows = len(near)
    gaps = (0, rows - 30, 0, 30, 0), (near.shape[1], 0)
    lazy = [da.from_array(image, chunks=gaps) for image in (near, far)]
    np.testing.assert_array_equal(fuse(*lazy, **SMALL), fuse(near, far, **SMALL))
    np.testing.assert_array_equal(fuse_stack(lazy, **SMALL), fuse_stack([near, far], **SMALL))


SHAPE, DTYPE = (
    r"expected the shape \(.*8, 8\) of dask's block \(.*\), got ",
    "expected the dtype uint8 of dask's block ",
)
LIES = {
    "shorter": (lambda block: block[..., :-1], ValueError, SHAPE + r"\(.*8, 7\)"),
    "broadcast": (lambda block: block[..., :1], ValueError, SHAPE + r"\(.*8, 1\)"),
    "longer": (lambda block: block.repeat(2, -2), ValueError, SHAPE + r"\(.*16, 8\)"),
    "an axis more": (lambda block: block[None], ValueError, SHAPE + r"\(1, .*8, 8\)"),
    "floats": (lambda block: block / 2, TypeError, DTYPE + r"\(.*\), got float64"),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("method", ["decision", "regression"])
def test_chunks_that_are_not_as_promised_are_named(method, lie):
    change, error, message = LIES[lie]

    def lying(image):
        return image.map_blocks(change, dtype=image.dtype, meta=image._meta)

    planes = da.ones((3, 8, 16), dtype=np.uint8, chunks=(3, 8, 8))
    one, *_ = planes
    options = SMALL | {"method": method}
    for name, work in [
        ("image0", lambda: fuse(lying(one), one, **options)),
        ("image1", lambda: fuse(one, lying(one), **options)),
        ("mask", lambda: fuse(one, one, mask=lying(one), **options)),
        ("images", lambda: fuse_stack(lying(planes), **options)),
        (r"images\[1\]", lambda: fuse_stack([one, lying(one), one], **options)),
        ("mask", lambda: fuse_stack(planes, mask=lying(planes), **options)),
    ]:
        with pytest.raises(error, match=f"^{name}: {message}"):
            work().compute(scheduler="synchronous")


@pytest.fixture(scope="module")
def large_pair():
    """A pair of odd size with four windows of decision: uint16."""
    return halves(data.camera()[:411, 100:487].astype(np.uint16) * 16)


@pytest.fixture(scope="module")
def large_whole(large_pair):
    """What fusing it in memory gives: image and map."""
    return fuse(*large_pair, return_map=True, **LARGE)


@pytest.fixture(scope="module")
def small_pair():
    return halves(data.camera()[128:191, 192:265].astype(np.float32))


@pytest.fixture(scope="module")
def strips():
    """Three planes, each sharp in a strip of its own: uint16."""
    truth = data.camera()[128:201, 192:281].astype(np.uint16) * 16
    planes = np.stack([gaussian_filter(truth, 2)] * 3)
    for k in range(3):
        planes[k, :, 30 * k : 30 * (k + 1)] = truth[:, 30 * k : 30 * (k + 1)]
    return planes


def untouchable(shape, dtype=np.uint8, chunks=16):
    """A dask array that cannot be computed."""

    def fail(block_info=None):
        raise AssertionError("computed")

    return da.map_blocks(fail, chunks=da.core.normalize_chunks(chunks, shape), dtype=dtype, meta=np.empty(0, dtype))


def assert_equal(lazy, whole):
    for got, expected in zip(dask.compute(*lazy), whole, strict=True):
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)


def test_chunked_equals_whole(large_pair, large_whole):
    """Several windows of each kind; chunks that have nothing to do with them, and differ between the images."""
    near, far = large_pair
    lazy = fuse(da.from_array(near, chunks=(60, 101)), da.from_array(far, chunks=83), return_map=True, **LARGE)
    assert all(len(lengths) > 1 for lengths in lazy[1].chunks)
    assert_equal(lazy, large_whole)
    window = np.s_[100:130, 20:50]
    np.testing.assert_array_equal(lazy[0][window].compute(scheduler="sync"), large_whole[0][window])


@pytest.mark.parametrize("method", ["decision", "regression"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_methods_and_precisions(small_pair, method, precision):
    options = {"tile": 32, "method": method, "precision": precision}
    lazy = fuse(*(da.from_array(image, chunks=25) for image in small_pair), **options)
    assert_equal([lazy], [fuse(*small_pair, **options)])


def test_both_orders(small_pair):
    for pair in (small_pair, small_pair[::-1]):
        lazy = fuse(*(da.from_array(image, chunks=25) for image in pair), return_map=True, **SMALL)
        assert_equal(lazy, fuse(*pair, return_map=True, **SMALL))


@pytest.mark.parametrize(
    ("shape", "chunks", "options"),
    [
        ((40, 50, 3), (17, 50, 2), {"channel_axis": -1}),
        ((40, 50, 4), (17, 20, 3), {"channel_axis": -1}),
        ((2, 40, 50), (2, 13, 50), {}),
        ((2, 2, 40, 50), (2, 1, 40, 23), {"channel_axis": 1}),
        ((10, 2, 40, 50), (4, 2, 40, 23), {"channel_axis": 0, "guide_channel": range(9)}),
    ],
    ids=["rgb", "rgba", "time", "channels", "guide"],
)
def test_axes(shape, chunks, options):
    """As for NumPy arrays; images in one memory layout and in another have one result."""
    first, second = np.random.default_rng(0).random((2, *shape), np.float32)
    if shape[-1] == 4:
        second[..., 3] = first[..., 3]
    whole = fuse(first, second, return_map=True, **SMALL, **options)
    lazy = fuse(da.from_array(first, chunks=chunks), np.asfortranarray(second), return_map=True, **SMALL, **options)
    assert [part.shape for part in lazy] == [part.shape for part in whole]
    assert_equal(lazy, whole)


@pytest.mark.parametrize("order", ["cascade", "tree"])
def test_stacks(strips, order):
    options = {"order": order, "return_index": True, "return_height": True, "plane_spacing": 0.3, **SMALL}
    lazy = fuse_stack(da.from_array(strips, chunks=(2, 40, 41)), **options)
    assert_equal(lazy, fuse_stack(strips, **options))


def test_a_list_of_coloured_planes_with_alpha():
    planes = [np.random.default_rng(k).random((300, 20, 4), np.float32) for k in range(3)]
    for plane in planes:
        plane[..., 3] = planes[0][..., 3]
    options = {"channel_axis": -1, "return_index": True, "return_height": True, "tile": 256, "precision": "float32"}
    lazy = fuse_stack([da.from_array(plane, chunks=70) for plane in planes], **options)
    assert_equal(lazy, fuse_stack(planes, **options))


def test_a_stack_of_time_points_and_equal_planes(strips):
    same = np.broadcast_to(strips[:1], strips.shape)
    series = np.stack([strips, same], 1)[:, :, :40, :40]  # (plane, time, row, column)
    options = {"return_index": True, "return_height": True, **SMALL}
    assert_equal(fuse_stack(da.from_array(series, chunks=(3, 2, 40, 20)), **options), fuse_stack(series, **options))
    channels = np.moveaxis(series, 1, -1)
    options["channel_axis"] = -1
    assert_equal(fuse_stack(da.from_array(channels, chunks=(1, 30, 30, 1)), **options), fuse_stack(channels, **options))


def test_nothing_of_a_pair_is_computed_before_it_is_asked_for():
    fused = fuse(untouchable((64, 48)), untouchable((64, 48)))
    assert (fused.shape, fused.dtype) == ((64, 48), np.uint8)
    with pytest.raises(AssertionError, match="computed"):
        fused.compute()


def test_sources_are_not_kept_for_the_second_look(small_pair):
    """The first look at a picture has tasks of its own: with shared ones all chunks would stay in memory."""
    loaded = []

    def load(block, block_info=None):
        loaded.append(block_info[0]["chunk-location"])
        return block

    near = da.from_array(small_pair[0], chunks=30).map_blocks(load, dtype=np.float32)
    fuse(near, da.from_array(small_pair[1]), **SMALL).compute()
    assert sorted(loaded) == sorted(2 * list(np.ndindex(near.numblocks)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: np.where(a > 200, np.inf, a), r"image0: expected finite values, or NaN .*, got \d+ that are inf"),
        (lambda a: a[:-1], r"image0 and image1: expected the same shape, got \(62, 73\) and \(63, 73\)"),
        (lambda a: a.astype(np.float64), "expected the same dtype, got float64 and float32"),
    ],
    ids=["infinity", "shape", "dtype"],
)
def test_what_cannot_be_fused_is_refused_as_in_memory(small_pair, change, message):
    wrong, right = change(small_pair[0]), small_pair[1]
    with pytest.raises(ValueError, match=message) as whole:
        fuse(wrong, right)
    with pytest.raises(ValueError, match=message) as chunked:
        fuse(da.from_array(wrong, chunks=30), da.from_array(right, chunks=30)).compute()
    assert str(chunked.value) == str(whole.value)


def test_alpha_that_differs_and_bad_planes_are_refused():
    images = da.random.default_rng(0).random((3, 20, 20, 4), chunks=10)
    with pytest.raises(
        ValueError, match=r"the last is alpha and must be the same in both, or 0 for no data, got 400 pixels"
    ):
        fuse(images[0], images[1], channel_axis=-1).compute()
    with pytest.raises(ValueError, match=r"images: planes before 1 and plane 1: .* got 400 pixels"):
        fuse_stack(images, channel_axis=-1)
    with pytest.raises(ValueError, match="images, plane 1: expected finite values, or NaN for no data, got 400"):
        fuse_stack(da.stack([images[0, ..., 0], images[1, ..., 0] * np.inf]))


@pytest.mark.parametrize("method", ["decision", "regression"])
def test_alpha_is_compared_with_all_planes_before_as_in_memory(method):
    planes = np.random.default_rng(0).random((3, 20, 20, 4)).astype(np.float32)
    planes[..., 3] = 1
    planes[0, :5] = np.nan
    options = {"channel_axis": -1, "method": method, **SMALL}
    assert_equal([fuse_stack(da.from_array(planes, chunks=11), **options)], [fuse_stack(planes, **options)])
    planes[:, :5, :, 3] = np.array([0, 0.25, 0.5])[:, None, None]
    for images in (planes, da.from_array(planes, chunks=11)):
        with pytest.raises(ValueError, match=r"images: planes before 2 and plane 2: .* got 100 pixels"):
            fuse_stack(images, **options)


def test_options_that_need_the_whole_are_refused():
    images = untouchable((3, 20, 20))
    with pytest.raises(ValueError, match="register: expected None for dask arrays, got 'affine'"):
        fuse(images[0], images[1], register="affine")
    with pytest.raises(ValueError, match="register: expected None for dask arrays, got 'affine'"):
        fuse_stack(images, register="affine")
    with pytest.raises(ValueError, match="plane_spacing: expected a positive number from 1e-30 to 1e\\+30, got -1"):
        fuse_stack(images, return_height=True, plane_spacing=-1)
    with pytest.raises(ValueError, match="image0: expected chunks of known size"):
        fuse(images[0][images[0] > 3], images[1])
    with pytest.raises(ValueError, match="method: expected 'decision' or 'regression', got 'average'"):
        fuse(images[0], images[1], method="average")
    with pytest.raises(FileNotFoundError, match="model: expected one of"):
        fuse(images[0], images[1], model="none")


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def test_two_processes_give_the_same(cluster, small_pair):
    """The network is one that is in no file: it is sent to the workers."""
    options = {"model": load_model("rpsnn-lite"), **SMALL}
    near, far = (da.from_array(image, chunks=25) for image in small_pair)
    fused = fuse(near, far, return_map=True, **options)
    assert_equal(fused, fuse(*small_pair, return_map=True, **options))
    assert len(set(cluster.run(os.getpid).values())) == 2


def test_persisted_arrays_and_stacks_on_a_cluster(cluster, strips):
    stack = cluster.persist(da.from_array(strips, chunks=(1, 40, 50)))
    options = {"return_index": True, "return_height": True, **SMALL}
    expected = fuse_stack(strips, **options)
    assert_equal(fuse_stack(stack, **options), expected)
    assert_equal(fuse_stack(da.from_array(strips, chunks=(2, 40, 50)) + 0, **options), expected)
    assert_equal([fuse(stack[0], stack[1], **SMALL)], [fuse(strips[0], strips[1], **SMALL)])


def test_a_worker_that_is_killed_changes_nothing(cluster, large_pair, large_whole):
    near, far = (da.from_array(image, chunks=100) for image in large_pair)
    fused = fuse(near, far, **LARGE)
    future = cluster.compute(fused)
    victim, pid = next(iter(cluster.run(os.getpid).items()))
    deadline = time.monotonic() + 120
    while not any("rpsnn-votes" in str(key) for key in cluster.has_what().get(victim, ())):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    assert not future.done()
    np.testing.assert_array_equal(future.result(timeout=300), large_whole[0])
    assert pid not in cluster.run(os.getpid).values()

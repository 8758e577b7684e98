"""What holds of every image that there is: hypothesis looks for one of which it does not."""

import warnings

import numpy as np
import pytest
from generated import LAYOUTS, chunkings, examples, stacks, unusual
from hypothesis import given
from hypothesis import strategies as st
from networks import randomized

from napari_rpsnn import fuse, fuse_stack
from napari_rpsnn.model.weights import save_model

EXACT = {"precision": "float32", "device": "cpu"}
METHODS = st.sampled_from(["decision", "regression"])
TILES = st.sampled_from([5, 8, "auto"])
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", autouse=True)
def weights_in_a_file(tmp_path_factory):
    """Which are read once; a network is copied for each call."""
    EXACT["model"] = tmp_path_factory.mktemp("weights") / "4.safetensors"
    save_model(randomized(4), EXACT["model"], {})


def bits(image):
    """All that two equal images have in common: NaN equals NaN, -0 is not 0."""
    image = np.ascontiguousarray(np.asarray(image), image.dtype.newbyteorder("="))
    return image.shape, image.dtype, image.tobytes()


def assert_between(fused, planes):
    """Every value is one of the planes' at its place, or between two."""
    assert fused.shape == planes.shape[1:]
    assert fused.dtype.newbyteorder("=") == planes.dtype.newbyteorder("=")
    assert (planes.min(0) <= fused).all()
    assert (fused <= planes.max(0)).all()


def without_planes(axis):
    """Where colours are in a plane of a stack."""
    return None if axis is None else axis - 1


@examples(40)
@given(stacks(st.just(2)), LAYOUTS, METHODS, TILES)
def test_a_pair_of_any_kind(stack, layout, method, tile):
    (near, far), axis = stack
    before = bits(near), bits(far)
    options = EXACT | {"channel_axis": without_planes(axis), "method": method, "tile": tile}
    fused = fuse(near, far, **options)
    assert_between(fused, np.stack([near, far]))
    assert fused.dtype == near.dtype
    assert bits(fuse(unusual(near, layout), unusual(far, layout), **options)) == bits(fused)
    assert bits(fuse(near, near, **options)) == bits(near)
    assert (bits(near), bits(far)) == before


@examples(30)
@given(stacks(), LAYOUTS, METHODS, TILES, st.randoms(use_true_random=False))
def test_a_stack_of_any_kind(stack, layout, method, tile, random):
    planes, axis = stack
    before = bits(planes)
    options = EXACT | {"channel_axis": axis, "method": method, "tile": tile}
    fused = fuse_stack(planes, **options)
    assert_between(fused, planes)
    order = random.sample(range(len(planes)), len(planes))
    assert bits(fuse_stack([unusual(planes[k], layout) for k in order], **options)) == bits(fused)
    elsewhere = random.randrange(planes.ndim)
    moved = np.moveaxis(unusual(planes, layout), 0, elsewhere)
    if axis is not None:
        options["channel_axis"] = [n for n in range(planes.ndim) if n != elsewhere][axis - 1]
    assert bits(fuse_stack(moved, axis=elsewhere, **options)) == bits(fused)
    assert bits(planes) == before


@examples(15)
@given(stacks(), TILES)
def test_maps_of_a_stack_of_any_kind(stack, tile):
    planes, axis = stack
    options = EXACT | {"channel_axis": axis, "tile": tile}
    wanted = {"return_index": True, "return_confidence": True, "return_height": True, "plane_spacing": 0.5}
    fused, index, confidence, height = fuse_stack(planes, **options, **wanted)
    assert bits(fused) == bits(fuse_stack(planes, **options))
    assert index.shape == confidence.shape == height.shape
    assert index.max() < len(planes)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert ((height >= 0) & (height <= 0.5 * (len(planes) - 1))).all()


@examples(20)
@given(stacks(st.just(2)), METHODS, TILES, st.data())
def test_a_pair_in_any_chunks(stack, method, tile, data):
    da = pytest.importorskip("dask.array", reason="dask is not in this environment")
    (near, far), axis = stack
    options = EXACT | {"channel_axis": without_planes(axis), "method": method, "tile": tile}
    lazy = [da.from_array(image, data.draw(chunkings(image.shape))) for image in (near, far)]
    found = fuse(*lazy, **options)
    assert (found.shape, found.dtype) == (near.shape, near.dtype)
    assert bits(found.compute(scheduler="synchronous")) == bits(fuse(near, far, **options))


@examples(15)
@given(stacks(), METHODS, TILES, st.data())
def test_a_stack_in_any_chunks(stack, method, tile, data):
    da = pytest.importorskip("dask.array", reason="dask is not in this environment")
    dask = pytest.importorskip("dask")
    planes, axis = stack
    options = EXACT | {"channel_axis": axis, "method": method, "tile": tile}
    if method == "decision":
        options |= {"return_index": True, "return_confidence": True, "return_height": True}
    with dask.config.set(scheduler="synchronous"):
        found = fuse_stack(da.from_array(planes, data.draw(chunkings(planes.shape))), **options)
        expected = fuse_stack(planes, **options)
        if method == "regression":
            found, expected = (found,), (expected,)
        for got, wanted in zip(found, expected, strict=True):
            assert bits(got.compute()) == bits(wanted)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 5),
    st.sampled_from([2**70, -(2**70), float("nan"), float("inf"), 1.5, 0.0]),
    st.text(max_size=3),
    st.sampled_from(["auto", "cpu", "decision", "cuda:9", "float32", b"cpu", (), [], {}, [0, 1], object(), 1j]),
)
OPTIONS = [
    "axis",
    "channel_axis",
    "guide_channel",
    "method",
    "order",
    "register",
    "plane_spacing",
    "model",
    "device",
    "precision",
    "tile",
]


@examples(60)
@given(st.dictionaries(st.sampled_from(OPTIONS), ANYTHING, min_size=1, max_size=2))
def test_any_option_works_or_is_named(options):
    planes = np.arange(3 * 4 * 5 * 3, dtype=np.uint8).reshape(3, 4, 5, 3)
    try:
        fused = fuse_stack(planes, **EXACT | options)
    except (ValueError, TypeError, FileNotFoundError, ModuleNotFoundError) as error:
        # By `channel_axis` it may be the images that do not do: four channels have an alpha.
        assert any(str(error).startswith(name) for name in (*options, "images")), error  # noqa: PT017
    else:
        assert fused.dtype == planes.dtype


def test_warnings_are_not_errors_of_ours():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fuse(np.zeros((5, 5)), np.ones((5, 5)), **EXACT)

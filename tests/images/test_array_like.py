"""What may be handed in as an image, and what is refused by name."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from napari_rpsnn import fuse, fuse_stack, load_model
from napari_rpsnn.images.array_like import as_array, as_stack
from napari_rpsnn.images.focus_stack import FocusStack

PICTURE = np.arange(12, dtype=np.uint8).reshape(3, 4)


class Readable:
    """Like an array, whose dtype is named."""

    shape, dtype = (3, 4), "uint8"

    def __getitem__(self, key):
        return PICTURE[key]


class Table:
    """Like a DataFrame: it has a shape, but several dtypes."""

    shape = (3, 4)

    def __array__(self, dtype=None, copy=None):
        return PICTURE


class Unwilling:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("not today")


class OfNoDtype(Readable):
    dtype = None


@pytest.mark.parametrize(
    "image",
    [
        PICTURE.tolist(),
        Table(),
        Readable(),
        torch.from_numpy(PICTURE),
        torch.from_numpy(PICTURE).float().requires_grad_(),
        torch.nn.Parameter(torch.from_numpy(PICTURE).float()),
        np.asmatrix(PICTURE),
    ],
)
def test_what_can_be_read_is_read(image):
    array = as_array(image, "image0")
    assert isinstance(array.dtype, np.dtype)
    np.testing.assert_array_equal(np.asarray(array[(slice(0, 2), slice(1, 4))]), PICTURE[0:2, 1:4])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "image0: expected an integer or floating-point dtype, got object"),
        ("picture.tif", "image0: expected an integer or floating-point dtype, got <U11"),
        ([[1, 2], [3]], "image0: expected an array, got list: "),
        (Unwilling(), "image0: expected an array, got .*Unwilling: not today"),
        (OfNoDtype(), "image0: expected an integer or floating-point dtype, got object"),
        (np.ndarray, "image0: expected an array, got type"),
        (PICTURE > 3, "image0: expected an integer or floating-point dtype, got bool"),
        (PICTURE * 1j, "image0: expected an integer or floating-point dtype, got complex128"),
        (csr_array(PICTURE), "image0: expected an array that NumPy can read, got scipy.sparse"),
        (torch.zeros(3, 4).bfloat16(), r"image0: .* tensor .* got one of torch.strided and torch.bfloat16"),
        (torch.zeros(3, 4, device="meta"), r"image0: expected a dense tensor on the CPU .* on the device 'meta'"),
        (torch.zeros(3, 4).to_sparse(), r"image0: expected a dense tensor .* torch.sparse_coo"),
        (np.zeros((1,) * 32, np.uint8), "image0: expected at most 31 axes, got 32"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(image, message):
    with pytest.raises((TypeError, ValueError), match=message):
        as_array(image, "image0")


def test_masks_of_arrays_in_a_list_stay():
    masked = np.ma.masked_greater(PICTURE, 7)
    for images in ([masked, PICTURE], [[PICTURE, PICTURE], (masked, masked)]):
        array = as_array(images, "image0")
        shape = array.shape[:-2]
        for where in np.ndindex(*shape):
            one = images[where[0]] if len(where) == 1 else images[where[0]][where[1]]
            np.testing.assert_array_equal(np.ma.getmaskarray(array[where]), np.ma.getmaskarray(one))
            np.testing.assert_array_equal(np.ma.getdata(array[where]), PICTURE)


@pytest.mark.skipif(np.dtype("g").itemsize == 8, reason="long double is float64 here")
def test_what_float64_does_not_hold_is_refused():
    pair = [PICTURE.astype("g")] * 2
    for work in (lambda: fuse(*pair), lambda: fuse_stack(pair), lambda: fuse_stack(np.stack(pair))):
        with pytest.raises(TypeError, match=r"expected a dtype of at most 64 bits, got .* of 128"):
            work()


def test_tensors_and_generators_are_fused_as_arrays_are(small_stack):
    planes, _ = small_stack
    expected = fuse_stack(planes)
    for images in (torch.from_numpy(planes), (plane for plane in planes), list(torch.from_numpy(planes))):
        np.testing.assert_array_equal(fuse_stack(images), expected)
    near, far = planes[:2]
    np.testing.assert_array_equal(fuse(torch.from_numpy(near), far), fuse(near, far))


@pytest.mark.parametrize("images", [5, "planes", b"planes", None])
def test_what_is_no_stack_is_refused_by_name(images):
    with pytest.raises(TypeError, match="images: expected an array or a sequence of arrays, got"):
        as_stack(images, "images")


def test_more_planes_than_an_index_has_numbers_for_are_refused_before_any_is_read():
    unread = np.broadcast_to(np.uint8(0), (2**16, 8, 8))
    with pytest.raises(ValueError, match=r"images: expected at most 65535 planes, .*, got 65536"):
        fuse_stack(unread)
    stack = FocusStack.of(unread, 0, None, None)
    assert stack.part((2, 9), None).count == 8
    assert FocusStack.of(unread[1:], 0, None, None).part(None, None).count == 2**16 - 1


@pytest.mark.parametrize("model", [None, 3, b"rpsnn"])
def test_what_is_no_model_is_refused_by_name(model):
    with pytest.raises(TypeError, match="model: expected a name, the path of a weights file or an RPSNN, got"):
        load_model(model)
    with pytest.raises(TypeError, match="model: expected a name"):
        fuse(PICTURE, PICTURE, model=model)


def test_masks_are_read_as_images_are(small_stack):
    planes, _ = small_stack
    mask = np.ones(planes.shape[1:], bool)
    mask[:, :20] = False
    expected = fuse_stack(planes, mask=mask)
    for given in (mask.tolist(), torch.from_numpy(mask)):
        np.testing.assert_array_equal(fuse_stack(planes, mask=given), expected)
    with pytest.raises(TypeError, match=r"mask: expected a dense tensor on the CPU"):
        fuse_stack(planes, mask=torch.from_numpy(mask).to("meta"))

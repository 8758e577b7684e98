"""Images of every kind for hypothesis: shapes, axes, dtypes, byte orders, strides, values, chunks, and damage."""

import os
from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: Many times as many examples with SOAK=100, and other ones each time.
SOAK = int(os.environ.get("SOAK", "1"))
DTYPES = ["u1", "i1", "<u2", ">u2", "<i2", ">i4", "<u4", "<u8", ">i8", "<f2", ">f4", "<f4", "<f8", ">f8"]


def examples(count):
    """Settings of so many examples: always the same ones, unless more are asked for."""
    return settings(
        max_examples=count * SOAK,
        derandomize=SOAK == 1,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


def numbers(rng, shape, dtype, kind):
    """Values of one kind, up to the ends of what a dtype holds."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        # More than 1e300 is refused.
        largest, smallest = min(float(np.finfo(dtype).max), 1e299), float(np.finfo(dtype).smallest_subnormal)
        low, high = {
            "full": (-largest / 2, largest / 2),
            "few": (0, 3),
            "tiny": (0, 7 * smallest),
            "offset": (largest / 8, largest / 8 * (1 + 40 * float(np.finfo(dtype).eps))),
        }.get(kind, (0, 1))
    else:
        limits = np.iinfo(dtype)
        low, high = {
            "full": (limits.min, limits.max),
            "few": (0, 3),
            "tiny": (limits.min, limits.min + 1),
            "offset": (limits.max - 40, limits.max),
        }.get(kind, (0, 100))
    if kind == "ends":
        return rng.choice(np.array([low, high]).astype(dtype), shape)
    if dtype.kind == "f":
        return (low + rng.random(shape) * (high - low)).astype(dtype)
    values = rng.integers(low, high, shape, np.uint64 if dtype.kind == "u" else np.int64, endpoint=True).astype(dtype)
    if kind == "hot":
        values[..., shape[-2] // 2, shape[-1] // 2] = np.iinfo(dtype).max
    return values


PLANES = st.integers(2, 5)


@st.composite
def stacks(draw, planes=PLANES):
    """A stack `(planes, ..., rows, columns)` as it is in memory, native, and where its colours are, if it has some."""
    dtype = draw(st.sampled_from(DTYPES))
    leading = draw(st.lists(st.integers(1, 2), max_size=1))
    rows, columns = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    shape = (draw(planes), *leading, rows, columns)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    colours = draw(st.sampled_from([None, None, 1, 2, 3, 4]))
    whole = shape if colours is None else (*shape[:-2], colours, *shape[-2:])
    images = numbers(rng, whole, dtype, draw(st.sampled_from(["full", "few", "tiny", "offset", "ends", "hot"])))
    if draw(st.booleans()):  # partly equal, as planes are
        images[1] = np.where(rng.random(images.shape[1:]) < 0.7, images[0], images[1])
    if colours == 4:
        alpha = images[:1, ..., 3, :, :]  # the same in all; where it is 0 in all of them, colours are anything
        images[..., 3, :, :] = np.where(alpha == 0, np.ones_like(alpha), alpha)
    if colours is None:
        return images, None
    axis = draw(st.integers(1, images.ndim - 1))
    return np.moveaxis(images, -3, axis), axis


def unusual(images, how):
    """The same values, laid out in another way; nothing may write to them."""
    native = images.dtype.newbyteorder("=")
    made = {
        "native": lambda: images.astype(native),
        "swapped": lambda: images.astype(native.newbyteorder("S")),
        "fortran": lambda: np.asfortranarray(images),
        "reversed": lambda: np.ascontiguousarray(images[..., ::-1])[..., ::-1],
        "strided": lambda: np.repeat(np.repeat(images, 2, -1), 3, -2)[..., ::3, ::2],
        "inside": lambda: np.pad(images, 1)[(slice(1, -1),) * images.ndim],
        "unaligned": lambda: np.frombuffer(b"\0" + images.tobytes(), images.dtype, offset=1).reshape(images.shape),
    }[how]()
    made.flags.writeable = False
    return made


LAYOUTS = st.sampled_from(["native", "swapped", "fortran", "reversed", "strided", "inside", "unaligned"])


@st.composite
def chunkings(draw, shape):
    """Chunks of an array of this shape, of any lengths."""
    chunks = []
    for length in shape:
        cuts = draw(st.sets(st.integers(1, length - 1), max_size=3)) if length > 1 else set()
        ends = [0, *sorted(cuts), length]
        chunks.append(tuple(b - a for a, b in pairwise(ends)))
    return tuple(chunks)


@st.composite
def damages(draw):
    """What happens to the content of a file, and whether it is cut: at the beginning more often."""
    how = draw(st.sampled_from(["cut", "bytes", "head", "zeros"]))
    at = st.floats(0, 1, exclude_max=True)
    places, values = draw(st.lists(at, min_size=1, max_size=5)), draw(st.binary(min_size=5, max_size=5))

    def damage(content):
        changed = bytearray(content)
        start = int(places[0] * len(content))
        if how == "cut":
            return bytes(changed[:start])
        if how == "zeros":
            changed[start : start + 40] = bytes(len(changed[start : start + 40]))
        else:
            for place, value in zip(places, values, strict=False):
                changed[int(place * (len(content) if how == "bytes" else min(len(content), 400)))] = value
        return bytes(changed)

    return damage, how == "cut"

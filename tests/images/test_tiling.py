import numpy as np
import pytest

from napari_rpsnn.images.tiling import STEP, narrowed, split_image


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (100, 100), (301, 257)])
@pytest.mark.parametrize("tile", [1, 32, 100, 512])
def test_tiles_cover_the_image_once_with_halo_or_border_on_each_side(shape, tile):
    halo = 39
    written = np.zeros(shape, int)
    for part in split_image(*shape, tile, halo):
        written[part.write] += 1
        for read, write, inner, length in zip(part.read, part.write, part.inner, shape, strict=True):
            assert read.start == 0 or write.start - read.start >= halo
            assert read.stop == length or read.stop - write.stop >= halo
            assert inner == slice(write.start - read.start, write.stop - read.start)
    assert (written == 1).all()


def test_all_windows_have_one_shape():
    sizes = {tuple(s.stop - s.start for s in part.read) for part in split_image(1000, 700, 200, 39)}
    assert len(sizes) == 1
    assert max(max(size) for size in sizes) <= 278


@pytest.mark.parametrize("columns", [1109, 2048, 4096, 6001, 8192])
def test_wide_windows_are_a_multiple_of_what_processors_like(columns):
    window = split_image(100, columns, 1024, 39)[0].read[1]
    assert window.stop % STEP == 0
    assert window.stop <= 1.04 * (1024 + 2 * 39)


def test_an_image_that_is_one_window_is_read_as_it_is():
    (part,) = split_image(77, 101, 32, 39)
    assert part.read == part.write == (slice(0, 77), slice(0, 101))


@pytest.mark.parametrize(("shape", "tile"), [((600, 600), 512), ((640, 480), 512), ((1200, 1200), 1024)])
def test_images_slightly_larger_than_a_window_cost_little_more(shape, tile):
    parts = split_image(*shape, tile, 39)
    work = sum((p.read[0].stop - p.read[0].start) * (p.read[1].stop - p.read[1].start) for p in parts)
    assert work < 1.3 * shape[0] * shape[1]


def test_a_narrowed_window_has_the_halo_that_it_needs_and_the_border_where_it_was():
    image = np.arange(100 * 70).reshape(100, 70)
    for part in split_image(100, 70, 20, 12):
        whole, rest, again = narrowed(part, 5)
        np.testing.assert_array_equal(image[part.read][whole][rest][again], image[part.write])
        for axis in range(2):
            before, after = part.write[axis].start, image.shape[axis] - part.write[axis].stop
            assert again[axis].start in (min(5, before), min(6, before))
            assert (part.write[axis].start - again[axis].start) % 2 == 0
            assert image[part.read][whole][rest].shape[axis] - again[axis].stop == min(5, after)

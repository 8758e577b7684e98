import numpy as np
import pytest
from duck_layers import layer

from napari_rpsnn.options import FuseOptions, StackOptions
from napari_rpsnn.plugin.layers import read_pair, read_stack
from napari_rpsnn.plugin.retouch.painting import SOFT_PX, Painting, Sources
from napari_rpsnn.plugin.run import Task

RNG = np.random.default_rng(0)


def stack_task(data, axis=0, channel_axis=None, guide=None, **options):
    sources = read_stack(layer("s", data.shape, data=data), axis, channel_axis, guide)
    return Task(sources, StackOptions(**sources.options, **options))


@pytest.fixture
def painting(small_stack):
    planes = small_stack[0]
    image, index = np.full((96, 128), 7, np.uint8), np.zeros((96, 128), np.uint16)
    height = np.zeros((96, 128), np.float32)
    return Painting(Sources(stack_task(planes, plane_spacing=0.5)), image, index, height), planes, image, index, height


def test_a_region_is_taken_from_the_plane_of_its_label_and_fades_within(painting):
    made, planes, image, index, height = painting
    assert not made.update()
    made.labels[20:60, 30:80] = 3
    assert made.update()
    inner = slice(20 + SOFT_PX, 60 - SOFT_PX), slice(30 + SOFT_PX, 80 - SOFT_PX)
    np.testing.assert_array_equal(image[inner], planes[2][inner])
    outside = made.labels == 0
    assert (image[outside] == 7).all()
    assert image[20, 50] == np.rint(7 + (planes[2][20, 50] - 7.0) / (SOFT_PX + 1))
    np.testing.assert_array_equal(index, np.where(outside, 0, 2))
    np.testing.assert_array_equal(height, np.where(outside, 0, 1.0))
    assert made.said == {"retouched": {"2": 40 * 50}}


def test_strokes_in_parts_are_as_one_and_erasing_gives_the_decision_back(painting):
    made, planes, image, index, height = painting
    for column in range(10, 100, 7):
        made.labels[20:40, column : column + 12] = 2
        made.labels[50:60, column : column + 12] = 4
        made.update()
    whole = Painting(Sources(stack_task(planes)), np.full((96, 128), 7, np.uint8))
    whole.labels[...] = made.labels
    whole.update()
    np.testing.assert_array_equal(image, whole._target[..., 0])
    made.labels[...] = 0
    made.update()
    assert (image == 7).all()
    assert not index.any()
    assert not height.any()
    assert made.said == {}


@pytest.mark.parametrize(("channel_axis", "guide"), [(None, None), (1, 0)])
def test_pictures_of_a_series_are_painted_one_by_one_channels_of_one_decision_together(channel_axis, guide):
    data = RNG.integers(0, 60000, (3, 2, 40, 50)).astype(np.uint16)  # planes, channels
    image = np.zeros((2, 40, 50), np.uint16)
    made = Painting(Sources(stack_task(data, 0, channel_axis, guide)), image)
    assert made.labels.shape == ((2, 40, 50) if guide is None else (40, 50))
    made.labels[(1, ...) if guide is None else ...] = 3
    made.update()
    np.testing.assert_array_equal(image[1], data[2, 1])
    np.testing.assert_array_equal(image[0], np.zeros((40, 50)) if guide is None else data[2, 0])


def test_a_part_of_a_stack_has_the_numbers_of_the_whole(small_stack):
    planes = small_stack[0]
    task = stack_task(planes, planes=(1, 3), region=((8, 88), (16, 116)))
    image = np.zeros((80, 100), np.uint8)
    made = Painting(Sources(task), image)
    made.labels[...] = 4
    made.update()
    np.testing.assert_array_equal(image, planes[3, 8:88, 16:116])


def test_aligned_planes_stay_aligned(small_stack):
    pytest.importorskip("SimpleITK")
    truth = small_stack[1]
    moved = np.stack([np.roll(truth, k, axis=1) for k in range(3)])
    image = np.zeros_like(truth)
    for task in (
        stack_task(moved, register="translation"),
        Task(
            read_pair(layer("a", data=moved[1], shape=truth.shape), layer("b", data=moved[2], shape=truth.shape)),
            FuseOptions(register="translation"),
        ),
    ):
        made = Painting(Sources(task), image)
        for label in (1, 2):
            made.labels[...] = label
            made.update()
            errors = np.abs(image.astype(float) - moved[1])[16:-16, 16:-16]
            assert errors.mean() < 1


def test_colours_of_a_pair_are_taken_and_alpha_is_kept():
    images = [RNG.integers(1, 255, (40, 50, 4)).astype(np.uint8) for _ in range(2)]
    images[1][..., 3] = images[0][..., 3]
    pair = read_pair(*(layer(n, (40, 50, 4), data=x, ndim=2, rgb=True) for n, x in zip("ab", images, strict=True)))
    image = images[0].copy()
    made = Painting(Sources(Task(pair, FuseOptions(**pair.options))), image)
    made.labels[...] = 2
    made.update()
    np.testing.assert_array_equal(image, images[1])


def test_what_a_mask_leaves_out_of_a_pair_is_not_painted(rgb_pair):
    first, second = rgb_pair[:2]
    has = np.ones((2, *first.shape[:2]), bool)
    has[1, 30:40] = False
    sources = read_pair(*(layer(n, i.shape, data=i, ndim=2, rgb=True) for n, i in (("a", first), ("b", second))))
    image = first.copy()
    made = Painting(Sources(Task(sources, FuseOptions(**sources.options, mask=has))), image)
    made.labels[20:60, 30:80] = 2
    made.update()
    np.testing.assert_array_equal(image[30:40], first[30:40])
    np.testing.assert_array_equal(image[42:56, 34:76], second[42:56, 34:76])

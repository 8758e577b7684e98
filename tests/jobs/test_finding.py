from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_files import pixels
from skimage.io import imsave

from napari_rpsnn.io import write_image
from napari_rpsnn.io.image_file import ImageFile
from napari_rpsnn.jobs.finding import batch_jobs, single_jobs
from napari_rpsnn.jobs.stack_files import open_stack


def image_at(path, data=None, axes="ZYX", **said):
    data = pixels(3, 5, 7) if data is None else data
    path.parent.mkdir(exist_ok=True)
    write_image(path, data, axes, like=ImageFile(data, axes, **said), provenance={})
    return path


@pytest.fixture
def folder(tmp_path):
    """A folder of planes whose names sort otherwise than their numbers, and of what is no plane."""
    (tmp_path / "planes").mkdir()
    for number in (2, 10, 11):
        imsave(tmp_path / "planes" / f"plane{number}.png", pixels(5, 7) + number, check_contrast=False)
    for name in ("notes.txt", ".hidden.png"):
        (tmp_path / "planes" / name).write_text("no image")
    return tmp_path / "planes"


@pytest.mark.parametrize("many", ["folder", "files", "pattern"])
def test_planes_are_taken_in_natural_order(folder, many):
    inputs = {"folder": [folder], "files": sorted(folder.glob("p*")), "pattern": [folder / "pl*.png"]}[many]
    (job,) = single_jobs(list(map(str, inputs)), Path("out.tif"), print)
    assert [path.name for path in job.sources] == ["plane2.png", "plane10.png", "plane11.png"]


def test_two_images_stay_in_the_order_they_are_named(folder):
    names = [str(folder / f"plane{number}.png") for number in (11, 2)]
    assert single_jobs(names, Path("out.tif"), print)[0].sources == tuple(map(Path, names))


def test_the_image_is_written_last(folder):
    (job,) = single_jobs([str(folder)], Path("out.tif"), print, report=Path("r.json"), map=Path("m.tif"), height=None)
    assert job.outputs == [Path("m.tif"), Path("r.json"), Path("out.tif")]


def test_files_that_would_be_lost_are_refused(folder):
    plane = folder / "plane2.png"
    with pytest.raises(ValueError, match="outputs that are no inputs"):
        single_jobs([str(folder)], folder / ".." / "planes" / "plane2.png", print)
    with pytest.raises(ValueError, match=r"one file for each output, got .*out\.tif 2 times"):
        single_jobs([str(plane)], Path("out.tif"), print, map=Path("out.tif"))
    with pytest.raises(FileNotFoundError, match=r"found nothing at none\*"):
        single_jobs(["none*"], Path("out.tif"), print)


def test_a_batch_has_a_result_for_each_image_and_each_folder_of_planes(folder, tmp_path):
    inputs, out = tmp_path / "in", tmp_path / "in" / "fused"
    for name in ("b.ome.tif", "a.zarr", "c.TIF", "fused/b.ome.tif"):
        image_at(inputs / name)
    (inputs / "empty").mkdir()
    folder.rename(inputs / "series 1")
    jobs = batch_jobs([str(inputs)], out, print, map=tmp_path / "maps", height=None, report=tmp_path / "reports")
    assert [[path.relative_to(tmp_path).as_posix() for path in job.outputs] for job in jobs] == [
        ["maps/a.zarr", "reports/a.zarr.json", "in/fused/a.zarr"],
        ["maps/b.ome.tif", "reports/b.ome.tif.json", "in/fused/b.ome.tif"],
        ["maps/c.tif", "reports/c.tif.json", "in/fused/c.tif"],
        ["maps/series 1.tif", "reports/series 1.png.json", "in/fused/series 1.png"],
    ]
    assert [len(job.sources) for job in jobs] == [1, 1, 1, 3]


def test_a_folder_of_results_is_no_stack_of_another_batch(folder, tmp_path):
    ours = {"program": "napari-rpsnn"}
    (tmp_path / "planes" / "fused").mkdir()
    for name in ("planes/fused/a.tif", "planes/fused/b.tif", "planes/c.tif"):
        write_image(tmp_path / name, pixels(5, 7), "YX", provenance=ours)
    image_at(tmp_path / "planes" / "series" / "z0.tif", pixels(5, 7), "YX")
    said = []
    jobs = batch_jobs([str(folder)], tmp_path / "second", said.append)
    assert [job.out.name for job in jobs] == ["plane2.png", "plane10.png", "plane11.png", "series.tif"]
    assert said == [f"{folder}: what this program has written is left out: c.tif, fused"]
    said.clear()
    assert [job.out.name for job in batch_jobs([str(folder / "*")], tmp_path / "second", said.append)][
        -1
    ] == "series.tif"
    assert said == [f"{folder / '*'}: what this program has written is left out: c.tif, fused"]
    # One that is named is meant.
    assert len(batch_jobs([str(folder / "fused")], tmp_path / "second", said.append)) == 2


def test_planes_of_several_channels_in_the_folder_of_a_batch_are_a_stack_each(tmp_path):
    names = [f"{dye}_z{k}.tif" for dye in ("DAPI", "GFP") for k in range(3)]
    for name in (*names, "more/1.tif"):
        image_at(tmp_path / "exp" / name, pixels(5, 7), "YX")
    with pytest.raises(ValueError, match="or --batch and their folder"):
        single_jobs([str(tmp_path / "exp")], Path("out.tif"), print)
    said = []
    jobs = batch_jobs([str(tmp_path / "exp")], tmp_path / "out", said.append)
    assert {job.out.name: [path.name for path in job.sources] for job in jobs} == {
        "exp_DAPI_z.tif": names[:3],
        "exp_GFP_z.tif": names[3:],
        "more.tif": ["1.tif"],
    }
    assert said == [f"{tmp_path / 'exp'}: by their names the 6 images are the planes of several stacks."]


def test_stacks_of_two_counts_are_stacks_by_themselves(tmp_path):
    for name in (f"s{s}_c{c}.tif" for s in range(2) for c in range(3)):
        image_at(tmp_path / "in" / name)
    assert len(batch_jobs([str(tmp_path / "in")], tmp_path / "out", print)) == 6


def test_a_batch_refuses_two_results_of_one_name_and_no_stacks(tmp_path):
    paths = [str(image_at(tmp_path / folder / "a.tif")) for folder in ("x", "y")]
    with pytest.raises(ValueError, match="expected one file for each output"):
        batch_jobs(paths, tmp_path / "out", print)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="found none in "):
        batch_jobs([str(tmp_path / "empty")], tmp_path / "out", print)


@pytest.mark.parametrize(
    ("axes", "shape", "guide", "channel_axis", "fused", "decided"),
    [
        ("ZYX", (3, 5, 7), None, None, "YX", "YX"),
        ("TCZYX", (2, 2, 3, 5, 7), None, None, "TCYX", "TCYX"),
        ("CZYX", (3, 3, 5, 7), None, None, "CYX", "CYX"),
        ("CZYX", (2, 3, 5, 7), (1,), 0, "CYX", "YX"),
        ("ZYXS", (3, 5, 7, 3), None, 3, "YXS", "YX"),
        ("ZYXS", (3, 5, 7, 2), None, 3, "YXS", "YXS"),
        ("ZYXS", (3, 5, 7, 2), (0,), 3, "YXS", "YX"),
    ],
)
def test_what_follows_from_the_axes(tmp_path, axes, shape, guide, channel_axis, fused, decided):
    """Of an axis C each channel is decided alone, unless another guides it; RGB and its maps are one."""
    stack = open_stack([image_at(tmp_path / "in.tif", pixels(*shape, dtype=np.int16), axes)], None, guide, print)
    assert (stack.planes, stack.channel_axis, stack.axes, stack.map_axes) == (3, channel_axis, fused, decided)
    assert stack.image.lengths(fused) == tuple(n for axis, n in zip(axes, shape, strict=True) if axis != "Z")


def test_a_stack_of_files_reads_a_plane_when_it_is_indexed(folder, monkeypatch):
    sources = [folder / f"plane{number}.png" for number in (2, 10, 11)]
    stack = open_stack(sources, None, None, print)
    assert (stack.image.axes, stack.image.data.shape, stack.other) == ("ZYX", (3, 5, 7), None)
    sources[0].unlink()
    np.testing.assert_array_equal(stack.image.data[1], pixels(5, 7) + 10)


def test_two_images_keep_all_their_axes(tmp_path):
    stack = open_stack([image_at(tmp_path / name) for name in ("a.ome.tif", "b.ome.tif")], None, None, print)
    assert (stack.planes, stack.axes, stack.map_axes) == (2, "ZYX", "ZYX")


@pytest.mark.parametrize(
    ("axes", "named", "guide", "message"),
    [
        ("TYX", None, None, r"expected an axis Z, of the planes, got the axes T \(3\), Y \(5\), X \(7\)"),
        ("ZYX", "ZZYX", None, "--axes: expected 3 different letters"),
        ("ZYX", "ABC", None, "--axes: expected 3 different letters"),
        ("ZYX", "YXT", None, "expected an axis Z"),
        ("ZYX", "XYZ", None, "expected rows and columns, Y and X, as the last axes, got XYZ"),
        ("ZYX", None, (0,), "--guide-channel: expected an image with an axis C or S"),
        ("CYX", "CZX", None, "expected rows and columns"),
        ("CZYX", None, (2,), "guide_channel: expected a channel from 0 to 1"),
    ],
)
def test_axes_that_do_not_tell_what_to_fuse_are_refused(tmp_path, axes, named, guide, message):
    data = pixels(2, 3, 5, 7) if len(axes) == 4 else pixels(3, 5, 7)
    path = image_at(tmp_path / "in.ome.tif", data, axes)
    with pytest.raises(ValueError, match=message):
        open_stack([path], named, guide, print)


def test_named_axes_replace_those_of_the_file(tmp_path):
    path = image_at(tmp_path / "in.ome.tif", pixels(5, 7, 3), "TYX")
    assert open_stack([path], "YXZ", None, print).image.lengths("YX") == (5, 7)


def test_planes_that_differ_are_refused_by_name(folder):
    imsave(folder / "plane3.png", np.zeros((5, 8), np.uint16), check_contrast=False)
    with pytest.raises(ValueError, match=r"plane2\.png and .*plane3\.png: expected the same shape, got \(5, 7\) and"):
        open_stack([folder / "plane2.png", folder / "plane3.png"], None, None, print)
    imsave(folder / "plane3.png", np.zeros((5, 7), np.uint8), check_contrast=False)
    with pytest.raises(ValueError, match="expected the same dtype, got uint16 and uint8"):
        open_stack([folder / "plane2.png", folder / "plane3.png"], None, None, print)


def test_several_stacks_are_no_planes(tmp_path):
    with pytest.raises(ValueError, match="expected planes without an axis Z or Q, got ZYX; --batch takes"):
        open_stack([image_at(tmp_path / f"{k}.ome.tif") for k in range(3)], None, None, print)


@pytest.fixture
def one_in_three(tmp_path):
    """An OME-TIFF of three planes in as many files, each of which names all."""
    names = [f"cells_C0_Z{k}.ome.tif" for k in range(3)]
    data = "".join(
        f'<TiffData FirstZ="{k}" IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{k}</UUID></TiffData>'
        for k, name in enumerate(names)
    )
    for k, plane in enumerate(pixels(3, 8, 9, dtype=np.uint8)):
        said = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{k}"><Image ID="Image:0">'
            '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="9" SizeY="8" SizeZ="3" SizeC="1" '
            f'SizeT="1"><Channel ID="Channel:0:0" SamplesPerPixel="1"/>{data}</Pixels></Image></OME>'
        )
        tifffile.imwrite(tmp_path / names[k], plane, description=said, metadata=None)
    return [tmp_path / name for name in names]


def test_an_image_in_several_files_is_taken_once(one_in_three, tmp_path):
    folder, said = one_in_three[0].parent, []
    out = tmp_path / "out" / "fused.ome.tif"
    for inputs in ([str(folder)], [str(folder / "cells*")], list(map(str, one_in_three)), [str(one_in_three[0])]):
        assert [job.sources for job in single_jobs(inputs, out, said.append)] == [(one_in_three[0],)]
        assert [job.sources for job in batch_jobs(inputs, out.parent, said.append)] == [(one_in_three[0],)]
    assert (
        f"{one_in_three[2]}: is a part of the image that cells_C0_Z0.ome.tif holds, and is not taken once more." in said
    )
    assert open_stack(one_in_three[:1], None, None, said.append).planes == 3


def test_no_part_of_a_source_is_replaced(one_in_three):
    with pytest.raises(ValueError, match="expected outputs that are no inputs"):
        single_jobs([str(one_in_three[0])], one_in_three[2], print)

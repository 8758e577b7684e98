import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import ome_types
import psutil
import pytest
import tifffile
from scipy import ndimage as ndi
from shell import fuse, refused
from skimage import data
from skimage.io import imread, imsave

from napari_rpsnn import fusion
from napari_rpsnn.io import read_image, write_image
from napari_rpsnn.io.image_file import ImageFile


@pytest.fixture(scope="module")
def planes():
    """Three planes of 64x64 pixels, each sharp in a third: uint16 of 12 bits."""
    sharp = data.camera()[128:192, 192:256].astype(float) * 16
    stack = np.stack([ndi.gaussian_filter(sharp, 2)] * 3)
    for k in range(3):
        part = np.s_[:, 21 * k : 64 if k == 2 else 21 * (k + 1)]
        stack[k][part] = sharp[part]
    return np.rint(stack).astype(np.uint16)


@pytest.fixture
def stack_file(planes, tmp_path):
    """An OME-TIFF of the three planes, 0.5 µm apart."""
    image = ImageFile(planes, "ZYX", {"Z": 0.5, "Y": 0.1, "X": 0.1}, {"Z": "µm", "Y": "µm", "X": "µm"})
    write_image(tmp_path / "stack.ome.tif", planes, "ZYX", like=image, provenance={})
    return tmp_path / "stack.ome.tif"


@pytest.fixture
def folder(planes, tmp_path):
    """A folder of planes whose names sort otherwise than their numbers."""
    (tmp_path / "planes").mkdir()
    for number, plane in zip((2, 10, 11), planes, strict=True):
        imsave(tmp_path / "planes" / f"plane{number}.png", plane, check_contrast=False)
    return tmp_path / "planes"


def test_channels_planes_times_and_pixel_size_of_an_ome_tiff_are_kept(planes, tmp_path):
    """2 channels, 9 planes, 3 time points, 0.1 µm, values from 0 to 4095; an independent reader looks at the result."""
    rng = np.random.default_rng(0)
    stack = np.stack([ndi.gaussian_filter(planes[1].astype(float), abs(z - 4) / 2) for z in range(9)])
    image = np.rint(stack * rng.uniform(0.5, 1, (3, 2, 1, 1, 1))).astype(np.uint16)
    image[:, :, :, 0, 0], image[:, :, :, 0, 1] = 0, 4095
    said = {
        "axes": "TCZYX",
        "PhysicalSizeX": 0.1,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 0.1,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 0.3,
        "PhysicalSizeZUnit": "µm",
        "TimeIncrement": 1.5,
        "TimeIncrementUnit": "s",
        "Channel": {"Name": ["DAPI", "GFP"]},
    }
    tifffile.imwrite(tmp_path / "in.ome.tif", image, metadata=said)
    assert fuse(tmp_path / "in.ome.tif", "-o", tmp_path / "out.ome.tif") == 0

    with tifffile.TiffFile(tmp_path / "out.ome.tif") as tif:
        fused, axes = tif.series[0].asarray(), tif.series[0].axes
    assert (axes, fused.shape, fused.dtype) == ("TCYX", (3, 2, 64, 64), np.uint16)
    assert (fused.min(), fused.max()) == (0, 4095)
    assert ((fused >= image.min(2)) & (fused <= image.max(2))).all()

    pixels = ome_types.from_tiff(tmp_path / "out.ome.tif").images[0].pixels
    assert (pixels.size_t, pixels.size_c, pixels.size_z, pixels.size_y, pixels.size_x) == (3, 2, 1, 64, 64)
    for length in (pixels.physical_size_x_quantity, pixels.physical_size_y_quantity):
        assert length.to("nm").magnitude == pytest.approx(100)
    assert pixels.time_increment_quantity.to("ms").magnitude == pytest.approx(1500)
    assert [channel.name for channel in pixels.channels] == ["DAPI", "GFP"]


def test_two_images(grey_pair, tmp_path, capsys):
    near, far, _ = grey_pair
    for name, image in (("z_near", near), ("a_far", far)):
        imsave(tmp_path / f"{name}.png", image)
    paths = tmp_path / "z_near.png", tmp_path / "a_far.png"
    assert fuse(*paths, "-o", tmp_path / "out.png", "--map", tmp_path / "map.tif") == 0
    assert capsys.readouterr().out == f"Wrote {tmp_path / 'out.png'}.\n"
    expected, share = fusion.fuse(near, far, return_map=True)
    np.testing.assert_array_equal(imread(tmp_path / "out.png"), expected)
    # The map is the share of the image that was named first, whatever the names.
    shares = read_image(tmp_path / "map.tif").data[...]
    np.testing.assert_array_equal(shares, share)
    assert shares[:, :56].mean() > 0.9
    assert shares[:, -56:].mean() < 0.1


def test_a_folder_of_planes_with_all_that_can_be_told(folder, tmp_path, capsys):
    options = "--map", tmp_path / "map.tif", "--height", tmp_path / "height.tif", "--plane-spacing", 2, "--json"
    assert fuse(folder, "-o", tmp_path / "out.tif", "--report", tmp_path / "report.json", *options) == 0
    index = read_image(tmp_path / "map.tif").data[...]
    assert index.dtype == np.uint8
    assert [int(np.median(index[:, part])) for part in (np.s_[:16], np.s_[26:38], np.s_[48:])] == [0, 1, 2]
    height = read_image(tmp_path / "height.tif").data[...]
    assert height.dtype == np.float32
    assert [np.median(height[:, part]) for part in (np.s_[:16], np.s_[48:])] == pytest.approx([0, 4], abs=1)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["sources"] == ["plane2.png", "plane10.png", "plane11.png"]
    assert report["shares"] == pytest.approx([np.mean(index == k) for k in range(3)])
    assert report["options"]["plane_spacing"] == 2
    assert (report["program"], report["model"]) == ("napari-rpsnn", "rpsnn-lite")
    assert json.loads(capsys.readouterr().out) == {"output": str(tmp_path / "out.tif"), **report}
    inside = json.loads(tifffile.TiffFile(tmp_path / "out.tif").imagej_metadata["Info"])
    assert inside["sources"] == report["sources"]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_a_map_is_written_without_loss_or_not_at_all(stack_file, tmp_path, capsys, suffix):
    command = stack_file, "-o", tmp_path / "out.tif", "--map", tmp_path / f"map{suffix}"
    assert fuse(*command) == 1
    assert f"map{suffix}: expected a kind of file that keeps numbers as they are" in capsys.readouterr().err
    assert not (tmp_path / "out.tif").exists()


def test_the_spacing_of_heights_is_the_files(stack_file, tmp_path):
    assert fuse(stack_file, "-o", tmp_path / "out.tif", "--height", tmp_path / "height.tif") == 0
    height = read_image(tmp_path / "height.tif").data[...]
    assert [np.median(height[:, part]) for part in (np.s_[:16], np.s_[48:])] == pytest.approx([0, 1], abs=0.25)


def test_an_ome_zarr(planes, tmp_path):
    image = ImageFile(planes[None], "CZYX", {"Y": 0.1, "X": 0.1}, {"Y": "µm", "X": "µm"}, ("GFP",))
    write_image(tmp_path / "in.ome.zarr", image.data, "CZYX", like=image, provenance={})
    assert fuse(tmp_path / "in.ome.zarr", "-o", tmp_path / "out.ome.zarr") == 0
    out = read_image(tmp_path / "out.ome.zarr")
    assert (out.axes, out.data.shape, out.data.dtype) == ("CYX", (1, 64, 64), np.uint16)
    assert (out.scale, out.units, out.channel_names) == (image.scale, image.units, ("GFP",))


def test_fluorescence_of_three_channels_is_no_rgb_and_a_guide_decides_for_all(planes, tmp_path):
    """Of the second channel, flat but for noise, nothing can be decided: it needs the guide."""
    flat = np.random.default_rng(0).integers(90, 110, planes.shape).astype(np.uint16)
    image = np.stack([planes, flat, planes])
    write_image(tmp_path / "in.ome.tif", image, "CZYX", provenance={})
    for name, options in (("alone", []), ("guided", ["--guide-channel", "0"])):
        out = tmp_path / f"{name}.ome.tif", "--map", tmp_path / f"{name}_map.ome.tif"
        assert fuse(tmp_path / "in.ome.tif", "-o", *out, *options) == 0
    assert read_image(tmp_path / "alone_map.ome.tif").axes == "CYX"
    assert read_image(tmp_path / "guided_map.ome.tif").axes == "YX"
    index = read_image(tmp_path / "guided_map.ome.tif").data[...]
    guided = read_image(tmp_path / "guided.ome.tif")
    assert guided.axes == "CYX"
    inner = np.take_along_axis(flat, index[None].astype(int), 0)[0]
    assert np.mean(guided.data[1] == inner) > 0.8


def test_rgb_planes_share_a_decision(tmp_path, rgb_pair):
    near, far, _ = rgb_pair
    stack = np.stack([near, far, far])
    tifffile.imwrite(tmp_path / "rgb.tif", stack, photometric="rgb", metadata={"axes": "ZYXS"})
    assert fuse(tmp_path / "rgb.tif", "-o", tmp_path / "out.png", "--map", tmp_path / "map.tif") == 0
    assert imread(tmp_path / "out.png").shape == (96, 128, 3)
    assert read_image(tmp_path / "map.tif").axes == "YX"


def test_pages_without_a_name_are_planes_and_that_is_said(planes, tmp_path, capsys):
    tifffile.imwrite(tmp_path / "pages.tif", planes, photometric="minisblack")
    assert fuse(tmp_path / "pages.tif", "-o", tmp_path / "out.tif") == 0
    assert "the 3 pages have no name and are taken as planes (Z)" in capsys.readouterr().err
    assert fuse(tmp_path / "pages.tif", "-o", tmp_path / "named.tif", "--axes", "zyx") == 0
    assert capsys.readouterr().err == ""
    np.testing.assert_array_equal(imread(tmp_path / "named.tif"), imread(tmp_path / "out.tif"))


def test_what_the_output_cannot_hold_is_refused_before_the_work(planes, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("napari_rpsnn.stack.iter_fuse_stack", lambda *_, **__: pytest.fail("the work has begun"))
    write_image(tmp_path / "in.tif", planes.astype(np.float32), "ZYX", provenance={})
    assert fuse(tmp_path / "in.tif", "-o", tmp_path / "out.png") == 1
    assert "out.png: .png holds one picture" in capsys.readouterr().err
    assert fuse(tmp_path / "in.tif", "-o", tmp_path / "out.tif", "--height", tmp_path / "height.png") == 1
    assert "height.png: .png holds one picture" in capsys.readouterr().err
    assert fuse(tmp_path / "in.tif", "-o", tmp_path / "none" / "out.tif") == 1
    assert "expected a folder that exists" in capsys.readouterr().err


def test_wrong_usage(stack_file, folder, tmp_path, capsys):
    out = "-o", tmp_path / "out.tif"
    assert "found nothing at none.tif" in refused(capsys, "none.tif", *out)
    assert "expected --method decision, got regression" in refused(
        capsys, stack_file, *out, "--method", "regression", "--map", "m.tif"
    )
    assert "expected outputs that are no inputs" in refused(capsys, stack_file, "-o", stack_file, "--overwrite")
    assert "invalid choice: 'sharpest'" in refused(capsys, stack_file, *out, "--method", "sharpest")
    assert fuse(stack_file, *out, "--guide-channel", 0) == 1
    assert "--guide-channel: expected an image with an axis C or S" in capsys.readouterr().err
    assert fuse(*sorted(folder.iterdir())[:2], *out, "--plane-spacing", 1) == 1
    assert "expected a stack, got two images" in capsys.readouterr().err
    assert fuse(stack_file, *out, "--model", "best") == 1
    assert "model: expected one of" in capsys.readouterr().err


def test_planes_that_cannot_be_aligned_are_said_and_in_the_report(planes, tmp_path, capsys):
    pytest.importorskip("SimpleITK")
    planes = np.stack([planes[0], planes[1], planes.max() - planes[2]])
    tifffile.imwrite(tmp_path / "in.ome.tif", planes, metadata={"axes": "ZYX"})
    out = tmp_path / "out.tif", "--report", tmp_path / "report.json"
    assert fuse(tmp_path / "in.ome.tif", "-o", *out, "--register", "translation") == 0
    note = "register: images: could not be aligned: plane 2 (correlation -"
    assert f"napari-rpsnn: out.tif: {note}" in capsys.readouterr().err
    assert json.loads((tmp_path / "report.json").read_text())["notes"][0].startswith(note)
    inside = json.loads(tifffile.TiffFile(tmp_path / "out.tif").imagej_metadata["Info"])
    assert inside["notes"][0].startswith(note)


def test_a_file_is_replaced_only_when_asked(stack_file, tmp_path, capsys):
    (tmp_path / "out.tif").write_text("precious")
    assert "--overwrite replaces it" in refused(capsys, stack_file, "-o", tmp_path / "out.tif")
    assert (tmp_path / "out.tif").read_text() == "precious"
    assert fuse(stack_file, "-o", tmp_path / "out.tif", "--overwrite") == 0
    assert imread(tmp_path / "out.tif").shape == (64, 64)


def test_batch_resumes_and_goes_on_after_failures(planes, folder, tmp_path, capsys):
    inputs, out = tmp_path / "in", tmp_path / "in" / "fused"
    inputs.mkdir()
    folder.rename(inputs / "series 1")
    (inputs / "notes.txt").write_text("no image")
    for name in ("a.ome.tif", "b.tif", "d.tif"):
        write_image(inputs / name, planes, "ZYX", provenance={})
    (inputs / "c.tif").write_text("damaged")
    command = inputs, "--batch", "-o", out, "--height", tmp_path / "heights", "--json"
    assert fuse(*command) == 1
    said = capsys.readouterr()
    assert "4 fused, 0 were there, 1 failed" in said.err
    assert "c.tif: cannot be read as an image" in said.err
    assert [json.loads(line)["output"] for line in said.out.splitlines()] == [
        str(out / name) for name in ("a.ome.tif", "b.tif", "d.tif", "series 1.png")
    ]
    assert sorted(p.name for p in out.iterdir()) == ["a.ome.tif", "b.tif", "d.tif", "series 1.png"]
    assert sorted(p.name for p in (tmp_path / "heights").iterdir()) == ["a.ome.tif", "b.tif", "d.tif", "series 1.tif"]

    # A result that is whole is not made again; one that was cut is not replaced unasked.
    whole = (out / "a.ome.tif").read_bytes()
    (out / "a.ome.tif").write_bytes(whole[: len(whole) // 2])
    before = (out / "b.tif").stat().st_mtime_ns
    write_image(inputs / "c.tif", planes, "ZYX", provenance={})
    assert fuse(*command) == 1
    said = capsys.readouterr().err
    assert "1 fused, 3 were there, 1 failed" in said
    assert "a.ome.tif: expected a whole result or nothing there" in said
    assert (out / "a.ome.tif").read_bytes() == whole[: len(whole) // 2]
    assert (out / "b.tif").stat().st_mtime_ns == before
    assert fuse(*command, "--overwrite") == 0
    np.testing.assert_array_equal(imread(out / "a.ome.tif"), imread(out / "b.tif"))


def test_a_batch_writes_pages_and_does_not_make_them_again(planes, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    write_image(tmp_path / "in" / "a.ome.tif", planes, "ZYX", provenance={})
    command = tmp_path / "in", "--batch", "-o", tmp_path / "out", "--report-html"
    assert "expected --batch and --report FOLDER" in refused(capsys, *command)
    command = *command, "--report", tmp_path / "pages"
    assert fuse(*command) == 0
    (page,) = (tmp_path / "pages").iterdir()
    whole = page.read_bytes()
    assert page.name == "a.ome.tif.html"
    assert b"How good is a.ome.tif?" in whole
    assert fuse(*command) == 0
    page.write_bytes(whole[:-20])
    assert fuse(*command) == 1
    said = capsys.readouterr().err
    assert "0 fused, 1 were there, 0 failed" in said
    assert "a.ome.tif.html: expected a whole result or nothing there" in said


def start(*args, **how):
    # By its script: with -m Python ends by SIGINT itself, whatever it is told to return, if that has met an `exec`.
    command = [Path(sys.executable).with_name("napari-rpsnn"), "fuse", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)


@pytest.mark.parametrize("wait", [0.1, 3])  # seconds: while torch is loaded, and after it, unless much else is done
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])  # Ctrl-C; batch systems
def test_ctrl_c_leaves_nothing_half_written(planes, tmp_path, wait, number):
    tifffile.imwrite(tmp_path / "large.tif", np.tile(planes, (4, 16, 16)), photometric="minisblack")

    def listen():  # shells make what they start in the background deaf to it
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    options = ("--tile", 64, "--method", "regression")
    process = start(tmp_path / "large.tif", "-o", tmp_path / "out.tif", *options, preexec_fn=listen)
    assert "taken as planes" in process.stderr.readline()  # it has begun, and has a minute of work before it
    time.sleep(wait)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, ""), err
    assert "stopped; nothing is half-written" in err
    assert [p.name for p in tmp_path.iterdir()] == ["large.tif"]


LOADING = """
import os, signal, sys
import napari_rpsnn.cli.fuse as command
from napari_rpsnn.cli.terminal import load_torch

def hear(event, args):
    if event == "import" and args[0].startswith("torch"):
        os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.addaudithook(hear)
command._parser = load_torch
print(command.main([]), "torch._C" in sys.modules)
"""


def test_ctrl_c_waits_for_torch_which_would_abort():
    done = subprocess.run([sys.executable, "-c", LOADING], check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("130 True\n", "napari-rpsnn: stopped; nothing is half-written.\n")


def test_a_full_disk_is_said_and_keeps_the_old_result(stack_file, tmp_path):
    (tmp_path / "out.tif").write_text("old")

    def no_space():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    process = start(stack_file, "-o", tmp_path / "out.tif", "--overwrite", preexec_fn=no_space)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "")
    assert err.startswith(f"napari-rpsnn: {tmp_path / 'out.tif'}: cannot be written")
    assert "Traceback" not in err
    assert (tmp_path / "out.tif").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.tif", "stack.ome.tif"]


def test_help_and_import_load_nothing_heavy():
    script = (
        "import sys; from napari_rpsnn.cli.fuse import main\n"
        "try: main(['fuse', '--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'napari', 'qtpy', 'magicgui', 'skimage', 'zarr') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "--guide-channel" in done.stdout
    assert done.stdout.endswith("[]\n")


@pytest.fixture
def large_pair(tmp_path):
    """Two OME-Zarr of 2 channels, 20x24 pixels, in chunks, and what their fusion in memory is."""
    pytest.importorskip("dask", reason="dask is not in this environment")
    near, far = np.random.default_rng(0).integers(0, 4000, (2, 2, 20, 24)).astype(np.uint16)
    said = ImageFile(near, "CYX", {"Y": 0.1, "X": 0.1}, {"Y": "µm", "X": "µm"}, ("DAPI", "GFP"))
    paths = [tmp_path / "near.ome.zarr", tmp_path / "far.ome.zarr"]
    for path, image in zip(paths, (near, far), strict=True):
        write_image(path, image, "CYX", like=said, provenance={})
    assert fuse(*paths, "-o", tmp_path / "whole.ome.zarr", "--map", tmp_path / "whole.tif", "--tile", 8) == 0
    return paths


def assert_same_files(first, second):
    first, second = read_image(first), read_image(second)
    np.testing.assert_array_equal(first.data[...], second.data[...])
    assert first.data.dtype == second.data.dtype
    assert (first.axes, first.scale, first.units, first.channel_names) == (
        (second.axes, second.scale, second.units, second.channel_names)
    )


def little_memory(monkeypatch):
    memory = psutil.virtual_memory()._replace(available=5000)
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory)


def test_two_processes_fuse_a_pair_as_one_does(large_pair, tmp_path, capsys):
    out = tmp_path / "out.ome.zarr"
    more = ("--map", tmp_path / "map.tif", "--report", tmp_path / "report.json", "--tile", 8, "--json")
    capsys.readouterr()
    assert fuse(*large_pair, "-o", out, "--scheduler", "local[2]", *more) == 0
    said = json.loads(capsys.readouterr().out)
    assert_same_files(out, tmp_path / "whole.ome.zarr")
    assert_same_files(tmp_path / "map.tif", tmp_path / "whole.tif")
    shared = tifffile.imread(tmp_path / "map.tif").mean(dtype=float)
    assert said["shares"] == pytest.approx([shared, 1 - shared])
    assert json.loads((tmp_path / "report.json").read_text())["shares"] == said["shares"]
    assert sorted(path.name for path in tmp_path.iterdir() if "part" in path.name) == []


def test_planes_in_files_are_fused_on_a_cluster(folder, tmp_path):
    more = ("--tile", 32, "--plane-spacing", 0.3)
    maps = ("--map", tmp_path / "whole_map.tif", "--height", tmp_path / "whole_height.tif")
    assert fuse(folder, "-o", tmp_path / "whole.tif", *maps, *more) == 0
    maps = ("--map", tmp_path / "map.ome.zarr", "--height", tmp_path / "height.ome.zarr")
    assert fuse(folder, "-o", tmp_path / "out.tif", *maps, *more, "--scheduler", "local[1]") == 0
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), tifffile.imread(tmp_path / "whole.tif"))
    index = read_image(tmp_path / "map.ome.zarr").data[...]
    np.testing.assert_array_equal(index, tifffile.imread(tmp_path / "whole_map.tif"))
    assert_same_files(tmp_path / "height.ome.zarr", tmp_path / "whole_height.tif")


def test_what_is_larger_than_memory_is_written_chunk_by_chunk(large_pair, tmp_path, monkeypatch):
    little_memory(monkeypatch)
    monkeypatch.setattr("napari_rpsnn.jobs.work.write_image", None)
    monkeypatch.setattr("napari_rpsnn.fusion.iter_fuse", None)
    assert fuse(*large_pair, "-o", tmp_path / "out.ome.zarr", "--tile", 8) == 0
    assert_same_files(tmp_path / "out.ome.zarr", tmp_path / "whole.ome.zarr")


def test_heights_of_a_stack_larger_than_memory_are_written_chunk_by_chunk(planes, tmp_path, monkeypatch):
    pytest.importorskip("dask", reason="dask is not in this environment")
    source = tmp_path / "in.ome.zarr"
    write_image(source, planes, "ZYX", like=ImageFile(planes, "ZYX", {"Z": 0.5}, {"Z": "µm"}), provenance={})

    def fuse_to(name):
        height = tmp_path / f"{name}_height.ome.zarr"
        assert fuse(source, "-o", tmp_path / f"{name}.ome.zarr", "--height", height, "--tile", 32) == 0
        return height

    whole = fuse_to("whole")
    little_memory(monkeypatch)
    monkeypatch.setattr("napari_rpsnn.jobs.work.write_image", None)
    assert_same_files(fuse_to("parts"), whole)


def test_a_cluster_that_fails_leaves_nothing(large_pair, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out.ome.zarr"
    assert fuse(*large_pair, "-o", out, "--scheduler", "local[1]", "--model", tmp_path / "none.pth") == 1
    assert "model: expected one of" in capsys.readouterr().err

    def full(*_):
        raise OSError("disk full")

    little_memory(monkeypatch)
    monkeypatch.setattr("napari_rpsnn.io.ome_zarr.write_part", full)
    assert fuse(*large_pair, "-o", out, "--tile", 8) == 1
    assert "disk full" in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))


def test_schedulers_that_cannot_be_used_are_refused(folder, tmp_path, capsys):
    pytest.importorskip("dask", reason="dask is not in this environment")
    out = ("-o", tmp_path / "out.tif")
    assert "--scheduler: expected no --register" in refused(
        capsys, folder, *out, "--scheduler", "local", "--register", "affine"
    )
    assert "argument --scheduler: expected ADDRESS, local or local[N], got 'local[0]'" in refused(
        capsys, folder, *out, "--scheduler", "local[0]"
    )
    assert "argument --scheduler: expected ADDRESS, local or local[N], got 'there'" in refused(
        capsys, folder, *out, "--scheduler", "there"
    )

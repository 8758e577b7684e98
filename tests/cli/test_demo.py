import numpy as np
import pytest
from skimage import io

from napari_rpsnn.cli import demo


def test_without_arguments_the_truth_is_known_and_beats_the_average(tmp_path, capsys):
    demo.main(["-o", str(tmp_path), "--device", "cpu"])
    lines = capsys.readouterr().out.splitlines()
    decibels = [float(line.split()[-2]) for line in lines[:3]]
    assert [line.split(":")[0].strip() for line in lines[:3]] == ["rpsnn-lite", "plain average", "sharper source"]
    assert decibels[0] > decibels[1] + 3
    assert "on cpu" in lines[3]
    assert io.imread(tmp_path / "fused.png").shape == (512, 512, 3)
    assert io.imread(tmp_path / "figure.png").std() > 10


def test_two_files(tmp_path, grey_pair, capsys):
    for name, image in zip("ab", grey_pair, strict=False):
        io.imsave(tmp_path / f"{name}.png", image)
    demo.main([str(tmp_path / "a.png"), str(tmp_path / "b.png"), "-o", str(tmp_path / "out")])
    assert io.imread(tmp_path / "out" / "fused.png").shape == (96, 128)


@pytest.mark.parametrize(("pair", "result"), [("grey_pair", "fused.png"), ("rgb_pair", "fused.tif")])
def test_16_bit_files_stay_16_bit(tmp_path, request, pair, result):
    for name, image in zip("ab", request.getfixturevalue(pair), strict=False):
        io.imsave(tmp_path / f"{name}.tif", image.astype(np.uint16) * 16, check_contrast=False)
    demo.main([str(tmp_path / "a.tif"), str(tmp_path / "b.tif"), "-o", str(tmp_path)])
    fused = io.imread(tmp_path / result)
    assert fused.dtype == np.uint16
    assert fused.max() > 255
    assert io.imread(tmp_path / "figure.png").std() > 10


def test_files_that_do_not_fit_are_refused_in_one_line(tmp_path, grey_pair, capsys):
    io.imsave(tmp_path / "a.png", grey_pair[0])
    io.imsave(tmp_path / "b.png", grey_pair[1][:-1])
    with pytest.raises(SystemExit):
        demo.main([str(tmp_path / "a.png"), str(tmp_path / "b.png"), "-o", str(tmp_path / "out")])
    assert "expected the same shape, got (96, 128) and (95, 128)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_stacks_are_refused_by_name(tmp_path, capsys):
    for name in "ab":
        io.imsave(tmp_path / f"{name}.tif", np.zeros((5, 20, 30), np.uint8), check_contrast=False)
    with pytest.raises(SystemExit):
        demo.main([str(tmp_path / "a.tif"), str(tmp_path / "b.tif"), "-o", str(tmp_path / "out")])
    assert "a.tif: expected a grey, RGB or RGBA picture, got an array of shape (5, 20, 30)" in capsys.readouterr().err


def test_one_file_is_refused(capsys):
    with pytest.raises(SystemExit):
        demo.main(["a.png"])
    assert "expected no image or two, got 1" in capsys.readouterr().err


def test_a_file_of_the_users_is_not_replaced(tmp_path, grey_pair, capsys):
    for name, image in zip("ab", grey_pair, strict=False):
        io.imsave(tmp_path / f"{name}.png", image)
    command = [str(tmp_path / "a.png"), str(tmp_path / "b.png"), "-o", str(tmp_path)]
    demo.main(command)
    demo.main(command)  # results of ours are
    (tmp_path / "figure.png").write_bytes((tmp_path / "a.png").read_bytes())
    with pytest.raises(SystemExit):
        demo.main(command)
    assert "figure.png: expected a new file or a result of ours" in capsys.readouterr().err
    assert (tmp_path / "figure.png").read_bytes() == (tmp_path / "a.png").read_bytes()

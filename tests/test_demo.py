import pytest
from skimage import io

from napari_rpsnn import demo


def test_without_arguments_the_truth_is_known_and_beats_the_average(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not in this environment")
    demo.main(["-o", str(tmp_path), "--device", "cpu"])
    lines = capsys.readouterr().out.splitlines()
    decibels = [float(line.split()[-2]) for line in lines[:3]]
    assert [line.split(":")[0].strip() for line in lines[:3]] == ["rpsnn-lite", "plain average", "sharper source"]
    assert decibels[0] > decibels[1] + 3
    assert "on cpu" in lines[3]
    assert io.imread(tmp_path / "fused.png").shape == (512, 512, 3)
    assert io.imread(tmp_path / "figure.png").std() > 10


def test_two_files(tmp_path, grey_pair, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not in this environment")
    for name, image in zip("ab", grey_pair, strict=False):
        io.imsave(tmp_path / f"{name}.png", image)
    demo.main([str(tmp_path / "a.png"), str(tmp_path / "b.png"), "-o", str(tmp_path / "out")])
    assert io.imread(tmp_path / "out" / "fused.png").shape == (96, 128)


def test_one_file_is_refused(capsys):
    with pytest.raises(SystemExit):
        demo.main(["a.png"])
    assert "expected no image or two, got 1" in capsys.readouterr().err

import pytest
import torch
from generated import damages, examples
from hypothesis import given

from napari_rpsnn.training.checkpoint import KINDS, read_checkpoint, refuse_old_run, write_checkpoint
from napari_rpsnn.training.dataset import read_pictures

STATE = {name: kind() for name, kind in KINDS.items()} | {"network": {"a": torch.ones(3)}}


def test_what_is_written_is_read(tmp_path):
    write_checkpoint(tmp_path / "checkpoint.pt", STATE)
    again = read_checkpoint(tmp_path / "checkpoint.pt")
    assert torch.equal(again.pop("network")["a"], torch.ones(3))
    assert again == {name: value for name, value in STATE.items() if name != "network"}


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "list", "keys", "kind", "nan", "code"])
def test_a_damaged_checkpoint_is_refused_by_name(tmp_path, damage):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, STATE)
    content = path.read_bytes()
    if damage in ("cut", "empty", "text"):
        path.write_bytes({"cut": content[:300], "empty": b"", "text": b"hello"}[damage])
    else:
        other = {
            "list": [1],
            "keys": {name: value for name, value in STATE.items() if name != "optimizer"},
            "kind": STATE | {"step": "seven"},
            "nan": STATE | {"averaged": {"a": torch.full((3,), float("nan"))}},
            "code": STATE | {"recipe": Evil()},
        }[damage]
        torch.save(other, path)
    with pytest.raises(ValueError, match=r"resume: .*checkpoint\.pt"):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_damaged_anywhere_is_itself_or_refused_by_name(tmp_path):
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, STATE)
    content = path.read_bytes()

    @examples(60)
    @given(damages())
    def check(damage):
        change, cut = damage
        path.write_bytes(change(content))
        try:
            read_checkpoint(path)
        except ValueError as error:
            assert path.name in str(error)  # noqa: PT017
        else:
            assert not cut or path.read_bytes() == content

    check()


class Evil:
    def __reduce__(self):
        return open, ("ran", "w")


@pytest.mark.parametrize("name", ["checkpoint.pt", "model.safetensors"])
def test_a_folder_of_an_old_run_is_refused(tmp_path, name):
    refuse_old_run(tmp_path)
    (tmp_path / name).touch()
    with pytest.raises(FileExistsError, match=f"out: expected a folder without a run, found .*{name}"):
        refuse_old_run(tmp_path)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path, overwrite):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(FileExistsError, match=r"out: expected a folder or a new name, found a file at .*run"):
        refuse_old_run(tmp_path / "run", overwrite)


def test_panels_of_a_run_below_the_pictures_are_no_pictures(tmp_path):
    from skimage import data, io

    for path in (tmp_path / "a.png", tmp_path / "run" / "panels" / "step_1.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        io.imsave(path, data.camera())
    (tmp_path / "run" / "checkpoint.pt").touch()
    assert [picture.name for picture in read_pictures(tmp_path)] == ["a.png"]


@pytest.mark.parametrize(
    ("content", "got"), [(b"x,y\n1,2\n", "got x, y"), (b"file,licence\n\xff,x\n", "utf-8"), (b"", "got none")]
)
def test_a_table_of_licences_that_is_none_is_refused_by_name(tmp_path, content, got):
    from skimage import data, io

    io.imsave(tmp_path / "a.png", data.camera())
    (tmp_path / "SOURCES.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rf"SOURCES\.csv: cannot be read as a table of licences: .*{got}"):
        read_pictures(tmp_path)

import pytest
import torch
from networks import image, randomized
from plain import as_in_the_paper, authors_checkpoint
from safetensors.torch import save_file

from napari_rpsnn.model.catalog import FOLDER, bundled_models
from napari_rpsnn.model.network import RPSNN
from napari_rpsnn.model.weights import load_model, prepared_model, read_card, save_model


def test_bundled_models_load():
    assert bundled_models() == ["rpsnn", "rpsnn-lite"]
    assert (load_model("rpsnn").width, load_model("rpsnn-lite").width) == (64, 16)


@pytest.mark.parametrize(("name", "width"), [("rpsnn", 64), ("rpsnn-lite", 16)])
def test_bundled_models_tell_how_they_were_made(name, width):
    card = read_card(name)
    assert {"step", "validation_psnr_db", "version", "pictures"} <= card.keys()
    assert card["recipe"]["width"] == width
    assert f"`{name}`" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_a_checkpoint_of_the_authors_gives_the_output_of_their_graph(tmp_path):
    torch.manual_seed(3)
    theirs = authors_checkpoint(randomized(64, seed=3))
    torch.save(theirs, tmp_path / "authors.pth")
    a, b = image(1, 3, 30, 40), image(1, 3, 30, 40, seed=1)
    torch.testing.assert_close(
        load_model(tmp_path / "authors.pth")(a, b), as_in_the_paper(theirs, a, b), rtol=1e-4, atol=1e-5
    )


def test_save_and_load(tmp_path):
    network = randomized(16)
    save_model(network, tmp_path / "m.safetensors", {"seed": 7})
    again = load_model(tmp_path / "m.safetensors")
    assert all(torch.equal(t, again.state_dict()[n]) for n, t in network.state_dict().items())
    assert read_card(tmp_path / "m.safetensors") == {"seed": 7}
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(RPSNN(16), path, {"seed": 1})
    with pytest.raises(TypeError):
        save_model(RPSNN(16), path, {"seed": object()})
    assert read_card(path) == {"seed": 1}


def test_every_load_is_a_copy():
    first, second = load_model("rpsnn-lite"), load_model("rpsnn-lite")
    assert first.branches[0][0].conv[0].weight.data_ptr() != second.branches[0][0].conv[0].weight.data_ptr()


def test_loading_leaves_the_users_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    load_model("rpsnn-lite")
    assert torch.equal(torch.rand(3), expected)


def test_prepared_files_are_kept_and_read_again_when_they_change(tmp_path):
    path, cpu = tmp_path / "m.safetensors", torch.device("cpu")
    save_model(RPSNN(16), path, {})
    first = prepared_model(path, cpu)
    assert prepared_model(path, cpu) is first
    save_model(RPSNN(32), path, {})
    assert prepared_model(path, cpu).width == 32


def test_unknown_name_is_refused():
    with pytest.raises(FileNotFoundError, match=r"expected one of rpsnn, rpsnn-lite or the path.*got 'rpsn'"):
        load_model("rpsn")


def test_wrong_shape_is_refused_by_name(tmp_path):
    tensors = {n: t.clone() for n, t in RPSNN(16).state_dict().items()}
    tensors["branches.0.3.conv2.weight"] = torch.zeros(16, 47, 1, 1)
    save_file(tensors, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match=r"branches\.0\.3\.conv2\.weight: expected shape \(16, 48, 1, 1\), got"):
        load_model(tmp_path / "m.safetensors")


def test_foreign_tensors_are_refused(tmp_path):
    save_file({"layer.weight": torch.zeros(3)}, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match=r"expected R-PSNN weights.*got \['layer.weight'\]"):
        load_model(tmp_path / "m.safetensors")


@pytest.mark.parametrize("name", ["m.safetensors", "m.pth"])
def test_a_damaged_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(ValueError, match=name):
        load_model(tmp_path / name)


class Evil:
    def __reduce__(self):
        return print, ("code ran",)


def test_a_checkpoint_cannot_run_code(tmp_path, capsys):
    torch.save({"x": Evil()}, tmp_path / "m.pth")
    with pytest.raises(ValueError, match=r"m\.pth"):
        load_model(tmp_path / "m.pth")
    assert "code ran" not in capsys.readouterr().out

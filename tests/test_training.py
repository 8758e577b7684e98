import itertools
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from skimage import data, io

pytest.importorskip("lightning_fabric", reason="Lightning Fabric is not in this environment")

from napari_rpsnn import TrainConfig, fuse, load_model, train
from napari_rpsnn.cli import train_command
from napari_rpsnn.training import iter_train, learning_rate
from napari_rpsnn.weights import read_card


@pytest.fixture(autouse=True)
def short_validation(monkeypatch):
    monkeypatch.setattr("napari_rpsnn.training.VALIDATION_PAIRS", 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four small sharp pictures."""
    out = tmp_path_factory.mktemp("pictures")
    for name, image in (("ihc", data.immunohistochemistry()), ("coffee", data.coffee())):
        for i in range(2):
            io.imsave(out / f"{name}{i}.png", image[i * 128 : i * 128 + 128, :128])
    return out


@pytest.fixture
def config(folder, tmp_path):
    return TrainConfig(
        data=str(folder),
        out=str(tmp_path / "run"),
        width=16,
        steps=4,
        geometric=1,
        brightfield=1,
        fluorescence=1,
        crop=32,
        save_every=2,
        device="cpu",
    )


def tensors(path):
    return load_model(path).state_dict()


def assert_same(path0, path1):
    second = tensors(path1)
    assert all(torch.equal(t, second[n]) for n, t in tensors(path0).items())


def test_a_run_makes_a_model_that_fuse_takes(config):
    path = train(config)
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert fuse(image, image, model=path).shape == (8, 8)
    card = read_card(path)
    assert (card["step"], card["config"]["seed"], card["pictures"]) == (4, 0, 4)
    assert "data" not in card["config"]


def test_the_same_seed_gives_the_same_weights(config, tmp_path):
    first, again, other = (
        train(replace(config, out=str(tmp_path / name), seed=seed)) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert_same(first, again)
    with pytest.raises(AssertionError):
        assert_same(first, other)


def test_a_resumed_run_equals_an_uninterrupted_one(config, tmp_path):
    whole = train(config)
    part = replace(config, out=str(tmp_path / "part"))
    for _ in itertools.islice(iter_train(part), 3):  # stopped in the third step; the second was saved
        pass
    assert_same(whole, train(part, resume=True))


def test_training_lowers_the_loss(config):
    config = replace(
        config, steps=60, learning_rate=2e-3, warmup=5, crop=48, geometric=4, brightfield=0, fluorescence=0
    )
    losses = [report.loss for report in iter_train(replace(config, save_every=60))]
    assert np.mean(losses[-20:]) < np.mean(losses[:20])


def test_a_wider_network_starts_from_a_narrow_one(config, tmp_path):
    narrow = train(config)
    wide = train(replace(config, out=str(tmp_path / "wide"), width=32, init=str(narrow), steps=2))
    assert load_model(wide).width == 32
    assert read_card(wide)["config"]["init"] == "model.safetensors"


def test_resuming_with_another_configuration_is_refused(config):
    train(config)
    with pytest.raises(ValueError, match="resume: expected the configuration"):
        train(replace(config, learning_rate=1.0), resume=True)


def test_resuming_nothing_is_refused(config):
    with pytest.raises(ValueError, match="resume: expected a checkpoint at"):
        train(config, resume=True)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(config, monkeypatch):
    import napari_rpsnn.training as training

    right = training.loss_function
    calls = itertools.count()
    monkeypatch.setattr(training, "loss_function", lambda f, s: right(f, s) * (1 if next(calls) < 3 else np.nan))
    with pytest.raises(FloatingPointError, match="The loss became nan at step 3"):
        train(config)
    monkeypatch.undo()
    assert train(config, resume=True).is_file()


def test_the_rate_warms_up_and_decays_to_nothing():
    config = TrainConfig(data="", out="", steps=1000, warmup=100, learning_rate=1.0)
    rates = [learning_rate(config, step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(0.98, abs=0.02)
    assert rates[-1] < 1e-5


def test_the_command(config, capsys):
    options = [
        f"--{k.replace('_', '-')}={v}" for k, v in asdict(config).items() if k not in ("data", "out", "width", "init")
    ]
    train_command([config.data, "-o", config.out, "--model", "lite", *options])
    assert "model.safetensors" in capsys.readouterr().out
    assert load_model(f"{config.out}/model.safetensors").width == 16


def test_the_command_says_what_is_wrong_without_a_traceback(tmp_path):
    with pytest.raises(SystemExit, match="napari-rpsnn-train: folder: expected images"):
        train_command([str(tmp_path), "-o", str(tmp_path / "out")])

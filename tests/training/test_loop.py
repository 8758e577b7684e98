import itertools
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data, io
from skimage.metrics import peak_signal_noise_ratio

pytest.importorskip("lightning_fabric", reason="Lightning Fabric is not in this environment")

from napari_rpsnn import TrainConfig, fuse, load_model, train
from napari_rpsnn.cli.train import _parse_training, train_command
from napari_rpsnn.model.weights import read_card
from napari_rpsnn.training.loop import iter_train


@pytest.fixture(autouse=True, scope="module")
def short_validation():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_rpsnn.training.validation.PAIRS", 8)
        patch.setattr("napari_rpsnn.training.validation.CROP", 48)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four small sharp pictures."""
    out = tmp_path_factory.mktemp("pictures")
    for name, image in (("ihc", data.immunohistochemistry()), ("coffee", data.coffee())):
        for i in range(2):
            io.imsave(out / f"{name}{i}.png", image[i * 128 : i * 128 + 128, :128])
    return out


def short_run(folder, out):
    return TrainConfig(
        data=str(folder),
        out=str(out),
        width=16,
        steps=4,
        geometric=1,
        brightfield=1,
        fluorescence=1,
        crop=32,
        save_every=2,
        device="cpu",
    )


@pytest.fixture
def config(folder, tmp_path):
    return short_run(folder, tmp_path / "run")


@pytest.fixture(scope="module")
def whole_run(folder, tmp_path_factory):
    """The folder of a run that is through, to be looked at only."""
    return train(short_run(folder, tmp_path_factory.mktemp("whole") / "run")).parent


@pytest.fixture
def finished(config, whole_run):
    """A run that is through: its weights in a folder of the test's own, and its configuration."""
    shutil.copytree(whole_run, config.out)
    return Path(config.out) / "model.safetensors", config


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    """Weights of 100 steps on ten pictures, and the loss at each."""
    pictures = tmp_path_factory.mktemp("ten")
    for i in range(5):
        for name, image in (("ihc", data.immunohistochemistry()), ("coffee", data.coffee())):
            crop = image[70 * i : 70 * i + 112, 60 * i : 60 * i + 160]
            io.imsave(pictures / f"{name}{i}.png", crop, check_contrast=False)
    rates = {"steps": 100, "warmup": 30, "learning_rate": 4e-4, "ema": 0.97}
    kinds = {"geometric": 3, "fluorescence": 0, "brightfield": 0}
    out = tmp_path_factory.mktemp("long") / "run"
    config = TrainConfig(str(pictures), str(out), width=16, crop=48, device="cpu", **rates, **kinds)
    losses = [report.loss for report in iter_train(config)]
    return out / "model.safetensors", losses


def tensors(path):
    return load_model(path).state_dict()


def assert_same(path0, path1):
    second = tensors(path1)
    assert all(torch.equal(t, second[n]) for n, t in tensors(path0).items())


def test_ten_pictures_and_100_steps_train_a_model_that_fuses(long_run, grey_pair):
    path, _ = long_run
    near, far, truth = grey_pair
    average = ((near.astype(int) + far) // 2).astype(np.uint8)
    for method in ("regression", "decision"):
        fused = fuse(near, far, model=path, method=method)
        assert peak_signal_noise_ratio(truth, fused) > peak_signal_noise_ratio(truth, average) + 3


def test_training_lowers_the_loss(long_run):
    _, losses = long_run
    assert np.mean(losses[-20:]) < np.mean(losses[:20])


def test_a_run_makes_a_model_that_fuse_takes(whole_run):
    path = whole_run / "model.safetensors"
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert fuse(image, image, model=path).shape == (8, 8)
    card = read_card(path)
    assert (card["step"], card["recipe"]["seed"]) == (4, 0)
    assert sorted(card["pictures"]) == ["coffee0.png", "coffee1.png", "ihc0.png", "ihc1.png"]
    assert str(whole_run.parent) not in str(card)


def test_the_same_seed_gives_the_same_weights(config, whole_run, tmp_path):
    again, other = (train(replace(config, out=str(tmp_path / str(seed)), seed=seed)) for seed in (0, 1))
    assert_same(whole_run / "model.safetensors", again)
    with pytest.raises(AssertionError):
        assert_same(whole_run / "model.safetensors", other)


def three_steps(config):
    """A run after its third step, the second of which was saved."""
    steps = iter_train(config)
    for _ in range(3):
        next(steps)
    return steps


def test_a_resumed_run_equals_an_uninterrupted_one(config, whole_run):
    steps = three_steps(config)
    steps.close()  # as Ctrl-C does; saves the third step
    assert_same(whole_run / "model.safetensors", train(config, resume=True))


def test_numbers_of_numpy_are_options_that_resuming_knows(config, whole_run):
    numbers = {"learning_rate": np.float64, "steps": np.int64, "ema": np.float64, "seed": np.int64}
    config = replace(config, **{name: kind(getattr(config, name)) for name, kind in numbers.items()})
    three_steps(config).close()
    assert_same(whole_run / "model.safetensors", train(config, resume=True))


def test_the_random_numbers_of_the_user_go_on_as_they_would(config):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    next(iter_train(config))
    assert torch.equal(torch.rand(3), expected)


def test_a_run_that_was_killed_resumes_from_the_last_checkpoint(config, whole_run, tmp_path):
    steps = three_steps(config)
    shutil.copytree(config.out, tmp_path / "killed")  # the third step is not in there
    steps.close()
    assert_same(whole_run / "model.safetensors", train(replace(config, out=str(tmp_path / "killed")), resume=True))


def test_minutes_bound_a_run_and_resuming_ends_it(config, whole_run):
    path = train(replace(config, minutes=0))
    assert read_card(path)["step"] == 0
    assert_same(whole_run / "model.safetensors", train(config, resume=True))


def test_logs_and_panels_are_written(whole_run):
    assert "geometric network" in (whole_run / "logs" / "from_step_0" / "metrics.csv").read_text()
    assert list((whole_run / "logs" / "from_step_0").glob("events.out.tfevents*"))
    panel = io.imread(whole_run / "panels" / "step_0000004.png")
    assert panel.shape == (6 * 48, 5 * 48, 3)
    assert panel.std() > 10


def test_resuming_a_finished_run_changes_nothing(finished, capsys):
    path, config = finished
    before = path.read_bytes()
    train_command([*options(config), "--resume"])
    assert path.read_bytes() == before
    assert "after step 4 of 4" in capsys.readouterr().out


def test_the_card_says_at_which_step_it_was_validated(config):
    steps = three_steps(config)
    steps.close()
    card = read_card(Path(config.out) / "model.safetensors")
    assert (card["step"], card["validated_at_step"]) == (3, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"warmup": 0}, "warmup: expected at least 1, got 0"),
        ({"geometric": -1}, "geometric: expected at least 0, got -1"),
        ({"learning_rate": float("nan")}, "learning_rate: expected a finite number of at least 0, got nan"),
        ({"minutes": -1.0}, "minutes: expected a finite number of at least 0, got -1"),
        ({"ema": 1.0}, "ema: expected a number from 0 to below 1, got 1.0"),
        ({"precision": "16-mixed"}, "precision: expected 'auto', 'bf16-mixed' or '32-true', got '16-mixed'"),
        ({"seed": 2**63}, "seed: expected an integer of 64 bits, got 9223372036854775808"),
    ],
)
def test_options_out_of_range_are_refused(config, change, message):
    with pytest.raises(ValueError, match=message):
        replace(config, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": "2"}, "steps: expected an integer, got '2'"),
        ({"width": 4.5}, "width: expected an integer, got 4.5"),
        ({"minutes": "1"}, "minutes: expected a number or None, got '1'"),
        ({"init": 3}, "init: expected a string or None, got 3"),
        ({"data": None}, "data: expected a string, got None"),
    ],
)
def test_options_of_another_type_are_refused(config, change, message):
    with pytest.raises(TypeError, match=message):
        replace(config, **change)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_refused(config):
    with pytest.raises(ValueError, match="device: 'cuda' with devices=1 cannot be used"):
        train(replace(config, device="cuda"))


def test_every_option_is_described(capsys):
    with pytest.raises(SystemExit):
        train_command(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "Pairs of measured triples in a batch, if there are any. (default: 4)" in text


def test_measured_triples_train_too(config, tmp_path):
    truth = data.camera()[:128, :128]
    for folder, image in (("img1", truth // 2), ("img2", truth), ("gt", truth)):
        for i in range(2):
            (tmp_path / "triples" / folder).mkdir(parents=True, exist_ok=True)
            io.imsave(tmp_path / "triples" / folder / f"{i}.png", image)
    path = train(replace(config, data=str(tmp_path / "triples"), measured=2))
    assert "measured network" in read_card(path)["validation_psnr_db"]


def test_a_wider_network_starts_from_a_narrow_one(config, whole_run):
    wide = train(replace(config, width=32, init=str(whole_run / "model.safetensors"), steps=2))
    assert load_model(wide).width == 32
    assert read_card(wide)["recipe"]["init"] == "model.safetensors"


def test_resuming_with_another_configuration_is_refused(finished):
    _, config = finished
    with pytest.raises(
        ValueError,
        match=r"resume: expected the options of the checkpoint, {'learning_rate': 0.001}, got {'learning_rate': 1.0}",
    ):
        train(replace(config, learning_rate=1.0), resume=True)


def test_resuming_nothing_is_refused(config):
    with pytest.raises(ValueError, match="resume: expected a checkpoint at"):
        train(config, resume=True)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(config, monkeypatch):
    import napari_rpsnn.training.loop as training

    right = training.batch_loss
    calls = itertools.count()
    monkeypatch.setattr(training, "batch_loss", lambda *a: right(*a) * (1 if next(calls) < 3 else np.nan))
    with pytest.raises(FloatingPointError, match="The loss became nan at step 3"):
        train(config)
    monkeypatch.undo()
    assert train(config, resume=True).is_file()


def test_the_rate_warms_up_and_decays_to_nothing():
    config = TrainConfig(data="", out="", steps=1000, warmup=100, learning_rate=1.0)
    rates = [config.learning_rate_at(step) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01)
    assert max(rates) == pytest.approx(0.98, abs=0.02)
    assert rates[-1] < 1e-5


def options(config):
    """Command-line options of a configuration."""
    given = {k: v for k, v in asdict(config).items() if v is not None and k not in ("data", "out", "width")}
    return [
        config.data,
        "-o",
        config.out,
        "--model",
        str(config.width),
        *(f"--{k.replace('_', '-')}={v}" for k, v in given.items()),
    ]


def test_the_command(config, capsys):
    train_command(options(config))
    assert "model.safetensors after step 4 of 4" in capsys.readouterr().out
    assert load_model(f"{config.out}/model.safetensors").width == 16


def start_command(config, *more, **how):
    """On pairs of one kind, as another process validates as long as users' do."""
    config = replace(config, brightfield=0, fluorescence=0)
    command = [Path(sys.executable).with_name("napari-rpsnn-train"), *options(config), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)


def test_ctrl_c_saves_and_says_how_to_go_on(config):
    config = replace(config, steps=100_000)
    process = start_command(config)
    while process.poll() is None and not (Path(config.out) / "checkpoint.pt").is_file():
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "To go on, give the same command with --resume." in out
    step = read_card(Path(config.out) / "model.safetensors")["step"]
    assert f"after step {step} of 100000" in out


def test_two_processes_train_one_model_and_stop_together(config):
    config = replace(config, devices=2, steps=100_000)
    process = start_command(config, start_new_session=True)
    while process.poll() is None and not (Path(config.out) / "checkpoint.pt").is_file():
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)  # to one of the two
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.count("To go on") == 1
    assert read_card(Path(config.out) / "model.safetensors")["recipe"]["devices"] == 2


def test_a_full_disk_keeps_the_last_checkpoint_and_says_so(finished):
    _, config = finished
    kept = (Path(config.out) / "checkpoint.pt").read_bytes()
    limit = 200_000  # bytes: less than a checkpoint, enough for the logs

    def no_space():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    process = start_command(config, "--overwrite", preexec_fn=no_space)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "napari-rpsnn-train: " in err
    assert "File too large" in err
    assert "Traceback" not in err
    assert (Path(config.out) / "checkpoint.pt").read_bytes() == kept
    assert not list(Path(config.out).glob("*.part"))


def test_the_command_says_what_is_wrong_without_a_traceback(tmp_path):
    with pytest.raises(SystemExit, match="napari-rpsnn-train: data: expected images"):
        train_command([str(tmp_path), "-o", str(tmp_path / "out")])


@pytest.mark.parametrize(("model", "width"), [("rpsnn", 64), ("rpsnn-lite", 16), ("24", 24)])
def test_the_model_is_called_as_everywhere_else(model, width):
    config, *_ = _parse_training(["pictures", "-o", "run", "--model", model])
    assert config.width == width


@pytest.mark.parametrize("model", ["lite", "0", "2", "-3"])
def test_another_model_is_refused_by_name(capsys, model):
    with pytest.raises(SystemExit):
        train_command(["pictures", "-o", "run", f"--model={model}"])
    said = " ".join(capsys.readouterr().err.split())
    assert f"--model: expected rpsnn, rpsnn-lite or a number of channels from 3, got '{model}'" in said


def test_a_run_is_replaced_only_when_asked(config):
    path = train(replace(config, steps=1))
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="out: expected a folder without a run"):
        train(replace(config, steps=1, seed=7))
    with pytest.raises(SystemExit, match="napari-rpsnn-train: out: expected a folder without a run"):
        train_command(options(replace(config, steps=1, seed=7)))
    assert path.read_bytes() == before
    train_command([*options(replace(config, steps=1, seed=7)), "--overwrite"])
    assert path.read_bytes() != before


def test_a_checkpoint_that_is_none_is_not_named(config):
    with pytest.raises(FloatingPointError, match="nothing was saved before"):
        train(replace(config, steps=2, save_every=9, learning_rate=1e30, warmup=1))
    assert not (Path(config.out) / "checkpoint.pt").exists()


def test_a_checkpoint_of_another_network_is_refused_by_name(config):
    path = train(replace(config, steps=1)).with_name("checkpoint.pt")
    state = torch.load(path)
    state["network"].popitem()
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"resume: .*checkpoint\.pt: expected the state of a run"):
        train(replace(config, steps=1), resume=True)


def test_ctrl_c_in_python_saves_the_last_whole_step(config):
    steps = three_steps(config)
    with pytest.raises(KeyboardInterrupt):
        steps.throw(KeyboardInterrupt)
    assert read_card(Path(config.out) / "model.safetensors")["step"] == 3


def test_a_run_that_replaces_another_saves_even_if_it_takes_no_step(config):
    path = train(replace(config, steps=1))
    train(replace(config, minutes=0, seed=5), overwrite=True)
    assert (read_card(path)["step"], read_card(path)["recipe"]["seed"]) == (0, 5)

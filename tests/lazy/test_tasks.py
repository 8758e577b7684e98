import threading
import time
from dataclasses import replace

import pytest

from napari_rpsnn.engine.pairs.engine import Engine
from napari_rpsnn.lazy.tasks import Recipe, gpu_of
from napari_rpsnn.model.network import RPSNN
from napari_rpsnn.model.weights import save_model
from napari_rpsnn.options import Options


@pytest.fixture
def recipe():
    return Recipe(Options(model="rpsnn-lite", device="cpu", precision="float32", tile=32))


def test_every_worker_has_a_gpu_of_its_own():
    assert [gpu_of(worker, 2) for worker in (0, 1, 2)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert {gpu_of(f"SLURMCluster-{i}", 4) for i in range(4)} == {f"cuda:{i}" for i in range(4)}
    assert gpu_of("tcp://node:worker", 2) in ("cuda:0", "cuda:1")
    assert gpu_of(3, 1) is gpu_of(3, 0) is None


def test_a_process_prepares_a_network_once(recipe):
    first = recipe.run(lambda engine: engine)
    assert recipe.run(lambda engine: engine) is first
    assert Recipe(replace(recipe.options)).run(lambda engine: engine) is first


def test_a_process_runs_one_network_at_a_time(recipe):
    running, most = 0, 0

    def work(engine):
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.02)
        running -= 1

    threads = [threading.Thread(target=recipe.run, args=(work,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_recipe_makes_the_engine_that_was_chosen():
    options = Options(device="cpu", precision="bfloat16", tile=48, method="regression")
    chosen = Engine.choose(options)
    recipe = Recipe.of(chosen, options)
    assert recipe.options.model == "rpsnn-lite"  # not what another machine would choose
    made = recipe.run(lambda engine: engine)
    assert (made.dtype, made.tile, made.method) == (chosen.dtype, chosen.tile, chosen.method)
    assert made.network is chosen.network


def test_errors_reach_the_caller(recipe):
    with pytest.raises(ZeroDivisionError):
        recipe.run(lambda engine: 1 // 0)


def test_a_file_is_found_from_anywhere_and_read_again_when_it_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    read = []
    for width in (16, 32):
        save_model(RPSNN(width=width), "own.safetensors", {})
        options = Options(model="own.safetensors", device="cpu")
        recipe = Recipe.of(Engine.choose(options), options)
        assert recipe.options.model == str(tmp_path.resolve() / "own.safetensors")
        read.append(recipe.run(lambda engine: engine.network.width))
    assert read == [16, 32]

"""docs/reliability.md and SECURITY.md promise nothing that no test shows; and the work needs no network."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


def promises():
    """Rows of the tables, and points of the list, each with the tests that it names."""
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    security = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    points = re.findall(r"^- .*(?:\n  .*)*", security, re.MULTILINE)
    assert len(points) > 4
    named = {row.split("|")[1].strip(): row for row in rows} | {point: point for point in points}
    return {promise: re.findall(r"`(tests/[^`]+)`", text) for promise, text in named.items()}


def test_every_promise_names_tests_that_exist():
    assert len(promises()) > 20
    for promise, tests in promises().items():
        assert tests, promise
        for name in tests:
            path, _, function = name.partition("::")
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert function in there if function else any(f.startswith("test_") for f in there), name


@pytest.fixture
def no_network(monkeypatch):
    """Whoever opens a socket fails."""

    def refuse(*_, **__):
        pytest.fail("a socket was opened")

    monkeypatch.setattr("socket.socket", refuse)
    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


def test_nothing_is_fetched_or_sent(no_network, tmp_path):
    """Fuse by a bundled model, write, read, train a step, and read its weights."""
    import socket

    from skimage.io import imsave

    from napari_rpsnn import TrainConfig, fuse, fuse_stack, train
    from napari_rpsnn.io import read_image, write_image

    with pytest.raises(pytest.fail.Exception):
        socket.create_connection(("localhost", 1))
    planes = np.random.default_rng(0).integers(0, 255, (3, 40, 40)).astype(np.uint8)
    fused = fuse_stack(planes)
    write_image(tmp_path / "out.ome.tif", fused, "YX", provenance={})
    np.testing.assert_array_equal(read_image(tmp_path / "out.ome.tif").data[...], fused)
    pytest.importorskip("lightning_fabric", reason="what training needs is not in this environment")
    for k, plane in enumerate(planes):
        imsave(tmp_path / f"{k}.png", plane, check_contrast=False)
    kinds = {"geometric": 1, "fluorescence": 0, "brightfield": 0, "measured": 0}
    config = TrainConfig(str(tmp_path), str(tmp_path / "run"), width=4, steps=1, crop=32, device="cpu", **kinds)
    fuse(planes[0], planes[1], model=train(config))

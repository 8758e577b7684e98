import pytest

pytest.importorskip("dask", reason="dask is not in this environment")

from dask._task_spec import convert_legacy_graph

from napari_rpsnn.lazy.graph import Turns


class Value:
    """Notes when it is made and when it goes."""

    def __init__(self, log, name, *_):
        self.log, self.name = log, name
        log.append(f"+{name}")

    def __del__(self):
        self.log.append(f"-{self.name}")


def test_tasks_run_in_the_order_asked_for_and_values_go_after_their_last_use():
    log = []

    def made(name):
        return lambda *_: Value(log, name)

    graph = {
        "read 0": (made("read 0"), "given"),
        "read 1": (made("read 1"), "given"),
        "first": (made("first"), "read 0"),
        "second": (made("second"), ["read 1", "read 0"], "first"),
        "other": (made("other"), "given"),
    }
    turns = Turns.of(["first", "second"], convert_legacy_graph(graph, {*graph, "given"}))
    assert turns.needs == ("given",)
    last = turns(7)
    assert log[:4] == ["+read 0", "+first", "+read 1", "+second"]
    assert sorted(log[4:]) == ["-first", "-read 0", "-read 1"]
    assert last.name == "second"

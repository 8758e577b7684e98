"""What dask keeps to itself, in one place: its tasks as objects that know what they need, can be renamed and be run.

Without them all is computed all the same: only more of it is in memory at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping
from typing import Any

from dask import threaded
from dask.base import key_split, tokenize

try:
    from dask._task_spec import DataNode, convert_legacy_graph
except ImportError:
    convert_legacy_graph = None


def as_tasks(graph: Mapping[Any, Any], known: Container[Any] | None = None) -> dict[Any, Any] | None:
    """Tasks of a graph as objects; None where this version of dask has no such objects.

    Parameters
    ----------
    graph : mapping
    known : container, optional
        Keys that tasks may need; without it, those of `graph`.
    """
    return None if convert_legacy_graph is None else dict(convert_legacy_graph(graph, known))


def forget_threads() -> None:
    """Let dask begin new threads: in a process that was forked it would wait for those of its parent for ever."""
    threaded.default_pool = None
    threaded.pools = defaultdict(dict)


def is_data(task: Any) -> bool:
    """Whether a task, as an object, is a value that is there already."""
    return isinstance(task, DataNode)


def renamed(key: Any, seed: str) -> Any:
    """Another key of the same prefix and place, always the same one for a seed."""
    if isinstance(key, tuple):
        return (renamed(key[0], seed), *key[1:])
    return f"{key_split(key)}-{tokenize(key, seed)}"

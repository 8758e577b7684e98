"""Many tasks of a dask graph as one, run in turn: what is read for one is let go before the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Turns:
    """Tasks that are run one after the other, as one: each value is let go after its last use.

    `Task.fuse` is for that, but dask's optimization takes the inside of what that makes for a chain.

    Attributes
    ----------
    nodes : tuple of (task, keys)
        In the order to run them in, each with what is let go after it.
    needs : tuple of keys
        What has to be handed in.
    """

    nodes: tuple[tuple[Any, tuple[Any, ...]], ...]
    needs: tuple[Any, ...]

    @classmethod
    def of(cls, keys: Sequence[Any], nodes: Mapping[Any, Any]) -> Turns:
        """`nodes` that `keys` need, these one by one; the value of the last one is that of all."""
        order: dict[Any, Any] = {}
        for key in keys:
            waiting = [key]
            while waiting:
                missing = [need for need in nodes[waiting[-1]].dependencies if need in nodes and need not in order]
                if missing:
                    waiting += missing
                else:
                    done = waiting.pop()
                    order[done] = nodes[done]
        last = {need: key for key, node in order.items() for need in node.dependencies}
        ends: dict[Any, list[Any]] = {key: [] for key in order}
        for need, key in last.items():
            ends[key].append(need)
        turns = tuple((node, tuple(need for need in ends[key] if need in order)) for key, node in order.items())
        return cls(turns, tuple(need for need in last if need not in order))

    def __call__(self, *given: Any) -> Any:
        """The value of the last task."""
        values, value = dict(zip(self.needs, given, strict=True)), None
        for node, ended in self.nodes:
            value = values[node.key] = node(values)
            for key in ended:
                del values[key]
        return value

"""What surrounds a computation and must not change it: what the user has set in torch, and a fork of the process.

Of torch's settings autocast, the default device and whether gradients are wanted belong to a thread: here they are put
aside for as long as something is computed. The default dtype belongs to the process, and other threads may need it: it
stays, and whatever is made says its dtype.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
Value = TypeVar("Value")

#: Kinds of device that autocast may be on for.
_KINDS = ("cpu", "cuda", "mps")

_forked = False


def _note_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def undisturbed(work: Callable[P, Value]) -> Callable[P, Value]:
    """Return a function that computes what `work` does, whatever the user has set, in a forked process, too.

    A fork leaves one thread of a process, in which OpenMP waits for its helpers for ever: a new one has its own.
    """

    @wraps(work)
    def computed(*values: P.args, **named: P.kwargs) -> Value:
        if _forked and threading.current_thread() is threading.main_thread():
            # A new thread does not know how many threads the user wants torch to have before it asks.
            with ThreadPoolExecutor(1, initializer=torch.get_num_threads) as thread:
                return thread.submit(computed, *values, **named).result()
        with ExitStack() as settings:
            settings.enter_context(torch.inference_mode(False))
            settings.enter_context(torch.no_grad())
            for kind in _autocast():
                settings.enter_context(torch.autocast(kind, enabled=False))
            if not _makes_on_cpu():
                settings.enter_context(torch.device("cpu"))
            return work(*values, **named)

    return computed


def refuse_disturbed(what: str) -> None:
    """Refuse to begin what would come out otherwise by the user's settings, and is too long to put them aside."""
    found = {
        "torch.inference_mode": torch.is_inference_mode_enabled(),
        "torch.no_grad": not torch.is_grad_enabled(),
        "torch.autocast": bool(_autocast()),
        "torch.set_default_device": not _makes_on_cpu(),
        "torch.set_default_dtype": torch.get_default_dtype() != torch.float32,
    }
    if any(found.values()):
        got = ", ".join(name for name, there in found.items() if there)
        raise RuntimeError(f"{what}: expected torch's settings as they are at the start, got {got}")


def _autocast() -> list[str]:
    return [kind for kind in _KINDS if torch.is_autocast_enabled(kind)]


def _makes_on_cpu() -> bool:
    try:
        return torch.get_default_device().type == "cpu"
    except Exception:  # a device that this machine lacks
        return False

"""Which devices this machine has, with their names. Importing torch is left to the first call."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

#: Held while torch is imported. One thread at a time: the loader of libraries has a lock of its own, and a thread that
#: waits for it while it imports keeps the interpreter locked as well.
_LOADING = Lock()


def available_devices() -> dict[str, str]:
    """Return what `fuse` takes as `device` on this machine, and what to call each: the CPU last."""
    import_torch()
    import torch

    names = {f"cuda:{i}": f"CUDA: {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())}
    if torch.backends.mps.is_available():
        names["mps"] = "MPS: Apple GPU"
    processor = platform.processor() or platform.machine()
    return names | {"cpu": f"CPU: {processor}, {torch.get_num_threads()} threads"}


def available_precisions(devices: Iterable[str]) -> dict[str, list[str]]:
    """Return the precisions that each of `devices`, of which the best comes first, has; "auto" is the best one's."""
    import_torch()
    import torch

    from napari_rpsnn.model.arithmetic import has_bfloat16

    names: dict[str, list[str]] = {}
    for device in map(torch.device, devices):
        there = {"float32": True, "bfloat16": has_bfloat16(device), "float16": device.type == "cuda"}
        names[str(device)] = [name for name, is_there in there.items() if is_there]
    return {"auto": next(iter(names.values())), **names}


def import_torch() -> None:
    """Import torch in this thread while others run, a window's for example.

    The plain import keeps them waiting. First it loads its libraries with the interpreter locked, a quarter of a
    second, of which loading them ahead leaves a twentieth. Then it makes so many objects that Python looks for garbage
    among all there are, several times, as long again each time. What an import makes is no garbage, so that waits.
    """
    with _LOADING:
        if "torch" in sys.modules:
            return
        _load_libraries()
        collecting = gc.isenabled()
        gc.disable()
        try:
            import torch  # noqa: F401
        finally:
            # Together they make all objects old ones, which are looked at the next time when there are many new ones.
            if not gc.get_freeze_count():  # else somebody has frozen some on purpose
                gc.freeze()
                gc.unfreeze()
            if collecting:
                gc.enable()


def _load_libraries() -> None:
    """Load torch's libraries, unlocked; where it does not work, the import does it as ever."""
    spec = find_spec("torch")
    if os.name != "posix" or spec is None or spec.origin is None:
        return
    load = ctypes.CDLL(None).dlopen  # a function of ctypes unlocks the interpreter, ctypes.CDLL itself does not
    load.argtypes, load.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    folder = Path(spec.origin).parent / "lib"
    # The first as torch does it: for all others to see.
    for name, mode in (("global_deps", ctypes.RTLD_GLOBAL), ("cpu", 0), ("cuda", 0)):
        for path in folder.glob(f"libtorch_{name}.*"):
            load(os.fsencode(path), os.RTLD_LAZY | mode)

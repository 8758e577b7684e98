"""Remember choices in napari's plugin settings, where this napari has them (0.9 and later)."""

from __future__ import annotations

from threading import Lock
from typing import Any

from napari_rpsnn.plugin.choices import Choices

PLUGIN = "napari-rpsnn"
_LOCK = Lock()


def remembered() -> Choices:
    """Choices of the last run, or the defaults. The first call looks through all plugins: call it in a thread."""
    stored = _stored()
    return Choices() if stored is None else Choices.of(stored.model_dump())


def remember(choices: Choices) -> None:
    """Keep the choices for the next panel, in this session and later ones."""
    stored = _stored()
    if stored is not None:
        stored.update(choices.kept)


def _stored() -> Any:
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return None
    try:
        with _LOCK:
            return get_plugin_settings(PLUGIN).choices
    except (KeyError, AttributeError):  # the plugin is disabled, or napari knows another manifest of it
        return None

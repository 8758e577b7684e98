"""What is said of an exception."""

from __future__ import annotations

#: Exceptions whose text is a sentence.
NAMED = (ValueError, TypeError, OSError, ImportError, RuntimeError, FloatingPointError)


def sentence(error: BaseException) -> str:
    """What an exception says; its name too, where it alone says nothing to a user."""
    return str(error) if isinstance(error, NAMED) and str(error) else f"{type(error).__name__}: {error}"

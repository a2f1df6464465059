"""Progress of long work."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float, float | None], None]
"""Called with (what is being done, amount done, total amount or None if unknown)."""


def silent(what: str, done: float, total: float | None) -> None:
    """Ignores progress."""

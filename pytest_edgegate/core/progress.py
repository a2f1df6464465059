"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float, float | None], None]
"""(what is going on, how much of it is done, of how much in all where that is known)."""


def silent(what: str, done: float, total: float | None) -> None:
    """Tells nobody."""

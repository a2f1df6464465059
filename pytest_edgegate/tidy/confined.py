"""Restrictions that a process started by ``tidy.child`` sets up before any work."""

from __future__ import annotations

from pytest_edgegate.systems.processes import end_with, yield_memory


def confine(parent: int) -> None:
    """Makes this process end with *parent*, and yield memory to it, as far as the system can.

    The parent is the thread that started this process: see ``child.in_lasting_thread``.
    """
    end_with(parent)
    yield_memory()

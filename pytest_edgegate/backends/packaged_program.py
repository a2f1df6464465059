"""Programs that a Python package brings, each run in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version


@dataclass(frozen=True)
class PackagedProgram:
    """How a program is started, for how many seconds at most, and the package it comes with."""

    command: Sequence[str]
    time_limit: float
    package: str

    def version(self) -> str | None:
        """That of the installed package; None without it."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None

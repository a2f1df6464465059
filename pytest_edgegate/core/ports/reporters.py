"""The port of reporters, which write the verdicts of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pytest_edgegate.core.record import RunRecord


@runtime_checkable
class Reporter(Protocol):
    """Writes the record of a run to a file."""

    def write(self, path: Path, run: RunRecord) -> None:
        """Called once, when the run has ended, in the controlling process only.

        An exception does not prevent other reports: the run shows it and exits with a failure.
        """

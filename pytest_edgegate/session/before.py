"""What was accepted of a test on a target before, as a case holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pytest_edgegate.core.accepted import AcceptedArtifact, Entry
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import EdgeGateError


def _no_scores() -> bytes | None:
    return None


@dataclass(frozen=True)
class Regression:
    """A budget that the ini sets on every artifact."""

    budget: Budget
    everywhere: bool
    """Whether it names no target: it then holds where it can be measured."""


@dataclass(frozen=True)
class Before:
    """The entry of a test, or why there is none, and what is asked of every artifact against it."""

    entry: Entry | None = None
    fault: EdgeGateError | None = None
    """What is wrong with a file that is no entry of this test: told once all else is judged, so
    that what was measured can be accepted in its place."""
    place: str = ""
    """The file of the entry, whether it is there or not."""
    scores: Callable[[], bytes | None] = _no_scores
    """The content of its side file."""
    regressions: tuple[Regression, ...] = ()
    """The budgets that the ini sets on every artifact."""
    updating: bool = False
    """Whether this run accepts what it finds."""
    key: Callable[[Artifact], str] = lambda artifact: ""
    """How the entry names an artifact: by its recipe, or by its path."""

    def artifact(self, artifact: Artifact) -> AcceptedArtifact | None:
        """What was accepted of this artifact."""
        return None if self.entry is None else self.entry.artifact(self.key(artifact))


NOTHING = Before()

"""What was accepted of a test on a target before, as a case holds it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pytest_edgegate.core.accepted import AcceptedArtifact, Entry
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import EdgeGateError


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
    scores: bytes | None = None
    """The content of its side file, where it has one."""
    regressions: tuple[Regression, ...] = ()
    """The budgets that the ini sets on every artifact."""
    updating: bool = False
    """Whether this run accepts what it finds."""
    key: Callable[[Artifact], str] = lambda artifact: ""
    """How the entry names an artifact: by its recipe, or by its path."""

    model: str = ""
    """The path of the model under test, where other models are gated under the same name."""

    def name_of(self, artifact: Artifact) -> str:
        """How the entry names an artifact, with the path of its model where that belongs to it."""
        key = self.key(artifact)
        return f"{self.model}: {key}" if self.model and not artifact.given else key

    def artifact(self, artifact: Artifact) -> AcceptedArtifact | None:
        """What was accepted of this artifact."""
        return None if self.entry is None else self.entry.artifact(self.name_of(artifact))


NOTHING = Before()


def key_of_artifact(artifact: Artifact, root: str) -> str:
    """By which an entry knows an artifact: the recipe, or the path below the *root*.

    Of a file elsewhere it is the name: another machine has it in another place.
    """
    if artifact.recipe and not artifact.given:
        return ", ".join(map(str, artifact.recipe))
    named = path_below(artifact.path, root)
    return f"{named} ({artifact.signature})" if artifact.signature else named


def path_below(file: Path, root: str) -> str:
    """The path of a file below the root, or its name where it lies elsewhere."""
    path = Path(os.path.normpath(file.absolute())).as_posix()
    inside = f"{root.rstrip('/')}/"
    return path.removeprefix(inside) if path.startswith(inside) else file.name

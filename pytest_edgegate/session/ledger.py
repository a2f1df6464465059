"""What was accepted of tests before, and what this run leaves to be accepted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgegate.core.accepted import Entry
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.candidate import Candidate, Origin
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError, StorageError
from pytest_edgegate.session.before import Before, Regression, key_of_artifact, path_below
from pytest_edgegate.settings.options import Settings
from pytest_edgegate.storage.baseline import Baseline
from pytest_edgegate.storage.candidates import Candidates
from pytest_edgegate.storage.history import History
from pytest_edgegate.storage.layout import MADE_BY, NOT_ENDED

if TYPE_CHECKING:
    from pytest_edgegate.session.recording import Recorded


class Ledger:
    """The entries and the candidates of one process of a run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._baseline = Baseline(settings.baseline)
        self._candidates = Candidates(settings.candidates)

    def before(self, test: str, target: str, model: Path | None = None) -> Before:
        """What was accepted of a test on a target; *model*: of a test that has its name."""
        updating = self._settings.update_baseline
        entry, fault, place, scores = None, None, "", None
        try:
            place = str(self._baseline.path_of(test))
            found = self._baseline.find(test, target)
            scores = None if found is None else self._baseline.scores(found)
            entry = found
        except (ConfigurationError, StorageError) as error:
            fault = None if updating else error
        root = self._settings.root.absolute().as_posix()
        return Before(
            entry=entry,
            fault=fault,
            place=place,
            scores=scores,
            regressions=tuple(
                Regression(each, everywhere=where is None)
                for where, each in self._settings.regressions
                if where in (None, target)
            ),
            updating=updating,
            key=partial(_key, root),
            model="" if model is None else path_below(model, root),
        )

    def begin(self, test: str, target: str, why: str = NOT_ENDED) -> None:
        """Replaces what an earlier run has left of a test by *why* there is nothing."""
        self._put(Candidate(Entry(test, target, ()), self._origin, (why,)), None)

    def drop(self, test: str) -> None:
        """Removes what this run, and an earlier one, has left of a test."""
        with suppress(EdgeGateError):
            self._candidates.remove(test)

    def leave(
        self,
        test: str,
        target: str,
        found: Recorded,
        refusals: Iterable[str],
        artifacts: Mapping[str, Artifact],
    ) -> None:
        """Leaves what was found of a test; *artifacts*: by their digests."""
        scores = found.side()
        files = {
            digest: tuple(str(each.absolute()) for each in (artifact.path, *artifact.files))
            for digest, artifact in artifacts.items()
        }
        entry = Entry(test, target, tuple(found.artifacts.values()))
        early = tuple(dict.fromkeys(found.early))
        candidate = Candidate(entry, self._origin, tuple(dict.fromkeys(refusals)), early, files)
        self._put(candidate, scores)

    def _put(self, candidate: Candidate, scores: bytes | None) -> None:
        """A cache that can't be written, and a test outside of the root, leave nothing to accept:
        accepting says so."""
        with suppress(EdgeGateError):
            self._candidates.put(candidate, scores)
            with suppress(OSError), (self._settings.cache / ".gitignore").open("x") as ignore:
                ignore.write(f"{MADE_BY}\n*\n")

    @cached_property
    def _origin(self) -> Origin:
        history = History(self._settings.root)
        head = history.head()
        return Origin(self._settings.run, head, bool(head) and history.is_dirty())


def _key(root: str, artifact: Artifact) -> str:
    return key_of_artifact(artifact, root)

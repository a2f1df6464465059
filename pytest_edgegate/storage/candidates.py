"""The folder ``candidates/`` of a cache: what the last run of each test has found.

The process that runs a test writes its file, by one rename; a test that begins replaces what an
earlier run has left. Names are those of the accepted entries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pytest_edgegate.core.candidate import Candidate
from pytest_edgegate.core.errors import ConfigurationError, StorageError
from pytest_edgegate.reading.regular import read_bytes
from pytest_edgegate.storage.baseline import MOST_SCORES, Baseline, side_of, sides_of
from pytest_edgegate.storage.placing import place

_MOST_BYTES = 16_000_000


class Candidates:
    """The candidates in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._places = Baseline(folder)

    def path_of(self, test: str) -> Path:
        """Raises ConfigurationError for a test outside of the root."""
        return self._places.path_of(test)

    def put(self, candidate: Candidate, scores: bytes | None = None) -> None:
        """Raises StorageError where the cache can't be written."""
        at, side = self.path_of(candidate.entry.test), ""
        try:
            at.parent.mkdir(parents=True, exist_ok=True)
            if scores is not None:
                side = hashlib.sha256(scores).hexdigest()
                place(side_of(at, side), lambda scratch: scratch.write_bytes(scores))
            whole = replace(candidate, entry=candidate.entry.with_side(side))
            place(at, lambda scratch: scratch.write_text(whole.spelt(), "utf-8"))
            for each in sides_of(at):
                if not side or each != side_of(at, side):
                    each.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"{at} can't be written: {error}",
                "free some space or choose another folder: --edge-cache=FOLDER (ini: edge_cache)",
            ) from error

    def remove(self, test: str) -> None:
        """Removes the candidate of a test. Raises ConfigurationError, StorageError."""
        at = self.path_of(test)
        try:
            at.unlink(missing_ok=True)
            for each in sides_of(at):
                each.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{at} can't be removed: {error}", "remove it by hand") from error

    def find(self, test: str) -> Candidate | None:
        """The candidate of a test; None without one. Raises ConfigurationError, StorageError."""
        at = self.path_of(test)
        return self.read(at) if at.is_file() else None

    def read(self, at: Path) -> Candidate:
        """Raises ConfigurationError for a file that is no candidate."""
        found = Candidate.read(read_bytes(at, _MOST_BYTES).decode("utf-8", "replace"), str(at))
        if self.path_of(found.entry.test) != at:
            raise ConfigurationError(
                f"{at} is of {found.entry.test}", "leave the files as the run has named them"
            )
        return found

    def scores(self, candidate: Candidate) -> bytes | None:
        """The side file of a candidate. Raises ConfigurationError for other scores than its own."""
        entry = candidate.entry
        if not entry.side:
            return None
        at = side_of(self.path_of(entry.test), entry.side)
        content = read_bytes(at, MOST_SCORES) if at.is_file() else b""
        if hashlib.sha256(content).hexdigest() != entry.side:
            raise ConfigurationError(
                f"{at} does not hold the scores of its run", "run the test again"
            )
        return content

    def files(self) -> Iterator[Path]:
        """The files of all candidates, sorted."""
        if self.folder.is_dir():
            yield from self._places.files()

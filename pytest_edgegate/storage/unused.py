"""The entries that a run has found no test for, kept beside its candidates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.json_object import JsonObject
from pytest_edgegate.reading.documents import parse_json
from pytest_edgegate.reading.regular import read_bytes
from pytest_edgegate.storage.placing import place

_FILE = "unused.list"
"""No name of a candidate, which end in .json."""
_MOST_BYTES = 16_000_000


class Unused:
    """The list in the folder of candidates."""

    def __init__(self, folder: Path) -> None:
        self._at = folder / _FILE

    def write(self, tests: Iterable[str], head: str) -> None:
        """Replaces the list; one that can't be written leaves nothing to remove."""
        text = json.dumps({"head": head, "tests": sorted(tests)}, indent=1)
        with suppress(OSError):
            self._at.parent.mkdir(parents=True, exist_ok=True)
            place(self._at, lambda scratch: scratch.write_text(text + "\n", "utf-8"))

    def keep(self, tests: Sequence[str], head: str) -> None:
        """Replaces the list by those that are left; nothing is left of an empty one."""
        if tests:
            self.write(tests, head)
        else:
            self.forget()

    def forget(self) -> None:
        """Removes the list."""
        with suppress(OSError):
            self._at.unlink(missing_ok=True)

    def read(self, head: str) -> tuple[str, ...]:
        """The tests. Raises ConfigurationError for a list of another commit, or a damaged one."""
        if not self._at.is_file():
            return ()
        given = JsonObject(parse_json(read_bytes(self._at, _MOST_BYTES)), str(self._at))
        if head and given.text("head") != head:
            raise ConfigurationError(
                "the last run named unused entries on another commit",
                "run the whole suite on this one first",
            )
        return given.texts("tests")

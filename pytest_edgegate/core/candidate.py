"""What the last run of a test has found, to be accepted: a file of ``candidates/``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_edgegate.core.accepted import Entry
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.json_object import JsonObject

SCHEMA = 1


@dataclass(frozen=True)
class Origin:
    """The run that a candidate is of."""

    run: str
    """Of all processes of one run."""
    head: str = ""
    """The commit that git had checked out; empty without git."""
    dirty: bool = False
    """Whether files that git knows were changed."""


@dataclass(frozen=True)
class Candidate:
    """An entry that may be accepted, or why it may not."""

    entry: Entry
    origin: Origin
    refusals: tuple[str, ...] = ()
    """What speaks against it: the test did not end, or was red by more than a regression."""
    early: tuple[str, ...] = ()
    """The budgets that a part of the samples decided: it holds no accuracy of all of them."""
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The files of each artifact on the machine of the run by its digest, the one that a runtime
    opens first; the others in the order that the digest is over."""

    def spelt(self) -> str:
        """The text of its file."""
        content = {
            "schema": SCHEMA,
            "run": self.origin.run,
            "head": self.origin.head,
            "dirty": self.origin.dirty,
            "refusals": list(self.refusals),
            "early": list(self.early),
            "files": {name: list(each) for name, each in self.files.items()},
            "entry": self.entry.spelt(),
        }
        return json.dumps(content, indent=1, sort_keys=True) + "\n"

    @classmethod
    def read(cls, text: str, place: str) -> Candidate:
        """Raises ConfigurationError for a file that is no candidate, or damaged."""
        try:
            document: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"{place} can't be read: {error}", _AGAIN) from error
        given = JsonObject(document, place)
        if given.count("schema") != SCHEMA:
            raise ConfigurationError(f"{place} is of another version", _AGAIN)
        files = JsonObject(given.mapping("files"), f"{place}.files")
        return cls(
            entry=Entry.parsed(given.text("entry"), place),
            origin=Origin(given.text("run"), given.text("head"), given.flag("dirty")),
            refusals=given.texts("refusals"),
            early=given.texts("early"),
            files={name: files.texts(name) for name in given.mapping("files")},
        )


_AGAIN = "run the test again: it writes the file anew"

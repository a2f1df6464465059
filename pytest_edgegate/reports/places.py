"""Folders of the machine of a run, in what a report shows: it is passed on, and a reader elsewhere
has neither this project's folder nor this user's home."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_edgegate.core.artifact_record import SeenRecord
from pytest_edgegate.core.record import ErrorRecord, RunRecord, VerdictRecord

ROOT = "root"
"""The key of the environment with pytest's root folder."""


@dataclass(frozen=True)
class Folders:
    """In texts, paths below the *root* are relative to it, and others below the *home* begin with
    ``~``. What an artifact's record names as its paths stays: it is where programs find it."""

    root: Path
    home: Path | None

    def verdict(self, given: VerdictRecord) -> VerdictRecord:
        return replace(
            given,
            reason=self.text(given.reason),
            remedy=self.text(given.remedy),
            details=self._texts(given.details),
            cause=self.text(given.cause),
            note=self.text(given.note),
            about_file=self._texts(given.about_file),
        )

    def error(self, given: ErrorRecord) -> ErrorRecord:
        return replace(given, message=self.text(given.message), remedy=self.text(given.remedy))

    def seen(self, given: SeenRecord) -> SeenRecord:
        if given.making is None:
            return given
        plan, notes = self.text(given.making.plan), self._texts(given.making.notes)
        return replace(given, making=replace(given.making, plan=plan, notes=notes))

    def text(self, given: str) -> str:
        for folder, beginning, name in self._beginnings:
            if folder in given:
                given = beginning.sub(partial(_in_place, name), given)
        return given

    def _texts(self, given: Iterable[str]) -> tuple[str, ...]:
        return tuple(map(self.text, given))

    @cached_property
    def _beginnings(self) -> list[tuple[str, re.Pattern[str], str]]:
        roots = dict.fromkeys((str(self.root), str(self.root.resolve())))
        homes = [] if self.home is None else [str(self.home)]
        named = [(each, ".") for each in roots] + [(each, "~") for each in homes]
        return [
            (folder, re.compile(rf"(?<![\w.\-]){re.escape(folder)}(?:/|(?![\w.\-]))"), name)
            for folder, name in named
            if folder.strip("/")
        ]


def _in_place(name: str, beginning: re.Match[str]) -> str:
    if not beginning[0].endswith("/"):
        return name
    return "" if name == "." else f"{name}/"


def home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # a user without a name and without HOME, as in some containers
        return None


def roots_of(run: RunRecord) -> list[str]:
    """The root folders of a run, or of those that it was merged from, as far as they are told."""
    environments: Sequence[Mapping[str, Any]] = [
        run.environment,
        *(each.environment for each in run.merged_from),
    ]
    found = [str(each.get(ROOT) or "") for each in environments]
    return [each for each in dict.fromkeys(found) if each.strip("/")]


def shown_path(path: str, roots: Sequence[str]) -> str:
    """A path as a page shows it: relative to a root, or the name of a file that lies elsewhere."""
    for root in roots:
        if path.startswith(f"{root.rstrip('/')}/"):
            return path[len(root.rstrip("/")) + 1 :]
    if not path.startswith("/"):
        return path
    return f"\u2026/{PurePosixPath(path).name}"

"""Finds accepted entries that no test of a whole run has: their tests are gone or renamed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.accepted import Entry
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.reading.regular import read_bytes
from pytest_edgegate.settings.options import Settings
from pytest_edgegate.storage.baseline import MOST_BYTES, Baseline
from pytest_edgegate.storage.candidates import Candidates

_PARTIAL = ("keyword", "markexpr", "deselect", "lf", "stepwise", "maxfail", "collectonly")
"""Options of pytest by which a run is not of all tests."""


@dataclass
class Collected:
    """What one process has collected."""

    tests: set[str] = field(default_factory=set)
    """The names of the tests that it runs."""
    files: set[str] = field(default_factory=set)
    """The files that were collected without an error or a skip."""
    broken: set[str] = field(default_factory=set)
    """Those that were not, or not as a whole."""
    left_out: bool = False
    """Whether tests were taken out by anything but the gate."""

    @property
    def empty(self) -> set[str]:
        """The tests whose list of parameters is empty."""
        return {each for each in self.tests if _NO_VALUES in each.partition("[")[2]}

    def report(self, report: pytest.CollectReport) -> None:
        file = report.nodeid.partition("::")[0]
        if not report.passed:
            self.broken.add(file)
        elif file.endswith(".py"):
            self.files.add(file)

    def as_json(self) -> dict[str, Any]:
        """For pytest-xdist."""
        return {
            "tests": sorted(self.tests),
            "files": sorted(self.files),
            "broken": sorted(self.broken),
            "left_out": self.left_out,
        }

    def add(self, told: dict[str, Any]) -> None:
        """What a worker has collected: all collect the same."""
        self.tests |= set(told["tests"])
        self.files |= set(told["files"])
        self.broken |= set(told["broken"])
        self.left_out |= bool(told["left_out"])


def is_whole(config: pytest.Config) -> bool:
    """Whether a run was asked for all tests."""
    option = config.option
    if any(getattr(option, name, None) for name in _PARTIAL):
        return False
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        return True
    return all((config.invocation_params.dir / each).is_dir() for each in config.args)


def is_of_whole_files(config: pytest.Config) -> bool:
    """Whether all tests of the files that were collected were asked for."""
    partial = any(getattr(config.option, name, None) for name in _PARTIAL)
    return not partial and not any("::" in str(each) for each in config.args)


def unused(settings: Settings, collected: Collected) -> list[str]:
    """The names of the tests of entries that are for targets of this run, and that no test has.

    Of files that were collected, and of files that are gone.
    """
    if collected.left_out or not settings.baseline.is_dir():
        return []
    baseline = Baseline(settings.baseline)
    known = set(_places(baseline, collected.tests))
    found = []
    for at in baseline.files():
        entry = None if at in known else _entry(at)
        if entry is None or entry.target not in settings.targets:
            continue
        if _has_no_test(settings, collected, entry.test) and _is_at(baseline, entry, at):
            found.append(entry.test)
    return sorted(found)


def forget_candidates(settings: Settings, collected: Collected) -> None:
    """Removes what earlier runs have left of tests that are gone: they are not to be accepted."""
    candidates = Candidates(settings.candidates)
    known = set(_places(Baseline(candidates.folder), collected.tests))
    for at in candidates.files():
        if at in known:
            continue
        with suppress(EdgeGateError, OSError):
            entry = candidates.read(at).entry
            if entry.target in settings.targets and _has_no_test(settings, collected, entry.test):
                at.unlink()


def _has_no_test(settings: Settings, collected: Collected, test: str) -> bool:
    """Of a file that was collected, or is gone."""
    file = test.partition("::")[0]
    was_seen = file in collected.files and file not in collected.broken
    # a folder outside of the root may have the entries of other projects, too
    is_own = settings.baseline.absolute().is_relative_to(settings.root.absolute())
    is_gone = is_own and file.endswith(".py") and not (settings.root / file).exists()
    return (
        (was_seen or is_gone)
        and test not in collected.tests
        and not _has_no_values(collected, test)
    )


_NO_VALUES = "NOTSET"
"""What pytest calls a test whose list of parameters is empty in this run, and skips."""


def _has_no_values(collected: Collected, test: str) -> bool:
    """Whether a test is parametrised, and there are no values in this run."""
    function = test.partition("[")[0]
    return any(each.partition("[")[0] == function for each in collected.empty)


def _is_at(baseline: Baseline, entry: Entry, at: Path) -> bool:
    """Whether a file has the name of its test: of one that was moved, the test is told that has
    its name now."""
    try:
        return baseline.path_of(entry.test) == at
    except EdgeGateError:
        return False


def _places(baseline: Baseline, tests: Iterable[str]) -> list[Path]:
    found = []
    for each in tests:
        try:
            found.append(baseline.path_of(each))
        except EdgeGateError:
            continue
    return found


def _entry(at: Path) -> Entry | None:
    try:
        return Entry.parsed(read_bytes(at, MOST_BYTES).decode("utf-8", "replace"), str(at))
    except EdgeGateError:
        return None


def told(tests: Sequence[str], folder: Path) -> list[str]:
    """The lines about unused entries."""
    many = "entry is" if len(tests) == 1 else "entries are"
    shown = [f"  {each}" for each in tests[:5]]
    more = [f"  and {len(tests) - 5:,} more"] if len(tests) > 5 else []
    return [
        f"{len(tests):,} {many} of no test any more ({folder.name}): "
        "pytest --edge-accept --edge-remove-unused",
        *shown,
        *more,
    ]

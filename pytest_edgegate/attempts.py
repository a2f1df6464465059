"""The attempts of each test: what a test came to each time it was run, and which of them counts.

A plugin such as pytest-rerunfailures runs a test again, by hooks of its own choice. So an attempt
is whatever begins with a setup. Its records travel with pytest's reports, also from the workers of
pytest-xdist, and the last report of a test carries those of all its attempts: some plugins never
publish the reports of an attempt that they repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, TypeVar

import pytest

from pytest_edgegate.core.artifact_record import SeenRecord
from pytest_edgegate.core.record import ErrorRecord, VerdictRecord

_NUMBERS = count(1)
"""One for every attempt of this process, so that two items of one name stay apart."""
_OUTCOMES = ("passed", "failed", "skipped")
"""Those of pytest; plugins call an attempt that is repeated by another name."""
_LOSS = -1
"""The place of the error of a lost attempt among its records."""


@dataclass
class OwnAttempts:
    """The attempts of one item, in the process that runs it."""

    item: int
    """The number of its first attempt."""
    number: int
    sent: list[dict[str, Any]] = field(default_factory=list)
    """All records so far, as JSON values."""
    properties: list[tuple[str, str]] = field(default_factory=list)
    """Those of the item that are about the current attempt."""
    made: list[str] = field(default_factory=list)
    """The phases of the current attempt that have a report, published or not."""
    waiting: list[dict[str, Any]] = field(default_factory=list)
    """Records that no report carries yet."""


_KEY = pytest.StashKey[OwnAttempts]()


def begin(item: pytest.Item) -> None:
    """Begins the first or a further attempt of an item."""
    number = next(_NUMBERS)
    if _KEY not in item.stash:
        item.stash[_KEY] = OwnAttempts(number, number)
        return
    own = item.stash[_KEY]
    own.number = number
    own.made.clear()
    item.user_properties[:] = [
        each for each in item.user_properties if not any(each is old for old in own.properties)
    ]
    own.properties.clear()


def keep(item: pytest.Item, verdicts: Iterable[VerdictRecord]) -> None:
    """Keeps verdicts of the current attempt for the next report of the item."""
    _keep(item, ({"verdict": each.to_json()} for each in verdicts))


def keep_error(item: pytest.Item, error: ErrorRecord) -> None:
    """Keeps an error of the current attempt for the next report of the item."""
    _keep(item, [{"error": error.to_json()}])


def keep_artifacts(item: pytest.Item, artifacts: Iterable[SeenRecord]) -> None:
    """Keeps artifacts of the current attempt for the next report of the item."""
    _keep(item, ({"artifact": each.to_json()} for each in artifacts))


def _keep(item: pytest.Item, records: Iterable[dict[str, Any]]) -> None:
    if _KEY in item.stash:
        own = item.stash[_KEY]
        own.waiting += [{"attempt": own.number, **each} for each in records]


def attach(item: pytest.Item, report: pytest.TestReport, properties: list[tuple[str, str]]) -> None:
    """Attaches the records since the last report, or at the end of a test all of them.

    *properties*: of the current attempt, for JUnit, which reads them from the last report.
    """
    if _KEY not in item.stash:
        return
    own = item.stash[_KEY]
    fresh = [{"at": at, **each} for at, each in enumerate(own.waiting, len(own.sent))]
    own.waiting.clear()
    own.sent += fresh
    item.user_properties += properties
    own.properties += properties
    is_last = report.when == "teardown"
    own.made.append(str(report.when))
    if is_last:
        report.user_properties += properties
    report.edge_attempt = {  # type: ignore[attr-defined]
        "item": own.item,
        "attempt": own.number,
        "records": own.sent if is_last else fresh,
        "made": own.made if is_last else [],
        "properties": own.properties if is_last else [],
    }


@dataclass
class _Attempt:
    """One attempt, as the controller knows it."""

    worker: str
    item: int
    number: int
    published: set[str] = field(default_factory=set)
    """The phases whose reports have arrived."""
    xfailed: bool = False
    """Whether a phase failed as the test's mark expected."""
    repeated: bool = False
    """Whether its reports show that the test will be run again."""
    records: dict[int, VerdictRecord | ErrorRecord | SeenRecord] = field(default_factory=dict)
    followed: int | None = None
    """If its worker has died with it: how many attempts there were by then."""


_Record = TypeVar("_Record", VerdictRecord, ErrorRecord, SeenRecord)
_READ: dict[str, Callable[[object], VerdictRecord | ErrorRecord | SeenRecord]] = {
    "verdict": VerdictRecord.from_json,
    "error": ErrorRecord.from_json,
    "artifact": SeenRecord.from_json,
}


class Attempts:
    """The attempts of all tests of a run, as their reports arrive."""

    def __init__(self) -> None:
        self._by_test: dict[str, list[_Attempt]] = {}
        self._of_collection: list[ErrorRecord] = []

    def collected(self, errors: list[ErrorRecord]) -> None:
        """Errors of a file that could not be collected."""
        self._of_collection += [each for each in errors if each not in self._of_collection]

    def take(self, report: pytest.TestReport) -> None:
        """What a report brings of its test."""
        brought = getattr(report, "edge_attempt", None)
        if brought is None:
            return
        tried = self._by_test.setdefault(report.nodeid, [])
        worker, item = _worker(report), brought["item"]
        current = _find(tried, worker, item, brought["attempt"])
        current.published.add(str(report.when))
        kept_back = not current.published.issuperset(brought["made"])
        current.xfailed |= hasattr(report, "wasxfail") and report.skipped
        current.repeated |= kept_back or report.outcome not in _OUTCOMES
        if current.repeated:
            _take_back(report, brought["properties"])
        for each in brought["records"]:
            attempt = _find(tried, worker, item, each["attempt"])
            [(kind, read)] = [(key, read) for key, read in _READ.items() if key in each]
            attempt.records[each["at"]] = read(each[kind])

    def lose(self, report: pytest.TestReport, error: ErrorRecord) -> None:
        """Notes that the worker of a test has died while it ran the test."""
        tried = self._by_test.setdefault(report.nodeid, [])
        worker = _worker(report)
        last = next((each for each in reversed(tried) if each.worker == worker), None)
        if last is None or "teardown" in last.published:
            item, number = (0, 0) if last is None else (last.item, last.number + 1)
            last = _Attempt(worker, item, number)
            tried.append(last)
        last.records[_LOSS] = error
        last.followed = len(tried)

    @property
    def tests(self) -> tuple[str, ...]:
        """The names of the tests that have reported."""
        return tuple(self._by_test)

    @property
    def verdicts(self) -> tuple[VerdictRecord, ...]:
        """The verdicts that count."""
        return tuple(self._of(VerdictRecord, counts=True))

    @property
    def superseded_verdicts(self) -> tuple[VerdictRecord, ...]:
        return tuple(self._of(VerdictRecord, counts=False))

    @property
    def errors(self) -> tuple[ErrorRecord, ...]:
        """The errors that count: of collection first."""
        return (*self._of_collection, *self._of(ErrorRecord, counts=True))

    @property
    def superseded_errors(self) -> tuple[ErrorRecord, ...]:
        return tuple(self._of(ErrorRecord, counts=False))

    @property
    def artifacts(self) -> tuple[SeenRecord, ...]:
        """The artifacts of the attempts that count."""
        return tuple(self._of(SeenRecord, counts=True))

    @property
    def lost(self) -> tuple[str, ...]:
        """The tests that a worker took with it when it died, and that were not run again."""
        return tuple(
            test
            for test, tried in self._by_test.items()
            if any(_LOSS in each.records and not _is_superseded(each, tried) for each in tried)
        )

    @property
    def repeated(self) -> int:
        """How many tests were run again."""
        return sum(
            any(_is_superseded(each, tried) for each in tried) for tried in self._by_test.values()
        )

    def _of(self, kind: type[_Record], *, counts: bool) -> Iterator[_Record]:
        for tried in self._by_test.values():
            for each in tried:
                if counts is not _is_superseded(each, tried):
                    found = [one for one in each.records.values() if isinstance(one, kind)]
                    yield from map(_expected, found) if each.xfailed else found


def _expected(record: _Record) -> _Record:
    """A record of a test that failed as its mark expected."""
    return record if isinstance(record, SeenRecord) else replace(record, xfailed=True)


def _take_back(report: pytest.TestReport, properties: Iterable[Iterable[str]]) -> None:
    """JUnit has a test case for each attempt: the properties are those of the last one."""
    ours = {tuple(each) for each in properties}
    report.user_properties = [each for each in report.user_properties if tuple(each) not in ours]


def _find(tried: list[_Attempt], worker: str, item: int, number: int) -> _Attempt:
    for each in tried:
        if (each.worker, each.item, each.number) == (worker, item, number):
            return each
    tried.append(_Attempt(worker, item, number))
    return tried[-1]


def _is_superseded(attempt: _Attempt, tried: list[_Attempt]) -> bool:
    """By a later attempt of the same item, or by any that follows the death of its worker.

    Two workers run the same test with ``--dist=each``, and neither supersedes the other.
    """
    if attempt.followed is not None and len(tried) > attempt.followed:
        return True
    return any(
        (each.worker, each.item) == (attempt.worker, attempt.item) and each.number > attempt.number
        for each in tried
    )


def _worker(report: pytest.TestReport) -> str:
    """The worker of pytest-xdist that a report is from; empty without one."""
    gateway = getattr(getattr(report, "node", None), "gateway", None)
    return str(getattr(gateway, "id", ""))

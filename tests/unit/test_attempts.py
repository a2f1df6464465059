"""Which attempt of a test counts, from reports in the orders in which plugins publish them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pytest_edgegate.attempts import Attempts
from pytest_edgegate.core.record import ErrorRecord

TEST = "test_it.py::test_it[coral]"


def error(message: str) -> ErrorRecord:
    return ErrorRecord(TEST, "coral", message, "do this")


def report(
    number: int,
    *messages: str,
    when: str = "teardown",
    outcome: str = "passed",
    item: int = 1,
    worker: str = "",
    made: tuple[str, ...] = (),
) -> Any:
    """A report of an attempt; those of a teardown have all records of the item."""
    records = [
        {"at": at, "attempt": at + 1, "error": error(each).to_json()}
        for at, each in enumerate(messages)
    ]
    return SimpleNamespace(
        nodeid=TEST,
        when=when,
        outcome=outcome,
        node=SimpleNamespace(gateway=SimpleNamespace(id=worker)),
        user_properties=[("edge.size", str(number)), ("own", "value")],
        edge_attempt={
            "item": item,
            "attempt": number,
            "records": records,
            "made": list(made),
            "properties": [("edge.size", str(number))],
        },
    )


def messages(errors: tuple[ErrorRecord, ...]) -> list[str]:
    return [each.message for each in errors]


def test_a_later_attempt_of_the_same_item_supersedes() -> None:
    attempts = Attempts()
    attempts.take(report(1, "first", outcome="rerun"))
    attempts.take(report(2, "first", "second"))
    assert messages(attempts.errors) == ["second"]
    assert messages(attempts.superseded_errors) == ["first"]
    assert attempts.repeated == 1


def test_workers_that_run_the_same_test_supersede_nothing() -> None:
    attempts = Attempts()
    attempts.take(report(1, "of one", worker="gw0"))
    other = report(2, worker="gw1")
    other.edge_attempt["records"] = [{"at": 0, "attempt": 2, "error": error("other").to_json()}]
    attempts.take(other)
    assert messages(attempts.errors) == ["of one", "other"]
    assert attempts.repeated == 0


def test_two_items_of_one_name_supersede_nothing() -> None:
    attempts = Attempts()
    attempts.take(report(1, "of one"))
    attempts.take(report(2, item=2))
    assert messages(attempts.errors) == ["of one"]


def test_the_properties_of_an_attempt_that_is_repeated_are_taken_back() -> None:
    attempts = Attempts()
    rerun, kept_back = report(1, outcome="rerun"), report(2, made=("setup", "call", "teardown"))
    whole = report(3, made=("teardown",))
    for each in (rerun, kept_back, whole):
        attempts.take(each)
    own = ("own", "value")
    assert rerun.user_properties == kept_back.user_properties == [own]
    assert whole.user_properties == [("edge.size", "3"), own]


def lost(worker: str = "gw0") -> Any:
    return SimpleNamespace(
        nodeid=TEST, when="???", node=SimpleNamespace(gateway=SimpleNamespace(id=worker))
    )


def test_a_worker_takes_the_attempt_along_that_it_was_in() -> None:
    attempts = Attempts()
    attempts.take(report(1, when="setup", worker="gw0"))
    attempts.lose(lost(), error("lost"))
    assert messages(attempts.errors) == ["lost"]
    assert attempts.repeated == 0
    assert attempts.lost == (TEST,)


def test_an_attempt_that_had_ended_is_not_the_one_that_was_lost() -> None:
    attempts = Attempts()
    attempts.take(report(1, "ended", worker="gw0"))
    attempts.lose(lost(), error("lost"))
    assert messages(attempts.errors) == ["lost"]
    assert messages(attempts.superseded_errors) == ["ended"]


def test_a_test_that_another_worker_has_run_again_is_not_lost() -> None:
    attempts = Attempts()
    attempts.take(report(1, when="setup", worker="gw0"))
    attempts.lose(lost(), error("lost"))
    attempts.take(report(1, worker="gw1"))
    assert messages(attempts.errors) == []
    assert messages(attempts.superseded_errors) == ["lost"]
    assert attempts.lost == ()
    assert attempts.repeated == 1


def test_an_error_of_collection_is_told_once_and_comes_first() -> None:
    attempts = Attempts()
    attempts.take(report(1, "of a test"))
    for _ in range(2):  # as every worker collects
        attempts.collected([error("of a file")])
    assert messages(attempts.errors) == ["of a file", "of a test"]


def test_reports_of_tests_that_are_not_gated_bring_nothing() -> None:
    attempts = Attempts()
    attempts.take(SimpleNamespace(nodeid=TEST, when="call"))  # type: ignore[arg-type]
    assert attempts.errors == attempts.verdicts == ()
    assert attempts.repeated == 0

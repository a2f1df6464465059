"""Properties for JUnit XML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.reports.junit import properties

Make = Callable[..., VerdictRecord]


def test_one_short_text_for_each_verdict(make: Make) -> None:
    given = [
        make("accuracy_drop", 0.002, 0.01),
        make("size", 70_000, 60_000, "fail"),
        make("latency_p95", None, 0.006, "not_measured", proven=False),
        make("contract", 0, 0),
    ]
    assert properties(given) == [
        ("edge.accuracy_drop", "0.002 <= 0.01 pass, proven"),
        ("edge.size", "70.0 kB <= 60.0 kB FAIL"),
        ("edge.latency_p95", "- <= 6 ms NOT MEASURED"),
        ("edge.contract", "0 pass"),
    ]
    assert properties([]) == []


def test_cautions_are_there_on_green_too(make: Make) -> None:
    green = replace(make("contract", 0, 0), note="caution: the input x clips 2 % of its values")
    assert properties([green]) == [
        ("edge.contract", "0 pass"),
        ("edge.contract.note", "caution: the input x clips 2 % of its values"),
    ]


def test_text_of_others_is_shown_as_text(make: Make) -> None:
    green = replace(make("contract", 0, 0), note="caution: \x1b[31m\n::add-mask::x \u202e")
    assert properties([green])[1] == (
        "edge.contract.note",
        r"caution: \x1b[31m\n::add-mask::x \u202e",
    )

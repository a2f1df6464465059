"""Verdicts as aligned rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pytest_edgegate.core.accepted_record import AcceptedRecord
from pytest_edgegate.core.record import VerdictRecord
from pytest_edgegate.reports.table import HEADINGS, artifact_of, fitted, row, sources, table

Make = Callable[..., VerdictRecord]


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    lines = table(("a", "long heading", "c"), [("wider", "x", "1"), ("y", "z", "22")], "  ")
    assert lines == [
        "  a      long heading  c",
        "  wider  x             1",
        "  y      z             22",
    ]


def test_a_column_with_nothing_in_it_is_left_out() -> None:
    assert table(("a", "b", "c"), [("1", "", "3"), ("4", "", "6")]) == ["a  c", "1  3", "4  6"]
    assert table(("a", "b"), []) == [""]


def test_the_cells_of_a_verdict(make: Make) -> None:
    verdict = make(
        "accuracy_drop", 0.002, 0.01, low=-0.001, high=0.006, level=0.9, n=1000, cached=True
    )
    assert row(verdict) == [
        "accuracy_drop",
        "0.002",
        "[-0.001, 0.006]",
        "<= 0.01",
        "",
        "pass, proven",
    ]
    assert sources([verdict]) == "by file, n 1,000 (cached)"
    assert len(row(verdict)) == len(HEADINGS)


@pytest.mark.parametrize(
    ("outcome", "more", "text"),
    [
        ("pass", {}, "pass, proven"),
        ("pass", {"proven": False}, "pass, not proven"),
        ("fail", {}, "FAIL, proven"),
        ("fail", {"proven": False}, "FAIL, not proven"),
        ("inconclusive", {"proven": False}, "INCONCLUSIVE"),
        ("inconclusive", {"proven": False, "allowed": True}, "inconclusive (allowed)"),
    ],
)
def test_how_an_outcome_reads(make: Make, outcome: str, more: dict[str, bool], text: str) -> None:
    assert row(make("accuracy_drop", 0.1, 0.2, outcome, **more))[-1] == text


@pytest.mark.parametrize(
    ("metric", "now", "before", "text"),
    [
        ("accuracy_min", 0.953, 0.965, "0.965 (-0.012)"),
        ("accuracy_min", 0.965, 0.965, "0.965"),
        ("size", 57_000, 56_000, "56.0 kB (+1.8%)"),
        ("sqnr_db", 31.0, 30.0, "30.0 dB (+1.0 dB)"),
        ("latency_p50", 0.002, 0.001, "1 ms (+100.0%)"),
        ("accuracy_regression", 0.012, 0.965, "0.965"),
        ("size_regression", 1.01, 1000, "9,000 B"),
        ("accuracy_drop", 0.01, None, "-"),
    ],
)
def test_what_was_accepted(
    make: Make, metric: str, now: float, before: float | None, text: str
) -> None:
    known = AcceptedRecord(before, "ab" * 32, 9000)
    assert row(replace(make(metric, now, 1), accepted=known))[4] == text


def test_what_was_not_measured(make: Make) -> None:
    found = make("latency_p95", None, 0.006, "not_measured", proven=False)
    assert row(found)[1:] == ["-", "", "<= 6 ms", "", "NOT MEASURED"]
    allowed = replace(found, allowed=True)
    assert row(allowed)[-1] == "not measured (allowed)"


def test_an_exact_budget_needs_no_proof(make: Make) -> None:
    assert row(make("size", 56_448, 60_000))[1:] == ["56.4 kB", "", "<= 60.0 kB", "", "pass"]
    assert row(make("compression", 3.5, 3))[3] == ">= 3.00x"


def test_nan_is_spelt(make: Make) -> None:
    found = make("parity_abs", float("nan"), 1, "fail", nonfinite="NaN on sample 3")
    assert row(found)[1] == "NaN or Inf"


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
@pytest.mark.parametrize("metric", ["parity_abs", "parity_lsb", "memory"])
def test_infinity_is_spelt(make: Make, metric: str, value: float) -> None:
    assert row(make(metric, value, 1, "fail", nonfinite="Inf on sample 3"))[1] == "NaN or Inf"


def test_a_ceiling_for_an_error_metric(make: Make) -> None:
    assert row(make("accuracy_min", 0.3, 0.5, direction="at most"))[3] == "<= 0.5"
    assert row(make("accuracy_min", 0.6, 0.5))[3] == ">= 0.5"


def test_a_file_of_others_is_known_by_its_name(make: Make) -> None:
    verdict = make("contract", 0, 0)
    assert verdict.artifact is not None
    theirs = replace(verdict, artifact=replace(verdict.artifact, recipe=()))
    assert artifact_of(theirs) == "m.tflite"
    assert row(theirs)[3] == ""
    assert artifact_of(replace(verdict, artifact=None)) == ""


@pytest.mark.parametrize(
    ("metric", "value", "limit"),
    [
        ("size", 120_040, 120_000),
        ("accuracy_drop", 0.010_000_5, 0.01),
        ("compression", 1.999, 2),
        ("accuracy_min", 0.899_999, 0.9),
        ("parity_abs", 0.500_001, 0.5),
    ],
)
def test_a_row_that_failed_shows_the_side_of_its_limit(
    make: Make, metric: str, value: float, limit: float
) -> None:
    _, measured, _, bound, _, outcome = row(make(metric, value, limit, "fail"))
    assert outcome.startswith("FAIL")
    assert measured != bound.removeprefix("<= ").removeprefix(">= ")


def test_what_is_expected_to_fail_is_not_in_capitals(make: Make) -> None:
    expected = replace(make("size", 3, 2, "fail"), xfailed=True)
    assert not expected.red
    assert row(expected)[-1] == "fail (xfailed)"


WIDE = {"low": -0.0017, "high": 0.0045, "level": 0.9, "n": 1000}


def test_an_interval_stands_below_a_row_that_is_too_wide(make: Make) -> None:
    one = make("accuracy_drop_relative", 0.00123, 0.0125, "fail", proven=False, **WIDE)
    assert fitted([one], 200, "  ")[1] == [
        "  accuracy_drop_relative  0.0012    [-0.0017, 0.0045]  <= 0.0125  FAIL, not proven"
    ]
    headings, drawn = fitted([one], 80, "  ")
    assert drawn == [
        "  accuracy_drop_relative  0.0012    <= 0.0125  FAIL, not proven",
        "    [-0.0017, 0.0045]",
    ]
    assert headings == ["  budget                  measured  limit      verdict"]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_no_row_is_broken_inside_a_figure(make: Make, width: int) -> None:
    given = [
        make("accuracy_drop_relative", 0.00123, 0.0125, "fail", proven=False, **WIDE),
        make("size", 1_234_567, 1_234_566, "fail"),
        make("latency_first", None, 0.0061, "not_measured", proven=False),
    ]
    _, *drawn = fitted(given, width, "  ")
    for verdict, lines in zip(given, drawn, strict=True):
        cells = [each for each in row(verdict) if each]
        assert all(any(cell in line for line in lines) for cell in cells)
        assert all(len(line) <= width or line.strip() in cells for line in lines)


def test_sources_are_folded(make: Make) -> None:
    file = make("size", 1, 2)
    assert sources([file]) == ""
    board = make("accuracy_drop", 0, 1, n=1000)
    vendor = make("memory", 1, 2)
    assert vendor.measured is not None
    vendor = replace(vendor, measured=replace(vendor.measured, source="vendor:vela"))
    assert sources([vendor]) == "by vendor:vela"
    assert sources([board, file, vendor]) == (
        "by file, n 1,000: accuracy_drop; vendor:vela: memory"
    )

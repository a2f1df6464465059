"""Budgets as users write them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pytest_edgegate.core.budget import BUDGETS, Budget
from pytest_edgegate.core.errors import ConfigurationError, UnknownNameError
from pytest_edgegate.settings.units import (
    LONGEST_WAIT,
    allowed_from,
    budget,
    budgets_from,
    budgets_from_lines,
    seconds_from,
)


def refusal(name: str, value: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        budget(name, value, "edge_budget")
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("edgegate error: edge_budget: ")
    return [lines[0].removeprefix("edgegate error: edge_budget: "), lines[-1]]


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("120 kB", 120_000),
        ("120KB", 120_000),
        ("120kb", 120_000),
        (" 120  kB ", 120_000),
        ("1 KiB", 1_024),
        ("1kib", 1_024),
        ("2 MiB", 2 * 2**20),
        ("1 GiB", 2**30),
        ("1.5 MB", 1_500_000),
        ("2GB", 2 * 10**9),
        (".5 kB", 500),
        ("1e3", 1_000),
        ("+5 kB", 5_000),
        ("120_000", 120_000),
        ("7 B", 7),
        ("7", 7),
        (120_000, 120_000),
        (120_000.0, 120_000),
        (0, 0),
        ("0.1 kB", 100),
        ("1.2e1 kB", 12_000),
    ],
)
@pytest.mark.parametrize("name", ["size", "memory", "flash", "streamed_bytes"])
def test_bytes(name: str, written: Any, size: int) -> None:
    made = budget(name, written, "here")
    assert made == Budget(name, size, str(written))
    assert isinstance(made.limit, int)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("6 ms", 0.006),
        ("6ms", 0.006),
        ("900 us", 0.0009),
        ("900 µs", 0.0009),
        ("900 μs", 0.0009),
        ("1.5 s", 1.5),
        ("0 ms", 0.0),
        ("6 MS", 0.006),
    ],
)
@pytest.mark.parametrize("name", [name for name, info in BUDGETS.items() if info.unit == "s"])
def test_times(name: str, written: str, seconds: float) -> None:
    assert budget(name, written, "here").limit == seconds


@pytest.mark.parametrize(
    ("written", "count"),
    [
        ("1.2 M", 1_200_000),
        ("3k", 3_000),
        ("2 G", 2 * 10**9),
        ("1B", 10**9),
        (1_200_000, 1_200_000),
    ],
)
@pytest.mark.parametrize("name", ["parameters", "macs"])
def test_counts(name: str, written: Any, count: int) -> None:
    assert budget(name, written, "here").limit == count


@pytest.mark.parametrize(
    ("name", "written", "limit"),
    [
        ("accuracy_drop", 0.01, 0.01),
        ("accuracy_drop", "1 %", 0.01),
        ("accuracy_drop", "0.7%", 0.007),
        ("accuracy_drop", "0.01", 0.01),
        ("accuracy_drop", 0, 0),
        ("accuracy_drop", 300, 300),  # mse of pixels; metrics between 0 and 1 are checked later
        ("accuracy_drop_relative", "2.5 %", 0.025),
        ("accuracy_min", 0.9, 0.9),
        ("accuracy_min", "90 %", 0.9),
        ("accuracy_min", -3.5, -3.5),
        ("compression", 3.5, 3.5),
        ("latency_ratio", 0.8, 0.8),
        ("parity_agreement", "99 %", 0.99),
        ("parity_within_lsb", 1, 1),
        ("parity_lsb", 1, 1),
        ("parity_lsb", "2 LSB", 2),
        ("parity_lsb", "3 steps", 3),
        ("parity_abs", 1e-5, 1e-5),
        ("export_error", "1e-5", 1e-5),
        ("sqnr_db", "30 dB", 30),
        ("sqnr_db", -2, -2),
        ("mapped_ops", 1.0, 1),
        ("size_regression", "102 %", 1.02),
        ("compression", "4x", 4),
        ("compression", "3.96 X", 3.96),
        ("compression", 0.5, 0.5),
        ("parity_agreement", 0.5, 0.5),
        ("parity_within_lsb", 0.01, 0.01),
    ],
)
def test_other_units(name: str, written: Any, limit: float) -> None:
    assert budget(name, written, "here").limit == limit


@pytest.mark.parametrize(
    ("name", "value", "said", "remedy"),
    [
        ("size", "big", "size='big' has no number that can be read", '"120 kB" or 120_000'),
        ("size", "", "size='' has no number", "write for example"),
        ("size", "120 kilos", "has the unknown unit 'kilos'", '"120 kB"'),
        ("size", "1,02", "has the unknown unit ',02'", '"120 kB"'),
        ("size", 1.5, "size=1.5 is not a whole number of bytes", '"120 kB"'),
        ("size", -1, "size=-1 is negative", "give the limit without a sign"),
        ("size", "-5 kB", "is negative", "without a sign"),
        ("size", None, "size=None is neither a number nor a text", '"120 kB"'),
        ("size", True, "size=True is neither a number nor a text", '"120 kB"'),
        ("size", [1], "is neither a number nor a text", '"120 kB"'),
        ("size", float("nan"), "size=nan is not a finite number", '"120 kB"'),
        ("accuracy_drop", float("inf"), "is not a finite number", '0.01 or "1 %"'),
        ("accuracy_drop", "1 point", "has the unknown unit 'point'", '0.01 or "1 %"'),
        ("accuracy_drop", -0.01, "accuracy_drop=-0.01 is negative", "without a sign"),
        ("accuracy_drop", "inf", "has no number that can be read", '0.01 or "1 %"'),
        ("latency_p95", 6, "latency_p95=6 has no unit", '"6 ms" or "900 us"'),
        ("latency_p95", "6", "latency_p95='6' has no unit", '"6 ms" or "900 us"'),
        ("latency_p95", "6 min", "has the unknown unit 'min'", '"6 ms"'),
        ("latency_p95", "six ms", "has no number that can be read", '"6 ms"'),
        ("latency_p95", "-6 ms", "is negative", "without a sign"),
        ("parity_lsb", 1.5, "is not a whole number of steps", "write for example 1"),
        ("parity_agreement", 99, "is a share, and a share is at most 1", "did you mean 0.99?"),
        ("parity_within_lsb", "101 %", "a share is at most 1", "did you mean"),
        ("mapped_ops", 100, "a share is at most 1", "did you mean 1?"),
        ("compression", 0.25, "can't be meant: it is a factor", "did you mean 4?"),
        ("compression", "40 %", "below 1 the artifact may be larger", "did you mean 2.5?"),
        ("compression", 0, "compression=0 can't be meant", "write for example 3"),
        ("compression", "three", "has no number that can be read", '3 or "3x"'),
        ("parity_agreement", 0.01, "is a share of equal answers, at least", "did you mean 0.99?"),
        ("parity_agreement", "1 %", "can't be meant", "did you mean 0.99?"),
        ("parity_agreement", 0, "can't be meant", "did you mean 1?"),
        ("size", "4x", "has the unknown unit 'x'", '"120 kB"'),
        ("macs", "1.2 kB", "has the unknown unit 'kB'", '"1.2 M" or 1_200_000'),
    ],
)
def test_what_can_not_be_meant(name: str, value: Any, said: str, remedy: str) -> None:
    first, last = refusal(name, value)
    assert said in first
    assert remedy in last


@pytest.mark.parametrize(
    ("name", "value"),
    [("accuracy_drop", "1e999"), ("latency_p95", "1e999 ms"), ("parity_abs", "1e999")],
)
def test_a_number_that_no_float_holds_is_refused(name: str, value: str) -> None:
    refusal(name, value)


def test_an_unknown_budget_is_offered_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as raised:
        budget("acuracy_drop", 0.01, "edge_budget")
    assert "edge_budget: unknown budget 'acuracy_drop', did you mean 'accuracy_drop'?" in str(
        raised.value
    )
    assert str(raised.value).splitlines()[-1].startswith("known budgets: accuracy_drop, ")


def test_the_limit_is_kept_as_it_was_written() -> None:
    [one, other] = budgets_from({"size": "120 kB", "accuracy_drop": 0.01}, "here")
    assert (one.written, other.written) == ("120 kB", "0.01")


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("accuracy_drop = 0.01", Budget("accuracy_drop", 0.01, "0.01")),
        ("accuracy_drop=0.01", Budget("accuracy_drop", 0.01, "0.01")),
        ("size = 120 kB", Budget("size", 120_000, "120 kB")),
        ('size = "120 kB"', Budget("size", 120_000, "120 kB")),
        ("size = 120000", Budget("size", 120_000, "120000")),
        ("latency_p95 = 6 ms", Budget("latency_p95", 0.006, "6 ms")),
        ("accuracy_drop = 1 %", Budget("accuracy_drop", 0.01, "1 %")),
    ],
)
def test_lines_of_an_ini(line: str, made: Budget) -> None:
    assert budgets_from_lines([line], "ini edge_budgets") == (made,)


@pytest.mark.parametrize("line", ["accuracy_drop", "accuracy_drop =", "accuracy_drop: 0.01"])
def test_a_line_that_is_no_budget(line: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        budgets_from_lines([line], "ini edge_budgets")
    assert f"ini edge_budgets: the line {line.strip()!r} is not a budget" in str(raised.value)
    assert str(raised.value).endswith("write accuracy_drop = 0.01")


@pytest.mark.parametrize("value", ["nan", "inf", "many"])
def test_a_line_whose_number_is_none(value: str) -> None:
    with pytest.raises(ConfigurationError, match="ini edge_budgets: accuracy_drop="):
        budgets_from_lines([f"accuracy_drop = {value}"], "ini edge_budgets")


def test_what_may_stay_unmeasured() -> None:
    assert allowed_from("latency_p95") == {(None, "latency_p95")}
    assert allowed_from("coral:latency_p95, latency_p50") == {
        ("coral", "latency_p95"),
        (None, "latency_p50"),
    }
    assert allowed_from("") == allowed_from(" , ") == frozenset()


@pytest.mark.parametrize("text", ["latency_p96", "coral:latency_p96", "contracts", "coral:"])
def test_only_budgets_may_stay_unmeasured(text: str) -> None:
    with pytest.raises(UnknownNameError) as raised:
        allowed_from(text)
    assert "--edge-allow-unmeasured: unknown budget" in str(raised.value)


ABSURD = (
    "1e1000000000",
    "1e-1000000000",
    "1e100",
    "1e-200",
    "-1e999",
    "9" * 5_000,
    "9" * 150,
    "0." + "0" * 5_000 + "1",
    f"5{' ' * 500}",
    "nan",
    "inf",
    "-inf",
    "1e",
    "e5",
    "--5",
    "0x10",
    "1/0",
    "\0",
    "",
    " ",
    10**5_000,
    -(10**5_000),
    1e300,
    float("nan"),
    float("inf"),
    None,
    True,
    [],
    1 + 2j,
)


@pytest.mark.parametrize(
    "name",
    [
        "size",
        "latency_p95",
        "accuracy_drop",
        "macs",
        "compression",
        "parity_lsb",
        "sqnr_db",
        "accuracy_min",
    ],
)
def test_what_no_budget_is(name: str) -> None:
    unit = {"size": " kB", "latency_p95": " ms"}.get(name, "")
    for value in ABSURD:
        said, remedy = refusal(name, f"{value}{unit}" if isinstance(value, str) else value)
        assert said.startswith(f"{name}=")
        assert len(said) < 250
        assert remedy


@pytest.mark.parametrize("text", [f"{each} s" for each in ABSURD if isinstance(each, str)])
def test_what_no_time_is(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^edgegate error: ini edge_latency_time: "):
        seconds_from(text, "ini edge_latency_time")


def test_a_time_is_bounded() -> None:
    assert seconds_from("31536000 s", "here") == LONGEST_WAIT < threading.TIMEOUT_MAX / 100
    assert seconds_from("0 s", "here") == 0
    for text, reason in {
        "1e14 s": "longer than the longest timeout",
        "31536001 s": "longer than the longest",
        "-5 s": "is negative",
        "0 s": "leaves no time at all",
        "0.0 us": "leaves no time",
        "120": "has no unit",
        "5 parsecs": "unknown unit",
    }.items():
        with pytest.raises(ConfigurationError, match=reason):
            seconds_from(text, "here", zero=False)

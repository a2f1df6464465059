"""Sizes, times and shares, written in every way and read back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgegate.core.budget import BUDGETS
from pytest_edgegate.settings.units import budget, budgets_from_lines
from pytest_edgegate.spelling import spell_bytes, spell_value

BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
SECONDS = {"s": 1, "ms": 10**3, "us": 10**6, "µs": 10**6}
CASES = st.sampled_from([str, str.lower, str.upper])
GAPS = st.sampled_from(["", " ", "  "])


def limit(name: str, written: object) -> float:
    return budget(name, written, "here").limit


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(BYTES)), CASES, GAPS)
def test_a_size_is_its_number_times_its_unit(number: int, unit: str, case: type, gap: str) -> None:
    assert limit("size", f"{number}{gap}{case(unit)}") == number * BYTES[unit]
    assert limit("size", number) == number


@settings(deadline=None)
@given(st.integers(0, 10**12))
def test_a_size_in_kilobytes_loses_no_byte(size: int) -> None:
    assert limit("size", f"{Decimal(size) / 1000} kB") == size
    assert limit("size", f"{size:_}") == size


@settings(deadline=None)
@given(st.integers(0, 10**12))
def test_a_size_that_was_printed_can_be_written(size: int) -> None:
    printed = spell_bytes(size)
    digits = 1 if size < 10_000 else 10**3 if size < 10_000_000 else 10**6
    digits = digits if size < 10_000_000_000 else 10**9
    assert limit("size", printed.replace(",", "")) == pytest.approx(size, abs=0.0501 * digits)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(SECONDS)), GAPS)
def test_a_time_is_its_number_in_its_unit(number: int, unit: str, gap: str) -> None:
    assert limit("latency_p95", f"{number}{gap}{unit}") == number / SECONDS[unit]


@settings(deadline=None)
@given(st.decimals(0, 1, places=4))
def test_a_share_may_be_written_in_percent(share: Decimal) -> None:
    assert limit("accuracy_drop", f"{share * 100} %") == float(share)
    assert limit("accuracy_drop", float(share)) == float(share)
    assert limit("accuracy_drop", str(share)) == float(share)


@settings(deadline=None)
@given(st.sampled_from(sorted(BUDGETS)), st.integers(0, 1))
def test_a_line_of_an_ini_says_what_a_marker_says(name: str, number: float) -> None:
    number = number or BUDGETS[name].least or 0
    written = f"{number} ms" if BUDGETS[name].unit == "s" else str(number)
    [found] = budgets_from_lines([f"{name} = {written}"], "ini")
    assert found.limit == limit(name, written)


@settings(deadline=None)
@given(st.floats(-1000, 1000))
def test_a_plain_figure_is_printed_to_four_places(value: float) -> None:
    text = spell_value("accuracy_min", value)
    assert float(text) == pytest.approx(value, abs=5.001e-5)
    assert not text.endswith(".")

"""Deciding early by betting: sizes by simulation, and exactness against brute force."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from math import inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_edgegate.stats.betting import BettingTest

PERCENT = Fraction(1, 100)
NO_CAPITAL = 1e-300  # no capital of so few bets comes near 1 / alpha
Values = NDArray[np.int8]

# Denominators that are no power of two, and budgets that sums can and cannot reach
BUDGETS = st.fractions(0, 1, max_denominator=97).filter(lambda budget: budget < 1)


def shuffled(total: int, losses: int, gains: int, runs: int, seed: int) -> Iterator[Values]:
    values = np.repeat(np.array([1, -1, 0], np.int8), [losses, gains, total - losses - gains])
    random = np.random.default_rng(seed)
    for _ in range(runs):
        yield random.permutation(values)


def decided(
    values: Values, budget: Fraction, alpha: float = 0.01, chunk: int | None = None
) -> BettingTest:
    test = BettingTest(len(values), budget, alpha)
    for start in range(0, len(values), chunk or len(values)):
        test.add(values[start : start + (chunk or len(values))])
    return test


def around(
    values: Values, budget: Fraction, count: int, alpha: float = 0.01, chunk: int | None = None
) -> tuple[bool | None, bool | None]:
    """The decisions one value before *count*, and with it."""
    test = BettingTest(len(values), budget, alpha)
    for start in range(0, count - 1, chunk or len(values)):
        test.add(values[start : min(start + (chunk or len(values)), count - 1)])
    return test.decision, test.add(values[count - 1 : count])


def one_by_one(values: Values, budget: Fraction, alpha: float) -> tuple[bool, int]:
    """The decision and its number of values, by the definition: a value at a time, in fractions."""
    total, past = len(values), list[int]()
    log_pass = log_fail = 0.0
    for value in values.tolist():
        null = float((total * budget - sum(past)) / (total - len(past)))
        mean = sum(past) / (len(past) + 20)
        variance = (sum(map(abs, past)) + 0.2) / (len(past) + 20) - mean**2
        kelly = (mean - null) / (variance + (mean - null) ** 2)
        if kelly < 0:
            log_pass += log(1 + min(-kelly, 0.5 / (1 - null)) * (null - value))
        else:
            most = 0.5 / (1 + null) if null > -1 else inf  # at -1 nothing can be lost
            log_fail += log(1 + min(kelly, most) * (value - null))
        past.append(value)
        left = total - len(past)
        if Fraction(sum(past) + left, total) <= budget:
            return True, len(past)
        if Fraction(sum(past) - left, total) > budget:
            return False, len(past)
        if max(log_pass, log_fail) >= -log(alpha):
            return log_pass > log_fail, len(past)
    raise AssertionError("at the end nothing remains")


@pytest.mark.parametrize(
    ("total", "losses", "gains", "runs", "median", "late", "wrong"),
    [
        (10_000, 50, 50, 300, 1101, 2502, 0.0),
        (10_000, 120, 100, 300, 2701, 5847, 0.0),
        (10_000, 200, 100, 1500, 9747, 9999, 0.01),  # at the budget, where errors are likeliest
        (10_000, 600, 100, 300, 378, 843, 0.0),
        (10_000, 3000, 100, 300, 45, 72, 0.0),
        (1_000, 5, 5, 300, 655, 934, 0.0),
    ],
)
def test_a_budget_of_one_percent_is_decided_early(
    total: int, losses: int, gains: int, runs: int, median: int, late: int, wrong: float
) -> None:
    by_median, by_late, decisions = [], [], []
    first, second = (min(int(1.15 * each), total) for each in (median, late))
    for values in shuffled(total, losses, gains, runs, seed=8):
        test = BettingTest(total, PERCENT)
        by_median.append(test.add(values[:first]) is not None)
        by_late.append(test.add(values[first:second]) is not None)
        decisions.append(test.add(values[second:]))
    assert np.mean(by_median) >= 0.5
    assert np.mean(by_late) >= 0.95
    truth = Fraction(losses - gains, total) <= PERCENT
    assert np.mean([each is not truth for each in decisions]) <= wrong


@pytest.mark.parametrize(("losses", "within"), [(30, True), (31, False)])
def test_errors_next_to_the_budget_stay_below_alpha(losses: int, within: bool) -> None:
    runs, alpha = 2000, 0.1
    tests = (
        decided(values, Fraction(1, 20), alpha) for values in shuffled(400, losses, 10, runs, 9)
    )
    wrong = sum(test.decision is not within for test in tests)
    assert 0.01 < wrong / runs <= alpha


@pytest.mark.parametrize(
    ("total", "losses", "gains", "budget"),
    [
        (900, 9, 5, PERCENT),
        (900, 40, 9, PERCENT),
        (300, 30, 15, Fraction(1, 20)),
        (300, 30, 9, Fraction(1, 7)),
        (300, 200, 10, Fraction(9, 10)),
        (300, 2, 200, Fraction(0)),
        (300, 5, 2, Fraction(0)),
    ],
)
@pytest.mark.parametrize("alpha", [0.2, 0.01])
def test_it_decides_where_the_definition_does(
    total: int, losses: int, gains: int, budget: Fraction, alpha: float
) -> None:
    for values in shuffled(total, losses, gains, 6, seed=10):
        decision, count = one_by_one(values, budget, alpha)
        assert around(values, budget, count, alpha) == (None, decision)
        assert decided(values, budget, alpha).decision is decision


@pytest.mark.parametrize("losses", [5, 20, 100])
@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 999])
def test_cutting_into_chunks_changes_nothing(losses: int, chunk: int) -> None:
    for values in shuffled(1000, losses, 5, 3, seed=11):
        decision, count = one_by_one(values, PERCENT, 0.01)
        assert around(values, PERCENT, count, chunk=chunk) == (None, decision)
        assert decided(values, PERCENT, chunk=chunk).decision is decision


def test_the_state_between_chunks() -> None:
    test = BettingTest(1000, PERCENT)
    assert test.decision is None
    assert test.add(np.zeros(0, np.int8)) is None
    assert test.add(np.array([0, 1, -1], np.int8)) is None
    assert test.decision is None
    assert test.add(np.ones(50, np.int8)) is False
    assert test.add(-np.ones(947, np.int8)) is False  # the whole set is within, but it is decided
    assert test.decision is False


@pytest.mark.parametrize(("losses", "within", "count"), [(1, True, 99), (2, False, 100)])
def test_a_mean_exactly_at_the_budget_is_within(losses: int, within: bool, count: int) -> None:
    values = np.zeros(100, np.int8)
    values[100 - losses :] = 1
    assert around(values, PERCENT, count, NO_CAPITAL) == (None, within)


@pytest.mark.parametrize("budget", ["0.1", "0.29", "0.57", "0.7"])
def test_ties_are_told_in_integers(budget: str) -> None:
    # As floats, 100 * 0.29 and 100 * 0.57 are below 29 and 57
    share = Fraction(budget)
    at = int(100 * share)
    for losses in (at, at + 1):
        values = np.arange(100) >= 100 - losses
        assert decided(values.astype(np.int8), share, NO_CAPITAL).decision is (losses == at)


@pytest.mark.parametrize(
    ("value", "budget", "count"),
    [
        (1, Fraction(0), 51),  # 51 losses, and 49 gains at most
        (-1, Fraction(0), 50),
        (1, PERCENT, 51),
        (1, Fraction(2, 100), 52),
        (-1, Fraction(2, 100), 49),
        (0, Fraction(0), 100),
        (0, Fraction(1, 2), 50),
    ],
)
def test_a_remainder_that_cannot_change_the_answer_ends_it(
    value: int, budget: Fraction, count: int
) -> None:
    values = np.full(100, value, np.int8)
    assert around(values, budget, count, NO_CAPITAL) == (None, value <= 0)


def test_sums_are_wider_than_the_values() -> None:
    found = around(np.ones(500, np.int8), Fraction(99, 100), 498, NO_CAPITAL)
    assert found == (None, False)  # 498 - 2 is the first over 495


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(-1, 1), min_size=1, max_size=6), BUDGETS)
def test_it_is_decided_where_every_completion_agrees(drawn: list[int], budget: Fraction) -> None:
    total = len(drawn)
    test = BettingTest(total, budget, NO_CAPITAL)
    for seen in range(1, total + 1):
        answers = {
            Fraction(sum(drawn[:seen]) + sum(rest), total) <= budget
            for rest in product((-1, 0, 1), repeat=total - seen)
        }
        decision = test.add(np.array(drawn[seen - 1 : seen], np.int8))
        assert decision is (answers.pop() if len(answers) == 1 else None)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.integers(-1, 1), min_size=1, max_size=150), BUDGETS, st.integers(1, 150))
def test_at_the_end_it_is_the_exact_answer(drawn: list[int], budget: Fraction, chunk: int) -> None:
    test = decided(np.array(drawn, np.int8), budget, NO_CAPITAL, chunk)
    assert test.decision is (Fraction(sum(drawn), len(drawn)) <= budget)


@pytest.mark.parametrize("total", [0, -1])
def test_a_set_has_values(total: int) -> None:
    with pytest.raises(ValueError, match="total"):
        BettingTest(total, PERCENT)


@pytest.mark.parametrize("budget", [Fraction(-1, 100), Fraction(1), Fraction(3, 2)])
def test_a_budget_is_a_share(budget: Fraction) -> None:
    with pytest.raises(ValueError, match="budget"):
        BettingTest(10, budget)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, float("nan")])
def test_alpha_is_a_chance(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        BettingTest(10, PERCENT, alpha)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([0, 2], np.int8), "-1, 0 or 1"),
        (np.array([-128], np.int8), "-1, 0 or 1"),
        (np.array([255], np.uint8), "-1, 0 or 1"),
        (np.array([0.5]), "-1, 0 or 1"),
        (np.array([np.nan]), "-1, 0 or 1"),
        (np.zeros((2, 1), np.int8), "shape"),
        (np.int8(0), "shape"),
        (np.zeros(10, np.int8), "more than"),
    ],
)
def test_refused_values_leave_no_trace(values: Values, message: str) -> None:
    test = BettingTest(10, PERCENT)
    test.add(np.array([1], np.int8))
    with pytest.raises(ValueError, match=message):
        test.add(values)
    assert test.decision is None
    with pytest.raises(ValueError, match="10 values after 1 are"):
        test.add(np.zeros(10, np.int8))
    assert test.add(np.zeros(9, np.int8)) is False  # 1 loss of 10: over 1 %

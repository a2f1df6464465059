"""What the gates do at the boundary: drops whose true value is exactly the budget."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from pytest_edgegate.stats.intervals import tango

RUNS = 6000


@pytest.mark.parametrize(
    ("n", "loss", "gain", "budget"),
    [(500, 0.03, 0.01, 0.02), (1000, 0.02, 0.01, 0.01), (2000, 0.015, 0.005, 0.01)],
)
def test_the_lower_bound_gate_is_red_one_time_in_twenty(
    n: int, loss: float, gain: float, budget: float
) -> None:
    interval = cache(lambda b, c: tango(b, c, n, 0.9))
    drawn = np.random.default_rng(11).multinomial(n, [loss, gain, 1 - loss - gain], RUNS)
    # In whole samples: as floats, 10 / 1000 > 0.01 could go either way
    by_point = np.mean([b - c > round(budget * n) for b, c, _ in drawn.tolist()])
    by_lower_bound = np.mean([interval(b, c).low > budget for b, c, _ in drawn.tolist()])
    by_upper_bound = np.mean([interval(b, c).high <= budget for b, c, _ in drawn.tolist()])
    assert 0.42 < by_point < 0.58
    assert 0.04 < by_lower_bound < 0.065
    assert 0.035 < by_upper_bound < 0.065


def test_excluding_zero_is_no_proof_of_being_over_budget() -> None:
    """The common mistake: drop > budget and an interval that excludes 0."""
    n, loss, gain, budget = 2000, 0.02, 0.01, 0.01
    interval = cache(lambda b, c: tango(b, c, n, 0.9))
    drawn = np.random.default_rng(11).multinomial(n, [loss, gain, 1 - loss - gain], RUNS).tolist()
    mistaken = np.mean([b - c > budget * n and interval(b, c).low > 0 for b, c, _ in drawn])
    right = np.mean([interval(b, c).low > budget for b, c, _ in drawn])
    assert mistaken > 0.4
    assert right < 0.065

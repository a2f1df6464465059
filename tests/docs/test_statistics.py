"""The figures of the page on statistics are those of the gate's own intervals."""

from __future__ import annotations

import re
from math import sqrt
from pathlib import Path

import pytest

from pytest_edgegate.stats.intervals import clopper_pearson, tango

PAGE = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text("utf-8")


def test_the_interval_of_the_page_is_that_of_two_lost_and_one_gained() -> None:
    found = re.search(r"`([\d.]+) \[(-[\d.]+), ([\d.]+)\]`", PAGE)
    assert found is not None
    shown = tango(2, 1, 1000)
    assert float(found[1]) == (2 - 1) / 1000
    assert found[2] == f"{shown.low:.4f}"
    assert found[3] == f"{shown.high:.4f}"
    assert f"{-100 * shown.low:.2f} points" in PAGE
    assert f"{100 * shown.high:.2f}" in PAGE


def test_without_pairs_less_is_known() -> None:
    alone = clopper_pearson(986, 1000)
    assert f"from {alone.low:.3f} to {alone.high:.3f}" in PAGE


@pytest.mark.parametrize(("share", "n"), [(0.02, 1000), (0.02, 4000), (0.05, 1000), (0.1, 10_000)])
def test_the_rule_of_thumb_holds(share: float, n: int) -> None:
    assert "1.7 x the square root of d / n" in PAGE
    half = round(share * n / 2)
    assert tango(half, half, n).high == pytest.approx(1.7 * sqrt(share / n), rel=0.06)

"""Clipped inputs that are meant, or that are proven to do no harm to the accuracy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.outcome import Outcome
from pytest_edgegate.core.recipe import PTQ
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.session.judging import _outweighed

PERCENTILE, MINMAX = PTQ(method="percentile"), PTQ()


def artifact(*steps: PTQ, made: bool = True) -> Any:
    return SimpleNamespace(made=made, recipe=steps)


def verdict(
    metric: str = "accuracy_min", outcome: Outcome = Outcome.PASS, *, proven: bool = True
) -> Verdict:
    return Verdict(Budget(metric, 0.5), outcome, "", proven=proven)


@pytest.mark.parametrize(
    ("given", "judged", "outweighed"),
    [
        (artifact(MINMAX), [], False),
        (artifact(PERCENTILE), [], True),
        (artifact(PERCENTILE, made=False), [], False),
        (artifact(MINMAX), [verdict("sqnr_db"), verdict("accuracy_drop")], True),
        (artifact(MINMAX, made=False), [verdict()], True),
        (artifact(MINMAX), [verdict(proven=False)], False),
        (artifact(MINMAX), [verdict(outcome=Outcome.FAIL)], False),
        (artifact(MINMAX), [verdict("parity_agreement"), verdict("size")], False),
    ],
)
def test_clipping_is_outweighed(given: Any, judged: list[Verdict], outweighed: bool) -> None:
    assert _outweighed(given, judged) is outweighed

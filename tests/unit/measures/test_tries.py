"""What is regained by feeding samples otherwise, and when that is proven."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Chance, Resampling
from pytest_edgegate.measures.tries import Aim, Regained, regained

AS_FED, FED, REFERENCE = (Evidence({}, 100, "", name) for name in ("as fed", "fed", "reference"))


class Scoring:
    """Knows how much better the samples are fed otherwise, and how much the model is."""

    def __init__(self, gain: float, low: float, loss: float = 0.4, *, higher: bool = True) -> None:
        self.higher_is_better = higher
        self._gains = {"fed": (gain, low), "reference": (loss, loss)}

    def worse_by(self, better: Evidence, worse: Evidence, resampling: Resampling) -> Any:
        value, low = self._gains[better.source]
        return SimpleNamespace(value=value, interval=SimpleNamespace(low=low))

    def value(self, evidence: Evidence) -> float:
        return 0.5

    def chance(self, evidence: Evidence, resampling: Resampling) -> Any:
        return self.found

    found: Any = None


def told(scoring: Any, aim: Aim, *, too_few_groups: bool = False) -> tuple[bool, bool]:
    """Whether it is enough, and whether it is proven."""
    found = of(scoring, aim, too_few_groups=too_few_groups)
    return found.enough, found.proven


def of(scoring: Any, aim: Aim, *, too_few_groups: bool = False) -> Regained:
    resampling = cast("Resampling", SimpleNamespace(too_few_groups=too_few_groups))
    return regained(scoring, AS_FED, FED, aim, resampling)


TO_MODEL = Aim(REFERENCE)


@pytest.mark.parametrize(
    ("gain", "low", "loss", "expected"),
    [
        (0.3, 0.2, 0.4, (True, True)),
        (0.3, 0.19, 0.4, (True, False)),
        (0.2, 0.1, 0.4, (True, False)),
        (0.19, 0.19, 0.4, (False, False)),
        (0.3, 0.2, -0.1, (False, False)),  # nothing was lost
        (0.3, 0.0, 0.0, (True, False)),
        (0.0, 0.0, 0.0, (False, False)),
    ],
)
def test_half_of_the_loss_is_regained_or_proven_to_be(
    gain: float, low: float, loss: float, expected: tuple[bool, bool]
) -> None:
    assert told(Scoring(gain, low, loss), TO_MODEL) == expected


def test_more_than_was_lost_is_not_counted() -> None:
    assert of(Scoring(0.6, 0.5, 0.4), TO_MODEL).gain == 0.4
    assert of(Scoring(0.6, 0.5), Aim(limit=0.9)).gain == 0.6


def test_few_groups_prove_nothing() -> None:
    assert told(Scoring(0.3, 0.3), TO_MODEL, too_few_groups=True) == (True, False)


@pytest.mark.parametrize(
    ("limit", "higher", "expected"),
    [(0.9, True, True), (1.3, True, False), (0.1, False, True), (-0.3, False, False)],
)
def test_a_limit_says_what_was_lost_in_either_direction(
    limit: float, higher: bool, expected: bool
) -> None:
    scoring = Scoring(0.3, 0.3, higher=higher)
    assert told(scoring, Aim(limit=limit)) == (expected, expected)


@pytest.mark.parametrize("better", [False, True])
def test_without_an_aim_it_has_to_be_better_than_chance(better: bool) -> None:
    scoring = Scoring(0.3, 0.3)
    scoring.found = Chance("always class 0", 0.1, better, 100, 90)
    assert told(scoring, Aim()) == (True, better)
    scoring.found = None
    assert told(scoring, Aim()) == (True, False)

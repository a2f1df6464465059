"""What tells a user's function from another of its name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from pytest_edgegate.measures.metrics.identity import identity_of


def top(k: int) -> Callable[[Any, Any], Any]:
    def acc(outputs: Any, labels: Any) -> Any:
        return outputs.argsort()[:, -k:] == labels

    return acc


def plain(outputs: Any, labels: Any, most: int = 1) -> Any:
    return outputs[:most] == labels


class Scorer:
    def __init__(self, k: int) -> None:
        self.k, self.table = k, np.zeros(k)

    def __call__(self, outputs: Any, labels: Any) -> Any:
        return outputs[: self.k] == labels

    def score(self, outputs: Any, labels: Any) -> Any:
        return outputs[: self.k] == labels


def compiled(text: str) -> Any:
    made: dict[str, Any] = {}
    exec(text, made)
    return made["acc"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (top(1), top(9)),
        (plain, partial(plain, most=2)),
        (partial(plain, most=1), partial(plain, most=2)),
        (Scorer(1), Scorer(2)),
        (Scorer(1).score, Scorer(2).score),
        (Scorer(1), Scorer(1).score),
        (compiled("def acc(x, y):\n return x == y"), compiled("def acc(x, y):\n return x != y")),
        (len, sum),
    ],
)
def test_others_are_told_apart(one: Any, other: Any) -> None:
    assert identity_of(one) != identity_of(other)


@pytest.mark.parametrize(
    "make", [lambda: top(3), lambda: partial(plain, most=3), lambda: Scorer(3), lambda: plain]
)
def test_the_same_is_the_same_again(make: Callable[[], Any]) -> None:
    assert identity_of(make()) == identity_of(make())


def test_values_that_hold_themselves_end() -> None:
    scorer = Scorer(1)
    scorer.itself = scorer  # type: ignore[attr-defined]
    assert identity_of(scorer)

"""What tells a user's function from another of its name."""

from __future__ import annotations

import linecache
import runpy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

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


MODULE = """
import math
import numpy as np

COSTS = {costs}
LIMIT = {limit}
FRIENDS = {{"a": [1, {limit}]}}


class Table:
    most = {limit}

    def look(self, x):
        return x[: self.most]


def helper(x):
    return other(x) {sign} math.pi


def other(x):
    return helper(x) if x is None else np.abs(x)


def acc(outputs, labels):
    {body}
"""
WHOLE = {"costs": "np.ones(3)", "limit": "1", "sign": "<", "body": "return helper(outputs)"}


@pytest.mark.parametrize(
    ("body", "edit"),
    [
        ("return COSTS[labels]", {"costs": "np.zeros(3)"}),
        ("return COSTS[labels]", {"costs": "[1.0, 2.0]"}),
        ("return outputs > LIMIT", {"limit": "2"}),
        ("return FRIENDS['a'][labels]", {"limit": "2"}),
        ("return helper(outputs)", {"sign": ">"}),
        ("return [helper(each) for each in outputs]", {"sign": ">"}),
        ("return (lambda x: LIMIT)(outputs)", {"limit": "2"}),
        ("return Table().look(outputs)", {"limit": "2"}),
    ],
)
def test_what_a_function_names_counts(body: str, edit: dict[str, str], tmp_path: Path) -> None:
    def of(values: dict[str, str]) -> str:
        path = tmp_path / f"costs{len(list(tmp_path.iterdir()))}.py"
        path.write_text(MODULE.format(**values))
        made: Any = runpy.run_path(str(path), run_name="costs")
        linecache.checkcache()
        made["Table"].__module__ = made["helper"].__module__ = "costs"
        return identity_of(made["acc"])

    given = {**WHOLE, "body": body}
    assert of(given) == of(given)
    assert of(given) != of({**given, **edit})


def test_installed_packages_count_by_their_names() -> None:
    text = identity_of(with_a_package)
    assert len(text) < 1_000
    assert "numpy" in text


def with_a_package(outputs: Any, labels: Any) -> Any:
    return np.argmax(outputs, axis=1) == jaccard_score(labels, outputs)


def test_what_a_function_remembers_does_not_make_it_another() -> None:
    before = identity_of(remembering)
    remembering(np.ones(3), np.zeros(3))
    assert REMEMBERED
    assert identity_of(remembering) == before


REMEMBERED: dict[str, Any] = {}


def remembering(outputs: Any, labels: Any) -> Any:
    REMEMBERED["last"] = outputs
    return outputs == labels

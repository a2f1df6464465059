"""A user's own metric against chance: the same answers with the labels of other samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.metrics.answers import Answers, other_labels
from pytest_edgegate.measures.metrics.chance import (
    Chance,
    Unchecked,
    is_better,
    without_interval,
)
from pytest_edgegate.measures.metrics.estimates import Estimate
from pytest_edgegate.measures.metrics.function import UserFunction
from pytest_edgegate.measures.metrics.kept import KeptSamples, spread_out
from pytest_edgegate.measures.metrics.resampling import Resampling

_SHUFFLES = 200
_FEWEST = 19
"""A figure better than those of 19 shuffles is proven better, at 95 %."""
_ALPHA = 0.05
_ANSWER = "the same answers with the labels of other samples"

ScoresByChance = dict[str, Array]
"""``others``: scores with the labels of other samples; ``flat``: scores of the mean output;
``telling``: whether the label is not the commonest. Each of shape (n,) and of float64, NaN where
there is no score."""
DropOf = Callable[[Array, Array], Estimate]
"""How much worse the second of two arrays of per-sample scores is than the first."""


def scores_by_chance(function: UserFunction, answers: Answers) -> ScoresByChance:
    """Scores of samples that all are at hand."""
    n = len(answers)
    others = flat = None
    if n > 1:
        others = function.finite_scores(answers.with_labels_of(next(other_labels(n))))
        flat = function.finite_scores(answers.averaged())
    return {
        "others": np.full(n, math.nan) if others is None else others.astype(np.float64),
        "flat": np.full(n, math.nan) if flat is None else flat.astype(np.float64),
        "telling": answers.telling().astype(np.float64),
    }


class ScoresOfStream:
    """Scores of a random part of the samples of a stream."""

    def __init__(self, function: UserFunction) -> None:
        self._function = function
        self._kept = KeptSamples()
        self._form: Answers | None = None

    def add(self, output: Any, labels: Array, inputs: Any) -> None:
        given = inputs if self._function.wants_inputs else None
        self._form = Answers.of_batch(output, labels, given)
        self._kept.add(self._form.columns())

    def figures(self, n: int) -> dict[str, Array]:
        columns = self._kept.arrays
        if self._form is None or not columns:
            return {name: np.full(n, math.nan) for name in ("others", "flat", "telling")}
        made = scores_by_chance(self._function, self._form.with_columns(columns))
        positions = self._kept.positions
        return {name: spread_out(values, positions, n) for name, values in made.items()}


def chance_of_samples(
    name: str, own: Array, by_chance: ScoresByChance, drop_of: DropOf
) -> Chance | Unchecked:
    """The per-sample scores *own*, of shape (n,), against chance on the same samples."""
    others, flat = (_like(own, by_chance[key]) for key in ("others", "flat"))
    caution = ""
    if flat is not None and not is_better(drop_of(flat, own)):
        caution = _no_better(name, float(own.mean()), float(flat.mean()))
    if others is None:
        return _no_number(name, caution)
    if np.array_equal(own, others):
        return _no_difference(name, caution)
    drop = drop_of(others, own)
    telling = int(by_chance["telling"].sum())
    return without_interval(drop) or Chance(
        _ANSWER, float(others.mean()), is_better(drop), len(own), telling, caution
    )


def _like(own: Array, scores: Array) -> Array | None:
    """Scores in the dtype of the model's own; None if there are none."""
    return None if not len(scores) or np.isnan(scores).any() else scores.astype(own.dtype)


def chance_of_set(
    function: UserFunction, answers: Answers, resampling: Resampling, *, higher_is_better: bool
) -> Chance | Unchecked | None:
    """A figure of the whole set against those of seeded shuffles of the labels.

    It is better where at most 5 % of the shuffles, counting itself as one, are as good.

    Source: R. Fisher, The Design of Experiments, 1935; B. Phipson, G. Smyth, Statistical
    Applications in Genetics and Molecular Biology 9:39, 2010, for counting itself.
    """
    own = function.figure(answers.take())
    if not math.isfinite(own):
        return None

    def as_good(figures: Any) -> Any:
        return figures >= own if higher_is_better else figures <= own

    name, flat = function.name, function.figure_or_nan(answers.averaged())
    caution = _no_better(name, own, flat) if math.isfinite(flat) and as_good(flat) else ""
    figures = np.array(list(_shuffled(function, answers, resampling)))
    if not len(figures) or not np.isfinite(figures).all():
        return _no_number(name, caution)
    if len(figures) < _FEWEST:
        reason = f"{_FEWEST} figures of {name} do not fit into edge_bootstrap_time"
        return Unchecked(reason, caution)
    if (figures == own).all():
        return _no_difference(name, caution)
    better = (1 + int(as_good(figures).sum())) / (1 + len(figures)) <= _ALPHA
    telling = int(answers.telling().sum())
    return Chance(_ANSWER, float(figures.mean()), better, len(answers), telling, caution)


def _shuffled(function: UserFunction, answers: Answers, resampling: Resampling) -> Iterator[float]:
    """Figures of as many shuffles as there is time for, NaN where the function has none."""
    start = resampling.clock()
    orders = other_labels(len(answers)) if len(answers) > 1 else iter(())
    for order in islice(orders, _SHUFFLES):
        yield function.figure_or_nan(answers.with_labels_of(order))
        if resampling.clock() - start > resampling.limit:
            return


def _no_number(name: str, caution: str) -> Unchecked:
    return Unchecked(f"{name} gives no number with the labels of other samples", caution)


def _no_difference(name: str, caution: str) -> Unchecked:
    return Unchecked(f"{name} gives the same figure with the labels of other samples", caution)


def _no_better(name: str, own: float, flat: float) -> str:
    return (
        f"the model under test has {name} {own:.4g}, which is not better than that of its own "
        f"mean output, {flat:.4g}"
    )

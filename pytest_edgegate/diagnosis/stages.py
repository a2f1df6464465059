"""Explains lost accuracy by the step of a recipe that lost it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import isfinite

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.core.recipe import Recipe, Step
from pytest_edgegate.diagnosis.making import before
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.providers import File, Passes

_MOST = 0.5
"""The share of a loss from which one step is the cause of it."""


def of_recipe(measured: Measurement, passes: Passes, file: File) -> Diagnosis:
    """The metric after each step that trains in float, and the step that lost most of it.

    Nothing for a recipe without such a step before its last one, and for a verdict that a part of
    the samples decided.
    """
    stages = tuple(_in_float(file.artifact.recipe))
    reference = NotMeasured("", "") if not stages or measured.decided_early else passes.reference()
    if isinstance(reference, NotMeasured):
        return Diagnosis()
    seen: list[Evidence] = [reference]
    for each in stages:
        found = passes.exported(each)
        if isinstance(found, NotMeasured):
            return Diagnosis()
        seen.append(found)
    values = [passes.scoring.value(each) for each in (*seen, passes.predictions())]
    if not all(map(isfinite, values)):
        return Diagnosis()
    return _told(passes, [stage[-1] for stage in stages], values)


def _in_float(recipe: Recipe) -> Iterator[Recipe]:
    """The beginnings of a recipe that end in a trained float model, without the whole."""
    for at, step in enumerate(recipe[:-1]):
        if step.trains and not step.changes_dtype:
            yield recipe[: at + 1]


def _told(passes: Passes, steps: list[Step], values: list[float]) -> Diagnosis:
    """*values*: of the model under test, after each of the *steps*, and of the artifact."""
    after = ", ".join(
        f"{value:.4g} after {step}" for step, value in zip(steps, values[1:], strict=False)
    )
    line = f"{passes.scoring.name}: {values[0]:.4g} of the model, {after}, {values[-1]:.4g} at last"
    sign = 1 if passes.scoring.higher_is_better else -1
    losses = [sign * (one - other) for one, other in pairwise(values)]
    lost = sign * (values[0] - values[-1])
    worst = max(range(len(losses)), key=losses.__getitem__)
    if worst == len(steps) or losses[worst] < _MOST * lost:
        return Diagnosis((line,))
    return Diagnosis((line,), _share(steps[worst], losses[worst], lost), before(steps[worst]))


def _share(step: Step, loss: float, lost: float) -> str:
    """*loss*: of the step; *lost*: in all, which is less where other steps gave some back."""
    if loss > lost:
        return f"{step} lost {loss:.4g}, in float, of which the rest gave {loss - lost:.4g} back"
    return f"{step} lost most of it, in float: {loss:.4g} of {lost:.4g}"

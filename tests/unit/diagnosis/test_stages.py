"""The step of a recipe that lost the accuracy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_edgegate import PTQ, QAT, Cast, Distill, Prune
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.diagnosis.stages import of_recipe

RED = Measurement(0.1, "host:fake", n=200)
EARLY = Measurement(0.1, "host:fake", n=200, decided_early=True)
CUT, STUDENT = Prune(0.5, epochs=2), Distill(epochs=5)


def diagnosed(
    recipe: Recipe,
    values: dict[Recipe, float],
    *,
    measured: Measurement = RED,
    higher: bool = True,
    model: Any = 0.97,
) -> Diagnosis:
    """*values*: of the float exports after steps, and of the artifact under the whole recipe."""
    asked: list[Recipe] = []

    def exported(steps: Recipe) -> Any:
        asked.append(steps)
        return values.get(steps, NotMeasured("no export", "none"))

    scoring = SimpleNamespace(name="top1", higher_is_better=higher, value=lambda found: found)
    passes = SimpleNamespace(
        scoring=scoring,
        reference=lambda: model,
        predictions=lambda: values[recipe],
        exported=exported,
    )
    file = SimpleNamespace(artifact=SimpleNamespace(recipe=recipe))
    found = of_recipe(measured, cast("Any", passes), cast("Any", file))
    assert recipe not in asked
    return found


@pytest.mark.parametrize("last", [QAT(1), PTQ(), Cast("float16")], ids=str)
def test_pruning_that_lost_the_points_is_the_cause(last: Any) -> None:
    found = diagnosed((CUT, last), {(CUT,): 0.87, (CUT, last): 0.86})
    assert found.cause == f"{CUT} lost most of it, in float: 0.1 of 0.11"
    assert found.remedy == (
        "prune less, or train longer in that step: "
        "Prune(amount=0.5, epochs=4) in place of Prune(amount=0.5, epochs=2)"
    ).replace("Prune(amount=0.5, epochs=4)", str(Prune(0.5, epochs=4))).replace(
        "Prune(amount=0.5, epochs=2)", str(CUT)
    )
    assert found.details == (f"top1: 0.97 of the model, 0.87 after {CUT}, 0.86 at last",)


def test_quantisation_that_lost_them_is_told_by_the_figures_alone() -> None:
    found = diagnosed((CUT, QAT(1)), {(CUT,): 0.965, (CUT, QAT(1)): 0.86})
    assert (found.cause, found.remedy) == ("", "")
    assert f"0.965 after {CUT}, 0.86 at last" in found.details[0]


def test_what_later_steps_gave_back_is_told() -> None:
    found = diagnosed((CUT, QAT(1)), {(CUT,): 0.77, (CUT, QAT(1)): 0.87})
    assert found.cause == f"{CUT} lost 0.2, in float, of which the rest gave 0.1 back"


def test_of_two_steps_the_worse_one() -> None:
    whole = (STUDENT, CUT, QAT(1))
    found = diagnosed(whole, {whole[:1]: 0.8, whole[:2]: 0.79, whole: 0.78})
    assert found.cause.startswith(f"{STUDENT} lost most of it")
    assert found.remedy.startswith("give a larger edge_student, or train longer in that step")


def test_no_step_that_lost_less_than_half() -> None:
    whole = (STUDENT, CUT, QAT(1))
    assert diagnosed(whole, {whole[:1]: 0.93, whole[:2]: 0.89, whole: 0.87}).cause == ""


def test_where_lower_is_better() -> None:
    whole = (CUT, PTQ())
    values = {whole[:1]: 0.4, whole: 0.41}
    assert "lost most of it" in diagnosed(whole, values, higher=False, model=0.1).cause


@pytest.mark.parametrize("recipe", [(), (PTQ(),), (QAT(1),), (CUT,)], ids=str)
def test_a_recipe_of_one_step_has_no_stages(recipe: Recipe) -> None:
    assert diagnosed(recipe, {recipe: 0.5}) == Diagnosis()


def test_what_is_not_known_explains_nothing() -> None:
    whole = (CUT, QAT(1))
    values = {whole[:1]: 0.87, whole: 0.86}
    assert diagnosed(whole, {whole: 0.86}) == Diagnosis()
    assert diagnosed(whole, values, measured=EARLY) == Diagnosis()
    assert diagnosed(whole, values, model=NotMeasured("no model", "none")) == Diagnosis()
    assert diagnosed(whole, {**values, whole[:1]: float("nan")}) == Diagnosis()

"""Every budget's row names a measure and a diagnosis that exist and ask little."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_edgegate import Distill
from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import BUDGETS, CONTRACT, Budget, BudgetKind
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.errors import InferenceError
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.diagnosis.catalogue import OF_THE_ARTIFACT, diagnose
from pytest_edgegate.measures.catalogue import measure_of
from pytest_edgegate.measures.providers import Providers

KINDS = (CONTRACT, *BUDGETS.values())
PROVIDERS = set(Providers.__dataclass_fields__)
named = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))


@named
def test_a_measure_asks_one_provider_or_two(kind: BudgetKind) -> None:
    found = measure_of(kind.name)
    if found is None:
        assert kind.measure == ""
        return
    asked = list(signature(found).parameters)
    assert 1 <= len(asked) <= 2
    assert set(asked) <= PROVIDERS


def parameters_of(diagnosis: str) -> list[str]:
    module, _, name = diagnosis.partition(":")
    return list(
        signature(getattr(import_module(f"pytest_edgegate.diagnosis.{module}"), name)).parameters
    )


@named
def test_a_diagnosis_takes_the_measurement_and_providers(kind: BudgetKind) -> None:
    for each in kind.diagnoses:
        assert kind.measure, "nothing can be red that nothing measures"
        first, *asked = parameters_of(each)
        assert first == "measured"
        assert set(asked) <= {"limit", *PROVIDERS}


def test_a_diagnosis_of_the_artifact_takes_providers_only() -> None:
    for each in OF_THE_ARTIFACT:
        assert set(parameters_of(each)) <= PROVIDERS


def test_diagnoses_of_one_verdict_add_up_and_one_that_fails_costs_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(measured: Measurement) -> Diagnosis:
        raise InferenceError("the worker has died", "try again")

    answers = {
        "one": lambda measured: Diagnosis(("a",), remedy="first"),
        "broken": broken,
        "two": lambda measured: Diagnosis(("b",), "cause", "second"),
    }
    for name, answer in answers.items():
        monkeypatch.setattr(f"pytest_edgegate.diagnosis.times.{name}", answer, raising=False)
    kind = replace(BUDGETS["size"], diagnoses=("times:one", "times:broken", "times:two"))
    monkeypatch.setitem(BUDGETS, "size", kind)
    nothing = cast("Any", None)
    verdict = Verdict(Budget("size", 1), Outcome.FAIL, "", measured=Measurement(2, "file"))
    found = diagnose(verdict, Providers(nothing, nothing, nothing))
    assert found.details == ("a", "the cause is unknown: the worker has died", "b")
    assert (found.cause, found.remedy) == ("cause", "first")


@pytest.mark.parametrize(("value", "words"), [(2500.0, "fewer"), (float("nan"), "")])
def test_a_figure_that_is_not_finite_is_not_explained_by_its_size(value: float, words: str) -> None:
    artifact = Artifact(
        Path("m"), "f", "int8", (), 1, "", (Distill(),), "t", cached=False, provenance={"a": 1}
    )
    file = SimpleNamespace(artifact=artifact, target=SimpleNamespace(dtypes=("int8",)))
    nothing = cast("Any", None)
    measured = Measurement(value, "file")
    verdict = Verdict(Budget("size", 2000), Outcome.FAIL, "", measured=measured)
    providers = Providers(nothing, cast("Any", file), nothing)
    assert words in diagnose(verdict, providers).remedy
    assert bool(words) is bool(diagnose(verdict, providers).remedy)
    broken = replace(verdict, measured=replace(measured, nonfinite="NaN"))
    assert diagnose(broken, providers).remedy.startswith("look for overflow")

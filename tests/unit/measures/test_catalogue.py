"""Every budget's row names a measure and a diagnosis that exist and ask little."""

from __future__ import annotations

from importlib import import_module
from inspect import signature

import pytest

from pytest_edgegate.core.budget import BUDGETS, CONTRACT, BudgetKind
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


@named
def test_a_diagnosis_takes_the_measurement_and_providers(kind: BudgetKind) -> None:
    module, _, name = kind.diagnosis.partition(":")
    if not module:
        return
    assert kind.measure, "nothing can be red that nothing measures"
    explain = getattr(import_module(f"pytest_edgegate.diagnosis.{module}"), name)
    first, *asked = signature(explain).parameters
    assert first == "measured"
    assert set(asked) <= PROVIDERS

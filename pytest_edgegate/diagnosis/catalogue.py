"""Looks up the functions that explain red verdicts, as named in the table of budgets and here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from importlib import import_module
from inspect import signature
from math import isfinite

from pytest_edgegate.core.budget import CONTRACT
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.measures.catalogue import asked_by
from pytest_edgegate.measures.providers import Providers

OF_THE_ARTIFACT = ("slimming:pruning",)
"""Diagnoses that do not depend on the budget; they are shown once, with the first red verdict."""
_NONFINITE = "overflow:outputs"


def diagnose(verdict: Verdict, providers: Providers) -> Diagnosis:
    """The explanation of a red verdict; empty if nothing was measured."""
    measured = verdict.measured
    if measured is None:
        return Diagnosis()
    return _joined(_asked(measured, verdict), verdict, providers)


def diagnose_artifact(providers: Providers) -> Diagnosis:
    """What is worth showing about a red artifact, whatever its budgets."""
    return _joined(OF_THE_ARTIFACT, None, providers)


def guarded(explain: Callable[[], Diagnosis]) -> Diagnosis:
    """The diagnosis; one that fails costs neither the verdict nor another diagnosis."""
    try:
        return explain()
    except EdgeGateError as error:
        return Diagnosis((f"the cause is unknown: {error.message}",))


def _asked(measured: Measurement, verdict: Verdict) -> tuple[str, ...]:
    """The names of the diagnoses of a verdict, by importance.

    NaN and Inf explain themselves, but such a file may also violate the contract.
    """
    kind = verdict.budget.kind
    if measured.nonfinite:
        return (_NONFINITE, *(kind.diagnoses if kind is CONTRACT else ()))
    return kind.diagnoses if isfinite(measured.value) else ()


def _joined(names: tuple[str, ...], verdict: Verdict | None, providers: Providers) -> Diagnosis:
    found = (guarded(partial(_called, name, verdict, providers)) for name in names)
    return reduce(Diagnosis.then, found, Diagnosis())


def _called(name: str, verdict: Verdict | None, providers: Providers) -> Diagnosis:
    """Calls a diagnosis with the measurement, the providers and the limit that it names."""
    module, _, function = name.partition(":")
    explain = getattr(import_module(f"pytest_edgegate.diagnosis.{module}"), function)
    asked = asked_by(explain, providers)
    if verdict is not None and "limit" in signature(explain).parameters:
        asked["limit"] = float(verdict.budget.limit)
    given = () if verdict is None else (verdict.measured,)
    found: Diagnosis = explain(*given, **asked)
    return found

"""Looks up the function that explains a red verdict, as named in the table of budgets."""

from __future__ import annotations

from importlib import import_module

from pytest_edgegate.core.budget import CONTRACT
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.measures.catalogue import asked_by
from pytest_edgegate.measures.providers import Providers


def diagnose(verdict: Verdict, providers: Providers) -> Diagnosis:
    """The explanation of a red verdict; empty if nothing was measured.

    NaN and Inf explain themselves, but such a file may also violate the contract.
    """
    measured, kind = verdict.measured, verdict.budget.kind
    module, _, name = kind.diagnosis.partition(":")
    if measured is None or not module or (measured.nonfinite and kind is not CONTRACT):
        return Diagnosis()
    explain = getattr(import_module(f"pytest_edgegate.diagnosis.{module}"), name)
    arguments = asked_by(explain, providers)
    found: Diagnosis = explain(measured, **arguments)
    return found

"""Which function explains a red verdict, as the budget's row says."""

from __future__ import annotations

from importlib import import_module

from pytest_edgegate.core.budget import CONTRACT
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.measures.catalogue import asked_by
from pytest_edgegate.measures.providers import Providers


def diagnose(verdict: Verdict, providers: Providers) -> Diagnosis:
    """What is known of why it is red; nothing where nothing was measured.

    NaN and Inf explain themselves, but a file that gives them may break the contract as well.
    """
    measured, kind = verdict.measured, verdict.budget.kind
    module, _, name = kind.diagnosis.partition(":")
    if measured is None or not module or (measured.nonfinite and kind is not CONTRACT):
        return Diagnosis()
    explain = getattr(import_module(f"pytest_edgegate.diagnosis.{module}"), name)
    arguments = asked_by(explain, providers)
    found: Diagnosis = explain(measured, **arguments)
    return found

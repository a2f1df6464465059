"""Checks that the model under test is better than an answer that knows nothing of the sample.

A wrong reference (other preprocessing, other labels) makes every drop from it small.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.metrics import Chance, Resampling, Scoring

_FEW = 100
"""With fewer samples, a reference that is not proven better than chance may still be right."""
_FEW_TELLING = 10
"""The same for samples that chance does not get right by itself."""
_REMEDY = (
    "check its preprocessing and the labels (a wrong reference makes every drop small); "
    "EdgeData(..., reference_check=False) turns this check off for this data, "
    "edge_reference_check = false (ini) for all"
)


@dataclass(frozen=True)
class ReferenceCheck:
    """``fault``: (message, remedy) if the reference is not proven better than chance."""

    fault: tuple[str, str] | None = None
    grave: bool = False
    """Whether there were enough samples to prove it, so that the fault is an error."""
    cautions: tuple[str, ...] = ()


def check_reference(
    scoring: Scoring, reference: Evidence, resampling: Resampling
) -> ReferenceCheck:
    """Compares the reference with chance, paired on the same samples, one-sided at 95 %."""
    found = scoring.chance(reference, resampling)
    if found is None:
        return ReferenceCheck()
    cautions = (f"caution: {found.caution}",) if found.caution else ()
    if not isinstance(found, Chance):
        told = "caution: the model under test was not compared with chance"
        return ReferenceCheck(cautions=(f"{told}: {found.reason}", *cautions))
    if found.better:
        return ReferenceCheck(cautions=cautions)
    enough = found.n >= _FEW and found.telling >= _FEW_TELLING
    return ReferenceCheck(
        _fault(scoring, reference, found), enough and not resampling.too_few_groups, cautions
    )


def _fault(scoring: Scoring, reference: Evidence, chance: Chance) -> tuple[str, str]:
    part = "" if chance.n == reference.n else f", compared on {chance.n} of them"
    return (
        f"the model under test has {scoring.title} {scoring.value(reference):.4g} on "
        f"{reference.n} evaluation samples, which is not proven better than {chance.answer} "
        f"({chance.value:.4g}{part})",
        _REMEDY,
    )

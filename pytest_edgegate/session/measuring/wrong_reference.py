"""Feeds the models of a case otherwise, and explains a model under test that is at chance."""

from __future__ import annotations

from pytest_edgegate.diagnosis.accuracy import of_reference
from pytest_edgegate.diagnosis.catalogue import guarded
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.tries import Aim, Tries
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.measuring.observing import Observer
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.session.measuring.trying import Scored


def fed_otherwise(
    case: Case, observer: Observer, specimen: Specimen, as_fed: Evidence, aim: Aim
) -> Tries:
    """A model with some of the evaluation samples fed otherwise; *as_fed*: its results."""
    subject = case.subject
    scored = Scored(subject.scoring, subject.scoring_of, subject.groups)
    return observer.tried(specimen, subject.dataset.evaluation, scored, as_fed, aim)


def explained(
    fault: tuple[str, str], case: Case, observer: Observer, found: Evidence
) -> tuple[str, str]:
    """The (message, remedy) of a model under test at chance, with the cause if there is one.

    *found*: its results.
    """

    def tried() -> Tries:
        specimen = Specimen.of_model(case.subject.model)
        return fed_otherwise(case, observer, specimen, found, Aim())

    message, remedy = fault
    cause = guarded(lambda: of_reference(case.subject.scoring, found, tried))
    told = "; ".join((message, *filter(None, (cause.cause, *cause.details))))
    return told, "; or ".join(filter(None, (cause.remedy, remedy)))

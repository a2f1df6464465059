"""Explains times by single inferences."""

from __future__ import annotations

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.spelling import spell_time


def percentile(measured: Measurement) -> Diagnosis:
    """The median, to compare a tail with."""
    return _of("the median here is {}", measured)


def ratio(measured: Measurement) -> Diagnosis:
    """The time of the artifact itself."""
    return _of("one inference takes {} here", measured)


def _of(words: str, measured: Measurement) -> Diagnosis:
    if measured.typical is None:
        return Diagnosis()  # nothing was timed: a tool reported it
    return Diagnosis((words.format(spell_time(measured.typical)),))

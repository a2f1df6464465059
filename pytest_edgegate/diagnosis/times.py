"""Explains times by single inferences."""

from __future__ import annotations

from pytest_edgegate.core.budget import PROFILE
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.diagnosis.making import GIVEN, by_making, fewer_filters, in_int8
from pytest_edgegate.measures.providers import File
from pytest_edgegate.spelling import spell_time

_SLOW = {
    GIVEN: f"{PROFILE}; replace it where the file was made, or let edge_ptq make the file",
    "int8": f"{PROFILE}; int8 is not faster on every processor",
}


def percentile(measured: Measurement) -> Diagnosis:
    """The median, to compare a tail with."""
    return _of("the median here is {}", measured)


def ratio(measured: Measurement) -> Diagnosis:
    """The time of the artifact itself."""
    return _of("one inference takes {} here", measured)


def slow(measured: Measurement, file: File) -> Diagnosis:
    """The remedy for a time over its budget, by what made the file."""
    artifact, quantised = file.artifact, in_int8(file)
    ways = [by_making(artifact, _SLOW), fewer_filters(artifact.recipe)]
    if quantised:
        ways.insert(0, f"{artifact.dtype} is slower than int8 on most processors: {quantised}")
    return Diagnosis(remedy="; or ".join(filter(None, ways)))


def _of(words: str, measured: Measurement) -> Diagnosis:
    if measured.typical is None:
        return Diagnosis()  # nothing was timed: a tool reported it
    return Diagnosis((words.format(spell_time(measured.typical)),))

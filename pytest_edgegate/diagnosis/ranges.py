"""Detects evaluation samples in another range than the file was made for."""

from __future__ import annotations

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.data.encodings import Range, fitting
from pytest_edgegate.data.feeding import real_range
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.fed_inputs import FedInput, held_inputs
from pytest_edgegate.measures.input_check import HeldInput
from pytest_edgegate.measures.providers import File

_SAME = "give calibration and evaluation samples the same preprocessing"


def by_ranges(evaluated: Evidence, file: File) -> Diagnosis:
    """The difference between the evaluation samples and what the file was made for, if any.

    An artifact was made for its calibration samples; the quantised inputs of a third-party file
    show what it holds.
    """
    if len(evaluated.input_range) != 2:
        return Diagnosis()
    calibrated = file.artifact.provenance.get("calibration_ranges")
    if calibrated is None:
        return _by_inputs(evaluated, file)
    alone = len(calibrated) == 1
    found = (
        _by_calibration(tuple(calibrated[each.name]), each, alone=alone)
        for each in evaluated.inputs
        if each.name in calibrated
    )
    return next((each for each in found if each.cause), Diagnosis())


def _by_calibration(calibrated: Range, fed: FedInput, *, alone: bool) -> Diagnosis:
    seen = (fed.low, fed.high)
    if _alike(calibrated, seen):
        return Diagnosis()
    code = fitting(calibrated, seen)
    remedy = f"{_SAME}: {code} takes the calibration samples to the range of the others"
    of_input = "" if alone else f" for the input {fed.name}"
    return Diagnosis(
        cause=f"the calibration samples go from {_spelt(calibrated)}{of_input}, the evaluation "
        f"samples from {_spelt(seen)}",
        remedy=remedy if code else _SAME,
    )


def _by_inputs(evaluated: Evidence, file: File) -> Diagnosis:
    held = held_inputs(file.description(), file.artifact)
    found = (
        _by_input(each, real_range(held[each.name]), alone=len(evaluated.inputs) == 1)
        for each in evaluated.inputs
        if each.name in held
    )
    return next((each for each in found if each.cause), Diagnosis())


def _by_input(fed: FedInput, holds: Range, *, alone: bool) -> Diagnosis:
    seen = (fed.low, fed.high)
    if _alike(holds, seen):
        return Diagnosis()
    name = "the file's input" if alone else f"the file's input {fed.name}"
    code = fitting(seen, holds)
    remedy = f"feed {code}, if the file was made for such samples; or {_SAME}" if code else _SAME
    return Diagnosis(
        cause=f"{name} holds {_spelt(holds)}, and the evaluation samples go from {_spelt(seen)}",
        remedy=remedy,
    )


def _spelt(ends: Range) -> str:
    return f"{ends[0]:.4g} to {ends[1]:.4g}"


def _alike(one: Range, other: Range) -> bool:
    """Whether two ranges overlap by at least half of the wider one."""
    wider = max(one[1] - one[0], other[1] - other[0])
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return wider <= 0 or shared >= wider / 2


def of_clipped(found: HeldInput, artifact: Artifact) -> Diagnosis:
    """The cause and the remedy of an input that clips the evaluation samples."""
    if artifact.made:
        remedy = f"{_SAME}, or calibrate on samples that go as far as the evaluation samples"
        return Diagnosis(cause=str(found), remedy=remedy)
    code = fitting((found.fed.low, found.fed.high), found.held)
    remedy = f"feed {code}, if the file was made for such samples; or {_SAME}" if code else _SAME
    return Diagnosis(cause=str(found), remedy=remedy)

"""Detects evaluation samples in another range than the calibration samples."""

from __future__ import annotations

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.data.feeding import real_range
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.providers import File

Range = tuple[float, float]


def by_ranges(evaluated: Evidence, file: File) -> Diagnosis:
    """The difference between the ranges of evaluation and calibration samples, if there is one."""
    if len(evaluated.input_range) != 2:
        return Diagnosis()
    low, high = evaluated.input_range
    made_for = _made_for(file)
    if made_for is None or _alike(made_for[1], (low, high)):
        return Diagnosis()
    words, (least, most) = made_for
    return Diagnosis(
        cause=f"{words} {least:.4g} to {most:.4g}, the evaluation samples from "
        f"{low:.4g} to {high:.4g}",
        remedy="give calibration and evaluation samples the same preprocessing",
    )


def _made_for(file: File) -> tuple[str, Range] | None:
    given = file.artifact.provenance.get("calibration_range")
    if given is not None:
        return "the calibration samples go from", (given[0], given[1])
    # a file of unknown origin: its input shows its calibrated range
    tensors = file.description().inputs
    if len(tensors) != 1 or tensors[0].dtype not in ("int8", "uint8") or not tensors[0].scales:
        return None
    return "the file's input stands for", real_range(tensors[0])


def _alike(one: Range, other: Range) -> bool:
    """Whether two ranges overlap by at least half of the wider one."""
    wider = max(one[1] - one[0], other[1] - other[0])
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return wider <= 0 or shared >= wider / 2

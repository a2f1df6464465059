"""Explains NaN and Inf in outputs by what made the artifact."""

from __future__ import annotations

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement
from pytest_edgegate.diagnosis.making import GIVEN, by_making, in_int8
from pytest_edgegate.measures.providers import File

_REMEDIES = {
    GIVEN: (
        "look for overflow where the file was made: a layer whose range float16 or int8 does not "
        "hold; or let edge_ptq make the file"
    ),
    "int8": (
        "look for overflow: a layer whose range int8 does not hold, or one in float; gate "
        "export_error, which shows whether the float export has it too"
    ),
    "float16": "look for overflow: a layer with values above 65,504, which float16 does not hold",
    "float32": "run edge_model on that sample: nothing was quantised",
}


def outputs(measured: Measurement, file: File) -> Diagnosis:
    """NaN or Inf in the outputs of the artifact or of the model under test."""
    if measured.in_reference:
        return Diagnosis(remedy="run edge_model on that sample, and mend the model or the sample")
    artifact = file.artifact
    rates = [each.learning_rate for each in artifact.recipe if each.trains]
    ways = [by_making(artifact, _REMEDIES), in_int8(file) if artifact.dtype == "float16" else ""]
    ways += [f"train with a lower learning rate than {rate:g}" for rate in rates[-1:] if rate]
    return Diagnosis(remedy="; or ".join(filter(None, ways)))

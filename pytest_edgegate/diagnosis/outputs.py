"""Explains output differences: the sample with the largest one, and swapped outputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.core.shown_record import PartRecord
from pytest_edgegate.diagnosis.activations import by_activations
from pytest_edgegate.diagnosis.making import GIVEN, by_making, closer_outputs, in_order
from pytest_edgegate.measures.comparison import compared_export, decibels, misplaced
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.parity import of_source
from pytest_edgegate.measures.providers import File, Passes

_ROUNDING = {
    GIVEN: (
        "the runtimes compute this file differently: run such samples in the deployed "
        "runtime, and gate accuracy there, or let edge_ptq make the file"
    ),
    "float16": (
        "runtimes compute float16 in float16 or in float32: run such samples in the deployed "
        "runtime, and gate accuracy there"
    ),
    "float32": (
        "the runtimes add in different orders: allow the differences of float32 in the budget, or "
        "gate accuracy in the deployed runtime"
    ),
}
"""Remedies for runtimes that differ; int8 files have the budget's own."""
_ON_BOARD = {
    GIVEN: (
        "the kernels of the board's processor compute this file differently from those here: gate "
        "accuracy on the board, or let edge_ptq make the file"
    ),
    "float16": (
        "a processor with half-precision arithmetic adds up float16 in float16: ship float32 or "
        "int8 (PTQ) to this board, or gate accuracy on it"
    ),
    "float32": (
        "the board's kernels add in another order: allow the differences of float32 in the budget, "
        "or gate accuracy on the board"
    ),
}
"""The same where a runtime of an emulated processor differs."""


def of_export(measured: Measurement, passes: Passes, file: File) -> Diagnosis:
    """Differences between a float file, or the float export, and the model under test."""
    found = compared_export(passes, file)
    if isinstance(found, NotMeasured):
        return Diagnosis()
    cause = "; ".join(misplaced(found))
    if cause:
        return Diagnosis(_largest(found), cause, in_order(file.artifact))
    of_export = not file.description().is_float
    made = Diagnosis(_largest(found)).then(by_activations(passes.activations(of_export=of_export)))
    return made.then(Diagnosis(remedy=_of_this_model(file)))


def _of_this_model(file: File) -> str:
    """What to do about a float file that computes something else; empty for the gate's own."""
    if file.artifact.made:
        return ""
    return (
        f"make {file.artifact.path.name} again, of the model under test as it is now and in its "
        "inference mode, or raise the budget knowingly"
    )


def of_values(measured: Measurement, passes: Passes, file: File) -> Diagnosis:
    """The largest difference between the artifact and the model under test."""
    found = passes.compared()
    if isinstance(found, NotMeasured):
        return Diagnosis()
    cause = "; ".join(misplaced(found))
    return _of_differences(_largest(found), cause, passes, file)


def _largest(found: Evidence) -> tuple[str, ...]:
    farthest = found.number(int(found.arrays["absolute"].argmax()))
    return (f"largest difference: sample #{farthest}",)


def of_artifact(measured: Measurement, passes: Passes, file: File) -> Diagnosis:
    """Differences between the artifact and the model under test."""
    found = passes.compared()
    if isinstance(found, NotMeasured):
        return Diagnosis()
    ratios = decibels(found)
    each = ", ".join(f"{name} {it:.1f}" for name, it in zip(found.outputs, ratios, strict=True))
    details = (f"by output: {each}",) if len(ratios) > 1 else ()
    cause = "; ".join(misplaced(found))
    worst = sorted(zip(ratios, found.outputs, strict=True))
    parts = tuple(PartRecord(name, ratio, "dB") for ratio, name in worst)
    return replace(_of_differences(details, cause, passes, file), parts=parts)


def _of_differences(
    details: tuple[str, ...], misplacing: str, passes: Passes, file: File
) -> Diagnosis:
    if misplacing:
        return Diagnosis(details, misplacing, in_order(file.artifact))
    made = Diagnosis(details).then(by_activations(passes.activations()))
    return made.then(Diagnosis(remedy=closer_outputs(file, listed=False)))


def rounding(measured: Measurement, file: File) -> Diagnosis:
    """Adapts the remedy to what made the file, and to its dtype."""
    emulated = measured.source.startswith("emulator:")
    return Diagnosis(remedy=by_making(file.artifact, _ON_BOARD if emulated else _ROUNDING))


def agreement(measured: Measurement, passes: Passes) -> Diagnosis:
    """The samples on which runtimes disagree."""
    found = of_source(passes, measured.source)
    if found is None:
        return Diagnosis()
    if (found.arrays["agreement"] == 1).all():
        return Diagnosis(remedy="give more evaluation samples: on these the runtimes agree")
    return Diagnosis((f"samples that differ: {_differing(found)}",))


def within_a_step(measured: Measurement, passes: Passes) -> Diagnosis:
    """The sample with the fewest values within one step."""
    return _farthest(measured, passes, "within", lowest=True)


def in_steps(measured: Measurement, passes: Passes) -> Diagnosis:
    """The sample with the largest difference in steps."""
    return _farthest(measured, passes, "steps")


def in_values(measured: Measurement, passes: Passes) -> Diagnosis:
    """The sample with the largest difference in real values."""
    return _farthest(measured, passes, "absolute")


def _farthest(
    measured: Measurement, passes: Passes, key: str, *, lowest: bool = False
) -> Diagnosis:
    found = of_source(passes, measured.source)
    if found is None:
        return Diagnosis()
    values = found.arrays[key]
    worst = int(values.argmin() if lowest else values.argmax())
    return Diagnosis((f"largest difference: sample #{found.number(worst)}",))


def _differing(found: Evidence) -> str:
    differing = np.flatnonzero(found.arrays["agreement"] < 1)
    shown = ", ".join(f"#{found.number(at)}" for at in differing[:5])
    return f"{shown} and {len(differing) - 5} more" if len(differing) > 5 else shown

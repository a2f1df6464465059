"""The effect of pruning: a model before and after it, both in float in the same format."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.ports import Stopwatch
from pytest_edgegate.core.recipe import Recipe, Step
from pytest_edgegate.measures.providers import Clock, File
from pytest_edgegate.spelling import spell_bytes, spell_time

TIMED = 0.5
"""The time for timing both, in seconds; the result is shown but decides nothing."""


@dataclass(frozen=True)
class Slimming:
    """Pairs of (before, after). ``macs`` is None if a file does not show them."""

    step: Step
    parameters: tuple[int, int]
    macs: tuple[int, int] | None
    bytes: tuple[int, int]
    seconds: tuple[float, float] | None = None
    source: str = ""
    untimed: str = ""
    """Why the times are unknown, if timing failed."""

    def __str__(self) -> str:
        parts = [f"parameters {self.parameters[0]:,} -> {self.parameters[1]:,}"]
        if self.macs is not None:
            parts.append(f"MACs {self.macs[0]:,} -> {self.macs[1]:,}")
        parts.append(f"float file {spell_bytes(self.bytes[0])} -> {spell_bytes(self.bytes[1])}")
        if self.seconds is not None:
            before, after = map(spell_time, self.seconds)
            parts.append(f"latency {before} -> {after} ({self.source})")
        if self.untimed:
            parts.append(f"latency not measured: {self.untimed}")
        return f"{self.step}: {', '.join(parts)}"


def pruning(file: File, clock: Clock) -> Diagnosis:
    """One line about the effect of pruning; nothing without a pruning step."""
    line = _line(file, clock)
    return Diagnosis((line,)) if line else Diagnosis()


def _line(file: File, clock: Clock) -> str:
    cut = around_pruning(file.artifact.recipe)
    if cut is None:
        return ""
    try:
        before, after = (file.float_export(steps) for steps in cut)
        if isinstance(before, NotMeasured) or isinstance(after, NotMeasured):
            return ""  # the verdicts that need a float export report the reason
        return str(_compared(before, after, file, clock))
    except EdgeGateError as error:  # about the two float files, not the artifact
        return f"the effect of pruning is not measured: {error.message}"


def around_pruning(recipe: Recipe) -> tuple[Recipe, Recipe] | None:
    """The steps before pruning, and those up to and including it; None without pruning."""
    for at, step in enumerate(recipe):
        if step.removes_filters:
            return recipe[:at], recipe[: at + 1]
    return None


def _compared(before: Artifact, after: Artifact, file: File, clock: Clock) -> Slimming:
    files = [file.described(each) for each in (before, after)]
    known = not any(each.uncounted for each in files)
    found = Slimming(
        after.recipe[-1],
        (files[0].parameters, files[1].parameters),
        (files[0].macs, files[1].macs) if known else None,
        (before.size_bytes, after.size_bytes),
    )
    # a line that decides nothing is not worth waiting for more than once
    return found if file.artifact.cached else _timed(found, before, after, clock)


def _timed(found: Slimming, before: Artifact, after: Artifact, clock: Clock) -> Slimming:
    try:
        opened = clock.between(before, after)
        if opened is None:
            return found
        with opened as watch:
            return replace(found, seconds=timed(watch), source=watch.source)
    except EdgeGateError as error:  # the other figures are known
        return replace(found, untimed=error.message)


def timed(watch: Stopwatch) -> tuple[float, float]:
    """(before, after): medians of interleaved inferences; the pruned file is the artifact."""
    taken = watch.round(TIMED)
    return statistics.median(taken.reference), statistics.median(taken.artifact)

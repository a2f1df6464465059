"""What pruning took off: a model before and after it, both in float and in one format."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.ports import Inspector, Stopwatch
from pytest_edgegate.core.recipe import Recipe, Step
from pytest_edgegate.spelling import spell_bytes, spell_time

TIMED = 0.5
"""Seconds that both are timed for; it is shown and decides nothing."""


@dataclass(frozen=True)
class Slimming:
    """Pairs of (before, after). ``macs`` is None where a file does not tell."""

    step: Step
    parameters: tuple[int, int]
    macs: tuple[int, int] | None
    bytes: tuple[int, int]
    seconds: tuple[float, float] | None = None
    source: str = ""

    def __str__(self) -> str:
        parts = [f"parameters {self.parameters[0]:,} -> {self.parameters[1]:,}"]
        if self.macs is not None:
            parts.append(f"MACs {self.macs[0]:,} -> {self.macs[1]:,}")
        parts.append(f"float file {spell_bytes(self.bytes[0])} -> {spell_bytes(self.bytes[1])}")
        if self.seconds is not None:
            before, after = map(spell_time, self.seconds)
            parts.append(f"latency {before} -> {after} ({self.source})")
        return f"{self.step}: {', '.join(parts)}"


def around_pruning(recipe: Recipe) -> tuple[Recipe, Recipe] | None:
    """The steps before pruning, and those up to it; None for a recipe that does not prune."""
    for at, step in enumerate(recipe):
        if step.removes_filters:
            return recipe[:at], recipe[: at + 1]
    return None


def compare(before: Artifact, after: Artifact, inspector: Inspector) -> Slimming:
    """What is read off the two files."""
    files = [inspector.describe(each.main) for each in (before, after)]
    told = not any(each.uncounted for each in files)
    return Slimming(
        after.recipe[-1],
        (files[0].parameters, files[1].parameters),
        (files[0].macs, files[1].macs) if told else None,
        (before.size_bytes, after.size_bytes),
    )


def timed(watch: Stopwatch) -> tuple[float, float]:
    """(before, after): medians of interleaved inferences, where the artifact is what is after."""
    taken = watch.round(TIMED)
    return statistics.median(taken.reference), statistics.median(taken.artifact)

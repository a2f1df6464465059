"""Parity where runtimes are compared in several places: the worst figure is that of the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.rules import EMULATED, EMULATED_SECONDS
from pytest_edgegate.measures.evidence import Evidence, finite_or_finding
from pytest_edgegate.measures.providers import Passes
from pytest_edgegate.spelling import spell_time

STOPPED = "stopped"
"""The figure that is 1 where a pass has ended before its last sample."""


def worst_of(
    passes: Passes, figure: Callable[[Evidence], Finding], worse: Callable[..., Measurement]
) -> Finding:
    """The worst of the figures between the runtimes of this host and with those of an emulator.

    *worse*: min or max. Of equal ones it is the last: an emulator's says more of the board.
    """
    found = passes.parity()
    if isinstance(found, NotMeasured):
        return found
    figures = []
    for each in reversed(found):
        checked = finite_or_finding(each)
        made = figure(checked) if isinstance(checked, Evidence) else checked
        if isinstance(made, NotMeasured):
            return made
        if made.nonfinite:
            return replace(made, remark=passes.other_versions())
        figures.append(made)
    worst = worse(figures, key=lambda each: each.value)
    told = [
        f"{each.value:.6g} on {each.n:,} samples in {each.source}"
        for each in figures
        if each is not worst
    ]
    if (worst.n or 0) < (passes.samples or 0):
        time = spell_time(EMULATED_SECONDS)
        told.insert(0, f"an emulator is given {EMULATED} samples and {time} at most")
    remarks = (worst.remark, *told, passes.other_versions())
    worst = replace(worst, remark="; ".join(filter(None, remarks)))
    part = next((each for each in found if each.arrays[STOPPED].any()), None)
    # an interval tells by itself how little a part proves
    return worst if part is None or worst.low is not None else _of_a_part(worst, part, passes)


def _of_a_part(worst: Measurement, part: Evidence, passes: Passes) -> Measurement:
    """A figure without an interval, of a pass that had no time for all samples it was to run."""
    asked = EMULATED if passes.samples is None else min(EMULATED, passes.samples)
    return replace(
        worst,
        undecided=f"compared on {part.n} of the {asked} samples that an emulator is given: they "
        f"take longer than {spell_time(EMULATED_SECONDS)}, and a part proves nothing of the rest",
        undecided_remedy="judge that part by itself (edge_policy = point), or run this on a faster "
        "machine",
        over_for_sure=worst.over_for_sure or worst.source != part.source,
    )

"""Explains a red figure by channels of an output that share its scale with much larger ones."""

from __future__ import annotations

from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.measurement import Measurement, NotMeasured
from pytest_edgegate.measures import like_channels
from pytest_edgegate.measures.comparison import misplaced, signals
from pytest_edgegate.measures.dead_channels import DeadChannels
from pytest_edgegate.measures.evidence import Evidence
from pytest_edgegate.measures.like_channels import Group, spell_channels
from pytest_edgegate.measures.providers import File, Passes


def dead(measured: Measurement, passes: Passes, file: File) -> Diagnosis:
    """Channels that vary in the model under test and are constant in the file."""
    return by_dead_channels(passes, file)


def by_dead_channels(passes: Passes, file: File) -> Diagnosis:
    """The same for any red figure. An output that is constant as a whole has another cause."""
    found = [each for each in passes.dead_channels() if each.others is not None]
    if not found:
        return Diagnosis()
    hidden = [] if file.description().is_float else [each for each in found if each.overshadowed]
    cause = "; ".join(map(_of_scale, hidden or found))
    return Diagnosis(
        cause=cause, remedy=_split(hidden[0].output, hidden[0].channels) if hidden else ""
    )


def _of_scale(dead: DeadChannels) -> str:
    if not dead.overshadowed or dead.others is None:
        return str(dead)
    low, high = dead.others
    return f"{dead}, where one scale also serves channels from {low:.4g} to {high:.4g}"


def unlike(measured: Measurement, passes: Passes, file: File) -> Diagnosis:
    """A group of channels whose noise comes from the scale that it shares with another group."""
    found = passes.compared()
    if isinstance(found, NotMeasured) or file.description().is_float:
        return Diagnosis()
    ratios = signals(found, passes)
    worst = min(ratios, key=lambda each: each.decibels)
    groups = [each for each in ratios if each.output == worst.output and each.channels]
    if not worst.channels:
        return Diagnosis()
    shown = ", ".join(f"{spell_channels(each.channels)} {each.decibels:.1f}" for each in groups)
    details = (f"by group of channels of {worst.output}: {shown}",)
    if worst == groups[-1] or misplaced(found):  # by their spread: no other one made its scale
        return Diagnosis(details)
    low, high = _spread(found, worst.output, worst.channels)
    verbs = ("goes", "shares") if len(worst.channels) == 1 else ("go", "share")
    cause = (
        f"{spell_channels(worst.channels)} of output {worst.output} {verbs[0]} from {low:.4g} to "
        f"{high:.4g} in the model under test and {verbs[1]} the output's scale with larger ones"
    )
    return Diagnosis(details, cause, _split(worst.output, worst.channels))


def _spread(found: Evidence, output: str, channels: Group) -> tuple[float, float]:
    """The smallest and the largest value of these channels in the model under test."""
    sums = found.arrays[like_channels.key(found.outputs.index(output))][..., list(channels)]
    return float(sums[:, 4].min()), float(sums[:, 5].max())


def _split(output: str, channels: Group) -> str:
    return (
        f"split the output: let the model return {spell_channels(channels)} of {output} as an "
        "output of its own, which then gets a scale of its own"
    )

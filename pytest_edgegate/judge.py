"""Judges measurements against budgets, as pure functions, by the table of docs/verdicts.md."""

from __future__ import annotations

import math
from fractions import Fraction

from pytest_edgegate.core.budget import CONTRACT, Budget, Direction
from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.core.verdict import Outcome, Verdict
from pytest_edgegate.spelling import spell_pair, spell_time


def judge(finding: Finding, budget: Budget, rules: Rules, target: str) -> Verdict:
    """The verdict on one budget, by the table of docs/verdicts.md."""
    if isinstance(finding, NotMeasured):
        return Verdict(
            budget,
            Outcome.NOT_MEASURED,
            finding.reason,
            finding.remedy,
            allowed=rules.allows(target, budget.metric),
        )
    if finding.worst is not None and finding.worst <= budget.limit:
        return _vacuous(finding, budget, rules, target)
    if finding.nonfinite or not math.isfinite(finding.value):
        return Verdict(
            budget,
            Outcome.FAIL,
            finding.nonfinite or f"the figure itself is {finding.value}",
            "look for the first layer, or the metric, that gives NaN or Inf",
            proven=True,
            measured=finding,
            note=finding.remark,
        )
    if finding.aggregate:
        return _judge_aggregate(finding, budget, rules, target)
    if budget.kind.rule == "latency" and not finding.computed:
        return _judge_time(finding, budget, rules, target)
    if budget.kind.rule == "exact" and finding.undecided:
        return _judge_part(finding, budget, rules, target)
    held = _holds(finding, budget)
    by_interval = _has_interval(finding, budget)
    if by_interval and finding.undecided and rules.policy != "point":
        return _inconclusive(finding, budget, rules, target)
    proof = _proof(finding, budget) if by_interval else held
    policy = "lenient" if finding.only_if_proven else rules.policy
    outcome = Outcome.PASS if _passes(held, proof, policy) else Outcome.FAIL
    unproven = outcome is Outcome.FAIL and held and proof is None
    lacking = _MORE_SAMPLES if finding.provable else _OTHER_SAMPLES
    remedy = lacking if unproven else budget.kind.remedy_for(finding.direction)
    return Verdict(
        budget,
        outcome,
        _reason(finding, budget, held if proof is None else proof),
        remedy if outcome is Outcome.FAIL else "",
        proven=proof is not None and not finding.estimated,
        unproven=unproven,
        measured=finding,
        note=_notes(
            _early(finding) if proof is not None else _unproven(finding, budget), finding.remark
        ),
    )


def _vacuous(finding: Measurement, budget: Budget, rules: Rules, target: str) -> Verdict:
    """Of a limit that no artifact could exceed."""
    return Verdict(
        budget,
        Outcome.NOT_MEASURED,
        f"the model under test has {finding.scored_by} {finding.reference_value:.4g}, so that an "
        f"artifact that finds nothing at all would be within the limit of {budget.limit:g}",
        "see whether that is the model's real figure (its decode, the labels), and give a limit "
        "well below it",
        allowed=rules.allows(target, budget.metric),
        measured=finding,
    )


def _has_interval(finding: Measurement, budget: Budget) -> bool:
    """Whether the interval decides, as far as it can, rather than the value."""
    return budget.kind.rule == "interval" and not finding.computed


NARROW = 0.1
"""An interval that contains the limit and is wider than this share of it decides nothing."""


def _judge_time(finding: Measurement, budget: Budget, rules: Rules, target: str) -> Verdict:
    """Judges a time by its interval; a machine too noisy to decide makes it inconclusive."""
    proof = _proof(finding, budget)
    within = finding.excess is not None and finding.excess <= finding.floor
    small = proof is False and within
    if proof is None and not _is_narrow(finding, budget):
        return _inconclusive(finding, budget, rules, target)
    unclear = proof is None or small
    passes = rules.policy != "strict" if unclear else bool(proof)
    note = _below_floor(finding) if small else "" if proof is not None else finding.undecided
    return Verdict(
        budget,
        Outcome.PASS if passes else Outcome.FAIL,
        _reason(finding, budget, _holds(finding, budget)),
        "" if passes else _more_time(finding) if proof is None else budget.kind.remedy_for(),
        proven=not unclear,
        measured=finding,
        note=_notes(note, finding.remark),
    )


def _judge_aggregate(finding: Measurement, budget: Budget, rules: Rules, target: str) -> Verdict:
    """Compares a time without an interval: it decides, and proves nothing."""
    if rules.policy == "strict":
        return _inconclusive(finding, budget, rules, target)
    held = _holds(finding, budget)
    return Verdict(
        budget,
        Outcome.PASS if held else Outcome.FAIL,
        _reason(finding, budget, held),
        "" if held else budget.kind.remedy_for(),
        measured=finding,
        note=_notes(finding.undecided, finding.remark),
    )


def _judge_part(finding: Measurement, budget: Budget, rules: Rules, target: str) -> Verdict:
    """Compares an exact figure of a part of the samples, which proves only what is over by it."""
    held = _holds(finding, budget)
    proof = False if finding.over_for_sure and not held else None
    if proof is None and rules.policy == "strict":
        return _inconclusive(finding, budget, rules, target)
    passes = _passes(held, proof, rules.policy)
    return Verdict(
        budget,
        Outcome.PASS if passes else Outcome.FAIL,
        _reason(finding, budget, held),
        "" if passes else budget.kind.remedy_for(finding.direction),
        proven=proof is not None,
        measured=finding,
        note=_notes(finding.undecided, finding.remark),
    )


def _inconclusive(finding: Measurement, budget: Budget, rules: Rules, target: str) -> Verdict:
    return Verdict(
        budget,
        Outcome.INCONCLUSIVE,
        f"{_figure(finding, budget)} is not decided",
        _more_time(finding),
        allowed=rules.allows(target, budget.metric),
        measured=finding,
        note=_notes(finding.undecided, finding.remark),
    )


def _more_time(finding: Measurement) -> str:
    return finding.undecided_remedy or _MORE_TIME


def _notes(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _is_narrow(finding: Measurement, budget: Budget) -> bool:
    if finding.low is None or finding.high is None:
        return False
    return finding.high - finding.low < NARROW * budget.limit


def _below_floor(finding: Measurement) -> str:
    return f"{spell_time(finding.excess or 0)} over, below the floor of {spell_time(finding.floor)}"


def _figure(finding: Measurement, budget: Budget) -> str:
    value, limit = spell_pair(budget.metric, finding.value, budget.limit)
    return f"{value} against {limit}"


def _early(finding: Measurement) -> str:
    if not finding.decided_early:
        return ""
    return (
        f"decided early, from {finding.n:,} of {finding.n_total:,} samples in random order: the "
        "verdict is that of all of them, the value an estimate"
    )


def direction_of(finding: Measurement, budget: Budget) -> Direction:
    return finding.direction or budget.kind.direction


def _passes(held: bool, proof: bool | None, policy: str) -> bool:
    """``proof``: the interval is within the budget (True), over it (False) or neither (None)."""
    if proof is not None:
        return proof
    return {"point": held, "lenient": True, "strict": False}[policy]


def _holds(finding: Measurement, budget: Budget) -> bool:
    """The exact comparison: counts as fractions, limits as the decimals that were written."""
    # repr is the shortest decimal that reads back as this float: 0.99 is then no less than 0.99
    value = Fraction(repr(float(finding.value))) if finding.exact is None else finding.exact
    limit = Fraction(str(budget.limit))
    return value <= limit if direction_of(finding, budget) == "at most" else value >= limit


def _proof(finding: Measurement, budget: Budget) -> bool | None:
    if finding.proof is not None:
        return finding.proof
    if finding.low is None or finding.high is None or not finding.provable:
        return None
    if direction_of(finding, budget) == "at most":
        better, worse = finding.low, finding.high
        return True if worse <= budget.limit else False if better > budget.limit else None
    better, worse = finding.high, finding.low
    return True if worse >= budget.limit else False if better < budget.limit else None


def _reason(finding: Measurement, budget: Budget, held: bool) -> str:
    if budget.kind is CONTRACT:
        return _contract_reason(finding, held)
    at_most = direction_of(finding, budget) == "at most"
    sign = ("<=" if held else ">") if at_most else (">=" if held else "<")
    value, limit = spell_pair(budget.metric, finding.value, budget.limit)
    if finding.decided_early:
        return f"about {value}; the whole set is {sign} {limit}"
    return f"{value} {sign} {limit}"


def _contract_reason(finding: Measurement, held: bool) -> str:
    if held:
        return "the file is what the target takes"
    count = int(finding.value)
    things = "one thing" if count == 1 else f"{count} things"
    return f"{things} in the file that the target does not take"


def _unproven(finding: Measurement, budget: Budget) -> str:
    """Why the interval proves nothing, with the number of samples that would."""
    if finding.n is None:
        return finding.unprovable or "this interval can't prove anything"
    count, things = finding.n, "samples"
    if finding.groups is not None:
        count, things = finding.groups, "groups"
    if not finding.provable:
        same = f"{count:,} {things} can't prove anything: every one scored the same"
        return finding.unprovable or same
    about = _needed(finding, budget, count)
    if about is None:
        return f"{count:,} {things} can't prove it, nor would any number: {_AT_LIMIT}"
    return f"{count:,} {things} can't prove it; about {_rounded(about):,} would"


_AT_LIMIT = "the figure is at its budget"


def _needed(finding: Measurement, budget: Budget, count: int) -> int | None:
    """About how many samples would prove it; None at the budget, which no number proves.

    By the variance of a sample, with a power of 80 %. A set that needed more than that power
    promises, and a figure whose variance is not known, go by the interval instead, whose width
    falls with the root of the number of samples.
    """
    distance = abs(finding.value - budget.limit)
    if not distance:
        return None
    from pytest_edgegate.stats.samples import samples_of_agreement, samples_to_prove

    about = 0
    if finding.spread:
        about = samples_to_prove(finding.spread, distance)
    elif finding.spread is not None and distance < 1:  # the fewer samples, the less it says
        about = samples_of_agreement(distance)
    if about > count:
        return about
    ends = [each for each in (finding.low, finding.high) if each is not None]
    reach = max((abs(each - finding.value) for each in ends), default=0.0)
    return max(math.ceil(count * (reach / distance) ** 2), count + 1)


def _rounded(count: int) -> int:
    """Two significant digits: the estimate is no better."""
    scale: int = 10 ** max(len(str(count)) - 2, 0)
    return -(-count // scale) * scale


_MORE_SAMPLES = (
    "give more evaluation samples (the note says about how many), or judge this set by itself: "
    "edge_policy = point"
)
_OTHER_SAMPLES = (
    "give evaluation samples that can prove it (the note says what these lack), or judge this set "
    "by itself: edge_policy = point"
)
_MORE_TIME = (
    "stop what else runs on this machine, or give the measurement longer (ini edge_latency_time)"
)

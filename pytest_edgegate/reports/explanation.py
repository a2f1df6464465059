"""The output of --edge-explain: the plan of each gate; nothing is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pytest_edgegate.core.budget import Budget, BudgetKind
from pytest_edgegate.core.environment import processor
from pytest_edgegate.core.plan import Plan
from pytest_edgegate.core.recipe import spell
from pytest_edgegate.core.rules import EMULATED, may_end_early
from pytest_edgegate.core.target import Target
from pytest_edgegate.spelling import spell_value

_NOTHING = "nothing installed measures it: red"


def explain_plan(source: str, plan: Plan, cached: bool) -> list[str]:
    """Lines about how an artifact is built."""
    state = "in the cache" if cached else "to be built"
    path = " -> ".join(f"{leg.transform}: {leg.step or 'export'}" for leg in plan.legs)
    lines = [f"{source}: {spell(plan.recipe)} -> {plan.format} {plan.dtype}, {state}"]
    lines.append(f"  {path}" if path else "  the file as it is")
    if plan.note:
        lines.append(f"  {plan.note}")
    return lines


def explain_budgets(
    budgets: Sequence[Budget],
    target: Target,
    form: str,
    policy: str,
    emulated: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """A line for each budget: its limit, and how it is measured.

    *emulated*: the target's runtimes in an emulator, with the sources of their figures.
    """
    runtimes = target.runtimes.get(form, ())
    some = [
        f"{EMULATED} of them in {each} ({emulated[each]})" for each in runtimes if each in emulated
    ]
    words = {
        "runtime": runtimes[0] if runtimes else "?",
        "runtimes": ", up to ".join(
            (" and ".join(each for each in runtimes if each not in emulated), *some)
        ),
        "policy": policy,
    }
    early = may_end_early(policy, [each.metric for each in budgets])
    lines = []
    for budget in budgets:
        how = _how(budget.kind, target, form, early=early)
        tool = target.tools.get(budget.metric, "")
        lines.append(f"{_limit(budget)}: {how.format(**words, tool=tool)}")
    return lines or ["no budgets: the file is opened, run once, and checked against the target"]


def _limit(budget: Budget) -> str:
    sign = "<=" if budget.kind.direction == "at most" else ">="
    return f"{budget.metric} {sign} {spell_value(budget.metric, budget.limit)}"


def _how(kind: BudgetKind, target: Target, form: str, *, early: bool) -> str:
    """How a budget is measured, or why it is not."""
    if kind.name in target.tools:
        return "reported by the tool {tool}"
    if not kind.measure:
        return _NOTHING
    if kind.rule == "latency" and not _is_timed(kind, target):
        return "not measured here: red"
    if kind.in_every_runtime and len(target.runtimes.get(form, ())) < 2:
        return f"only {{runtime}} runs {form}, so there is nothing to compare: red"
    return kind.early_explanation if early and kind.ends_early else kind.explanation


def _is_timed(kind: BudgetKind, target: Target) -> bool:
    source = target.timed_by(processor().machine, on_host_only=kind.on_host_only)
    return source is not None

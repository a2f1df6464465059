"""Budgets that can't be measured for a target, as far as that is known before anything is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_edgegate.core.budget import Budget, kind_of
from pytest_edgegate.core.errors import BackendUnavailableError, UnknownNameError
from pytest_edgegate.core.measurement import NotMeasured
from pytest_edgegate.core.ports import RunsElsewhere
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.judge import judge
from pytest_edgegate.measures.catalogue import by_nothing
from pytest_edgegate.measures.parity import alone_in, without_steps
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.measuring.timing import untimed
from pytest_edgegate.session.tooling.tooling import Tooling


@dataclass(frozen=True)
class Unmeasurable:
    """Finds them by what is installed and what the target lists; reads and runs nothing."""

    registry: Registry
    tooling: Tooling
    rules: Rules

    def verdicts(
        self, case: Case, forms: Sequence[str], dtype: str = "", *, made: bool = False
    ) -> list[Verdict]:
        """The red verdicts on budgets of the case that no artifact in any of these formats has.

        *dtype*: that of the artifact, if it is known; *made*: whether the gate makes it. Budgets
        that the user allows to stay unmeasured are left out.
        """
        target, found = case.target, []
        for budget in case.budgets:
            finding = self._finding(budget, target, forms, dtype, made=made)
            if finding is not None:
                verdict = judge(finding, budget, self.rules, target.name)
                found.append(replace(verdict, target=target.name, test=case.test))
        return [each for each in found if each.red]

    def _finding(
        self, budget: Budget, target: Target, forms: Sequence[str], dtype: str, *, made: bool
    ) -> NotMeasured | None:
        metric = budget.metric
        found = [self._of_format(metric, target, form, dtype, made=made) for form in forms]
        return None if None in found else next(iter(found), None)

    def _of_format(
        self, metric: str, target: Target, form: str, dtype: str, *, made: bool
    ) -> NotMeasured | None:
        kind = kind_of(metric)
        if metric in target.tools:
            return self.tooling.absent(metric, form, target, made=made)
        if not kind.measure:
            return by_nothing(metric, target.name)
        if kind.rule == "latency":
            return untimed(metric, target, self.registry)
        if kind.in_steps and dtype.startswith("float"):
            return without_steps()
        return self._without_runtimes(target, form) if kind.in_every_runtime else None

    def _without_runtimes(self, target: Target, form: str) -> NotMeasured | None:
        runtimes = target.runtimes.get(form, ())
        alone = alone_in(runtimes, form, target.name)
        if alone is not None:
            return alone
        try:
            for name in runtimes[1:]:  # without the first one nothing is measured at all
                runtime = self.registry.get("runtime", name)
                if isinstance(runtime, RunsElsewhere):
                    runtime.check()
        except (BackendUnavailableError, UnknownNameError) as error:
            return NotMeasured(error.message, error.remedy)
        return None

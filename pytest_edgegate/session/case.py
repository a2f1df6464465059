"""A case: one test on one target, the argument of every step of a run."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.target import Target
from pytest_edgegate.session.before import NOTHING, Before
from pytest_edgegate.session.subject import Subject


@dataclass(frozen=True, eq=False)
class Case:
    """``budgets`` are those of the test's markers for this target."""

    subject: Subject
    target: Target
    budgets: tuple[Budget, ...] = ()
    test: str = ""
    before: Before = NOTHING
    """What was accepted of the test."""

    @property
    def in_full(self) -> bool:
        """Whether every pass is over all samples: for what is compared with what was accepted, or
        accepted itself."""
        before = self.before
        is_compared = any(each.kind.of_accepted for each in self.budgets)
        given = before.updating or before.entry is not None or bool(before.regressions)
        return given or is_compared

    def check(self, budgets: tuple[Budget, ...]) -> None:
        """Rejects implausible limits and groups before any work. Raises ConfigurationError."""
        self.subject.check_groups()
        for each in (*budgets, *(one.budget for one in self.before.regressions)):
            self._check_limit(each)

    def _check_limit(self, budget: Budget) -> None:
        """Rejects a limit in percent for a metric between 0 and 1."""
        doubtful, most = budget.kind.doubtful_from, budget.kind.most_of_a_share
        too_large = doubtful is not None and budget.limit >= doubtful
        unreachable = most is not None and budget.limit > most
        if not (too_large or unreachable) or not self.subject.is_scored_from_0_to_1:
            return
        name = self.subject.metric_name
        fault = (
            f"is above the highest {name} that there is: it lies between 0 and 1"
            if unreachable
            else f"would let half of the {name} go: it is in points of 0 to 1"
        )
        raise ConfigurationError(
            f"{budget.metric}={budget.written} {fault}", f"did you mean {budget.limit / 100:g}?"
        )

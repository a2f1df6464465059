"""A case: one test on one target, the argument of every step of a run."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_edgegate.core.budget import Budget
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.target import Target
from pytest_edgegate.session.subject import Subject


@dataclass(frozen=True, eq=False)
class Case:
    """``budgets`` are those of the test's markers for this target."""

    subject: Subject
    target: Target
    budgets: tuple[Budget, ...] = ()
    test: str = ""

    def check(self, budgets: tuple[Budget, ...]) -> None:
        """Rejects implausible limits before any work. Raises ConfigurationError."""
        for each in budgets:
            doubtful = each.kind.doubtful_from
            if doubtful is None or each.limit < doubtful or not self.subject.is_scored_from_0_to_1:
                continue
            raise ConfigurationError(
                f"{each.metric}={each.written} would let half of the {self.subject.metric_name} "
                "go: it is in points of 0 to 1",
                f"did you mean {each.limit / 100:g}?",
            )

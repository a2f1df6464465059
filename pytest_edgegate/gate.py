"""The assertion helpers, and the judging of markers: the only place that fails a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import CONTRACT, Budget
from pytest_edgegate.core.errors import BudgetExceeded, ConfigurationError
from pytest_edgegate.core.plan import Plan
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.reports.failure import explain, worst_first
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.session.subject import Subject
from pytest_edgegate.settings.units import budgets_from

_STOPPED = "What follows this call in the test, and its markers, is not judged."


@dataclass
class ItemGate:
    """What one test has asked for, made and judged so far, on one target."""

    session: EdgeSession
    target: Target
    test: str
    budgets: tuple[Budget, ...] = ()
    """The budgets of the markers that hold for this test and target."""
    tell: Callable[[Verdict], None] = lambda verdict: None
    requested: dict[str, tuple[Artifact, Subject]] = field(default_factory=dict)
    """By the name of the fixture that gave it."""
    given: list[tuple[Artifact, Subject]] = field(default_factory=list)
    """What edge_gate was called with."""
    verdicts: list[Verdict] = field(default_factory=list)
    plans: list[tuple[str, Plan, bool]] = field(default_factory=list)
    """For --edge-explain: (fixture, plan, whether it is cached)."""
    _reported: int = 0

    def request(self, fixture: str, recipe: Recipe | None, subject: Subject) -> Artifact:
        """The artifact for a fixture; the budgets of the markers will be judged on it."""
        self.session.check_budgets(self.budgets, subject)
        artifact = self.make(fixture, recipe, subject)
        self.requested[fixture] = (artifact, subject)
        return artifact

    def make(self, fixture: str, recipe: Recipe | None, subject: Subject) -> Artifact:
        if not self.session.settings.explain:
            return self.session.compress(subject, recipe, self.target)
        plan = self.session.plan(subject, recipe, self.target)
        cached = self.session.is_cached(subject, plan, self.target)
        self.plans.append((fixture, plan, cached))
        return _planned(plan, self.session)

    def by_hand(
        self, artifact: Artifact | str | Path, budgets: tuple[Budget, ...], subject: Subject,
        *, always_contract: bool = False,
    ) -> list[Verdict]:  # fmt: skip
        """Judges the budgets of one helper call, then raises once."""
        self.session.check_budgets(budgets, subject)
        if not isinstance(artifact, Artifact):
            artifact = self.session.adopt(artifact, self.target)
        self.given.append((artifact, subject))
        contract = always_contract or not self._is_judged(artifact, CONTRACT.name)
        verdicts = self._judge(artifact, subject, budgets, contract=contract)
        _raise_if_red(verdicts, _STOPPED)
        return verdicts

    def take_unreported(self) -> list[Verdict]:
        """The verdicts that were reached since this was asked last."""
        fresh = self.verdicts[self._reported :]
        self._reported = len(self.verdicts)
        return fresh

    def after_body(self) -> None:
        """Judges what the markers ask, on the artifact that the test requested."""
        pairs = self._to_judge()
        if self.budgets and not pairs:
            raise ConfigurationError(
                "nothing was gated: the test has a budget and no artifact",
                "request an artifact fixture (edge_ptq, edge_artifact), or call edge_gate",
            )
        found: list[Verdict] = []
        for artifact, subject in pairs:
            left = tuple(
                each for each in self.budgets if not self._is_judged(artifact, each.metric)
            )
            bare = not self.budgets and not self.given
            if left or bare:
                contract = not self._is_judged(artifact, CONTRACT.name)
                found += self._judge(
                    artifact, subject, left, contract=contract, show_parity=not any(
                        each.kind.in_every_runtime for each in left
                    ),
                )  # fmt: skip
        _raise_if_red(found)

    def _to_judge(self) -> list[tuple[Artifact, Subject]]:
        if self.requested:
            judged = list(self.requested.values())
        else:
            judged = self.given if self.budgets else []
        return list({(pair[0].path, pair[0].sha256): pair for pair in judged}.values())

    def _is_judged(self, artifact: Artifact, metric: str) -> bool:
        return any(
            each.budget.metric == metric
            and each.artifact is not None
            and each.artifact.digest == artifact.digest
            for each in self.verdicts
        )

    def _judge(
        self, artifact: Artifact, subject: Subject, budgets: tuple[Budget, ...], *,
        contract: bool, show_parity: bool = False,
    ) -> list[Verdict]:  # fmt: skip
        made = self.session.judge(
            artifact, subject, self.target, budgets, contract=contract, show_parity=show_parity,
            beside=self.budgets,
        )  # fmt: skip
        verdicts = [replace(each, test=self.test) for each in made]
        self.verdicts += verdicts
        for each in verdicts:
            self.tell(each)
        return verdicts


GATE_KEY = pytest.StashKey[ItemGate]()
"""Where a test keeps its ItemGate."""


class EdgeGate:
    """The fixture ``edge_gate``: assertions by hand.

    Each takes an artifact or the path of a file, returns the verdicts and raises one
    ``BudgetExceeded``, after all budgets of the call are judged, if any is red.
    """

    def __init__(self, gate: ItemGate, subject: Subject) -> None:
        self._gate = gate
        self._subject = subject

    def accuracy(
        self, artifact: Artifact | str | Path, *, drop: Any = None, drop_relative: Any = None,
        min: Any = None,  # noqa: A002 - the budget's own name
    ) -> list[Verdict]:  # fmt: skip
        """``drop`` in points (0.01 = one percentage point), ``drop_relative`` as a ratio,
        ``min`` in the metric's unit."""
        return self._by_hand(
            artifact, "edge_gate.accuracy",
            accuracy_drop=drop, accuracy_drop_relative=drop_relative, accuracy_min=min,
        )  # fmt: skip

    def size(self, artifact: Artifact | str | Path, limit: Any) -> list[Verdict]:
        """Bytes of every file that ships: ``"120 kB"``, or a number of bytes."""
        return self._by_hand(artifact, "edge_gate.size", size=limit)

    def latency(
        self, artifact: Artifact | str | Path, *, p50: Any = None, p95: Any = None,
        p99: Any = None, first: Any = None, ratio: Any = None,
    ) -> list[Verdict]:  # fmt: skip
        """Times with their unit (``"6 ms"``); ``ratio`` against the float export."""
        return self._by_hand(
            artifact, "edge_gate.latency", latency_p50=p50, latency_p95=p95, latency_p99=p99,
            latency_first=first, latency_ratio=ratio,
        )  # fmt: skip

    def parity(
        self, artifact: Artifact | str | Path, *, agreement: Any = None, within_lsb: Any = None,
        lsb: Any = None, abs: Any = None,  # noqa: A002 - the budget's own name
    ) -> list[Verdict]:  # fmt: skip
        """The same bytes in every runtime of the target: share of equal top-1, share within one
        output step, largest difference in steps, in real values."""
        return self._by_hand(
            artifact, "edge_gate.parity", parity_agreement=agreement, parity_within_lsb=within_lsb,
            parity_lsb=lsb, parity_abs=abs,
        )  # fmt: skip

    def check(self, artifact: Artifact | str | Path, **budgets: Any) -> list[Verdict]:
        """The file against the target's contract, and any budgets by their full names."""
        parsed = budgets_from(budgets, "edge_gate.check")
        return self._gate.by_hand(artifact, parsed, self._subject, always_contract=True)

    def _by_hand(self, artifact: Artifact | str | Path, call: str, **written: Any) -> list[Verdict]:
        budgets = budgets_from({k: v for k, v in written.items() if v is not None}, call)
        if not budgets:
            names = ", ".join(f"{name.split('_', 1)[-1]}=" for name in written)
            raise ConfigurationError(f"{call} was given no limit", f"give one of {names}")
        return self._gate.by_hand(artifact, budgets, self._subject)


def _raise_if_red(verdicts: list[Verdict], closing: str = "") -> None:
    if any(each.red for each in verdicts):
        text = explain((each.record for each in verdicts), closing)
        raise BudgetExceeded(text, worst_first(verdicts))


def _planned(plan: Plan, session: EdgeSession) -> Artifact:
    """Stands for an artifact that --edge-explain does not build."""
    path = session.cache.folder / f"not-built.{plan.format}"
    return Artifact(
        path, plan.format, plan.dtype, (path,), 0, "", plan.recipe, plan.target, cached=False
    )

"""The judging of one test, by its markers and by hand: the only place that fails a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.artifact_record import SeenRecord
from pytest_edgegate.core.budget import CONTRACT, Budget
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError
from pytest_edgegate.core.exceeded import BudgetExceeded
from pytest_edgegate.core.plan import Plan
from pytest_edgegate.core.recipe import Recipe
from pytest_edgegate.core.verdict import Verdict
from pytest_edgegate.reports.failure import explain, worst_first
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.run import EdgeSession
from pytest_edgegate.spelling import spell_value

_STOPPED = "What follows this call in the test, and its markers, is not judged."


@dataclass
class ItemGate:
    """The requests, artifacts and verdicts of one test on one target so far."""

    session: EdgeSession
    case: Case
    announce: Callable[[Verdict], None] = lambda verdict: None
    """Called with each verdict as soon as it is reached."""
    requested: dict[str, Artifact] = field(default_factory=dict)
    """Artifacts by the name of the fixture that returned them."""
    given: list[Artifact] = field(default_factory=list)
    """The artifacts and files that edge_gate was called with."""
    verdicts: list[Verdict] = field(default_factory=list)
    plans: list[tuple[str, Plan, bool]] = field(default_factory=list)
    """For --edge-explain: (fixture, plan, whether the artifact is cached)."""
    compressed: list[Artifact] = field(default_factory=list)
    """The artifacts that edge_compress has made for the test."""
    unmeasured: list[Verdict] = field(default_factory=list)
    """Red verdicts on budgets of the markers that nothing can measure here."""
    _copies: dict[str, Path] = field(default_factory=dict)
    """Where the artifacts of the test are exported to, by their digests."""
    _reported: int = 0

    def request(self, fixture: str, recipe: Recipe | None) -> Artifact:
        """The artifact for a fixture; the markers' budgets will be judged on it."""
        self.requested[fixture] = self.make(fixture, recipe)
        return self.requested[fixture]

    def make(self, fixture: str, recipe: Recipe | None) -> Artifact:
        """An artifact, or a placeholder where none is built."""
        session, plan = self.session, self.session.plan(self.case, recipe)
        self.stop_at(plan)
        if not self.is_stopped:
            session.look_ahead(self.case, plan)
        if session.settings.explain:
            cached = not self.is_stopped and session.is_cached(self.case, plan)
            self.plans.append((fixture, plan, cached))
        if session.settings.explain or self.is_stopped:
            return _planned(plan, session)
        return self._exported(session.build(self.case, plan))

    def _exported(self, artifact: Artifact) -> Artifact:
        """With its copy under the name of the test, if the run exports artifacts."""
        exports = self.session.exports
        if exports is None:
            return artifact
        digest = artifact.digest
        if digest not in self._copies:
            self._copies[digest] = exports.put(artifact, self.case.test, len(self._copies) + 1)
        return replace(artifact, exported=self._copies[digest])

    def look_at_body(self, *, compresses: bool) -> None:
        """Looks ahead for a test whose body decides what is gated.

        *compresses*: whether it may ask for artifacts of the model under test, by edge_compress.
        """
        self.stop_at()
        if not self.is_stopped:
            self.session.look_at_body(self.case, compresses=compresses)

    def by_call(self, recipe: Recipe) -> Artifact:
        """An artifact that the test's body, or a fixture of the user, asks for.

        Raises BudgetExceeded if the markers have budgets that can't be measured on it.
        """
        made = self.make("edge_compress", recipe)
        if self.is_stopped and not self.session.settings.explain:
            self._raise_stopped("Nothing was built, and the rest of the test did not run.")
        self.compressed.append(made)
        return made

    def stop_at(self, plan: Plan | None = None) -> None:
        """Finds the budgets that can't be measured for this plan, or for any file."""
        self.unmeasured = self.session.unmeasurable(self.case, plan)

    @property
    def is_stopped(self) -> bool:
        """Whether the test is red by now: nothing is built for it, and its body does not run."""
        return bool(self.unmeasured)

    @property
    def allowing(self) -> str:
        """The option by which a test that is stopped would run."""
        named = ",".join(
            f"{self.case.target.name}:{each.budget.metric}" for each in self.unmeasured
        )
        return f"--edge-allow-unmeasured={named}"

    def by_hand(
        self,
        artifact: Artifact | str | Path,
        budgets: tuple[Budget, ...],
        *,
        always_contract: bool = False,
        signature: str = "",
    ) -> list[Verdict]:
        """Judges the budgets of one helper call, then raises at most once."""
        self.case.check(budgets)
        if not isinstance(artifact, Artifact):
            artifact = self.session.adopt(artifact, self.case.target, signature)
        elif signature:
            raise ConfigurationError(
                f"signature={signature!r} chooses in a file, and edge_gate.check was given an "
                "artifact of this gate, which has one",
                "give the path of a file that has several, or take signature= out",
            )
        artifact = self._exported(artifact)
        self.given.append(artifact)
        contract = always_contract or not self._is_judged(artifact, CONTRACT.name)
        shown = self._shows_an_emulator(artifact, budgets)
        verdicts = self._judge(artifact, budgets, contract=contract, show_parity=shown)
        _raise_if_red(verdicts, _STOPPED)
        return verdicts

    def _shows_an_emulator(self, artifact: Artifact, budgets: tuple[Budget, ...]) -> bool:
        """Whether an emulated runtime of the target is here that no budget compares the artifact
        with."""
        gated = (*budgets, *(each.budget for each in self._own(artifact)))
        gated = (*gated, *self.case.budgets) if artifact in self._to_judge() else gated
        parity = any(each.kind.in_every_runtime for each in gated)
        return not parity and self.session.has_emulator(self.case.target)

    def by_hand_with_source(
        self,
        compiled: Artifact | str | Path,
        source: str | Path,
        budgets: tuple[Budget, ...],
        signature: str = "",
    ) -> list[Verdict]:
        """As ``by_hand``, for a file that was compiled for a chip: what it hides is judged on the
        file that it was compiled from."""
        self.case.check(budgets)
        target = self.case.target
        artifact = (
            compiled if isinstance(compiled, Artifact) else self.session.adopt(compiled, target)
        )
        before = self.session.adopt(source, target, signature)
        self.session.check_compiled(artifact, before, target)
        artifact, before = self._exported(artifact), self._exported(before)
        self.given += [artifact, before]
        own = tuple(each for each in budgets if not each.kind.of_source_files)
        others = tuple(each for each in budgets if each.kind.of_source_files)
        verdicts = self._judge(artifact, own, contract=True, source=before)
        if others:
            verdicts += self._judge(before, others, contract=True, twin=artifact)
        _raise_if_red(verdicts, _STOPPED)
        return verdicts

    def take_unreported(self) -> list[Verdict]:
        """The verdicts since the previous call."""
        fresh = self.verdicts[self._reported :]
        self._reported = len(self.verdicts)
        return fresh

    def seen(self, *, look: bool) -> list[SeenRecord]:
        """The artifacts of the test in absolute values; to *look*, also those that no budget asks
        for are measured, of what keeps to the contract."""
        if self.session.settings.explain or self.is_stopped:
            return []
        return [self._seen(each, look=look) for each in self._every.values()]

    def leave(self, refusals: Sequence[str], *, stopped: bool = False) -> None:
        """Leaves what was found, to be accepted; *refusals*: what speaks against it, beside the
        verdicts. *stopped*: whether the body ended before its end: what it has not gated keeps what
        was accepted of it."""
        if self.session.settings.explain:
            return
        from pytest_edgegate.session.recording import Recorded

        red = [
            f"{each.budget.metric} is red"
            for each in (*self.verdicts, *self.unmeasured)
            if each.red and not each.budget.kind.of_accepted
        ]
        found, artifacts = Recorded(), {} if self.is_stopped else self._gated
        try:
            for artifact in artifacts.values():
                self.session.record(found, self.case, artifact, self._own(artifact))
        except EdgeGateError as error:  # what is left to be accepted changes no outcome
            red.append(f"what it has found can't be kept: {error.message}")
        red += [f"two artifacts have the name {each}: give each its own" for each in found.twins]
        if stopped:
            found.keep(self.case.before)
        by_digest = {each.digest: each for each in artifacts.values()}
        self.session.ledger.leave(
            self.case.test, self.case.target.name, found, (*refusals, *red), by_digest
        )

    @property
    def _every(self) -> dict[tuple[Path, str], Artifact]:
        every = (*self.requested.values(), *self.given, *self.compressed)
        return {(each.path, each.digest): each for each in every}

    @property
    def _gated(self) -> dict[tuple[Path, str], Artifact]:
        """Those of which the contract was judged."""
        return {
            key: each for key, each in self._every.items() if self._is_judged(each, CONTRACT.name)
        }

    def _own(self, artifact: Artifact) -> list[Verdict]:
        """The verdicts on an artifact."""
        return [
            each
            for each in self.verdicts
            if each.artifact is not None and each.artifact.digest == artifact.digest
        ]

    def _seen(self, artifact: Artifact, *, look: bool) -> SeenRecord:
        own = self._own(artifact)
        look = look and not any(each.red and each.budget.kind is CONTRACT for each in own)
        try:
            return self.session.seen(self.case, artifact, own, look=look)
        except EdgeGateError:  # what is shown beside the verdicts changes no outcome
            return self.session.seen(self.case, artifact, own, look=False)

    @property
    def title(self) -> str:
        """The test and its target."""
        test = self.case.test.rpartition("::")[2]
        return f"{test.removesuffix(f'[{self.case.target.name}]')} on {self.case.target.name}"

    @property
    def judged_so_far(self) -> str:
        """The number of verdicts, and of the red ones."""
        if not self.verdicts:
            return "nothing judged yet"
        red = sum(each.red for each in self.verdicts)
        return f"{len(self.verdicts)} verdict{'s' if self.verdicts[1:] else ''}, {red} red"

    def raise_if_stopped(self) -> None:
        """Raises BudgetExceeded for a test that is red before its body."""
        if self.is_stopped:
            self._raise_stopped("Nothing was built, and the body of the test did not run.")

    def after_body(self) -> None:
        """Judges the markers' budgets on the artifact that the test requested."""
        self.raise_if_stopped()
        budgets, artifacts = self.case.budgets, self._to_judge()
        if budgets and not artifacts:
            raise nothing_gated(len(self.compressed))
        fault = self.case.before.fault
        if fault is not None:  # it is told once all else is judged
            budgets = tuple(each for each in budgets if not each.kind.of_accepted)
        found: list[Verdict] = []
        for artifact in artifacts:
            left = tuple(each for each in budgets if not self._is_judged(artifact, each.metric))
            bare = not budgets and not self.given
            if left or bare:
                contract = not self._is_judged(artifact, CONTRACT.name)
                show_parity = not any(each.kind.in_every_runtime for each in left)
                found += self._judge(artifact, left, contract=contract, show_parity=show_parity)
        _raise_if_red(found)
        if fault is not None:
            if self.case.asks_for_scores:
                for artifact in artifacts:
                    self.session.predict(self.case, artifact)
            raise fault

    def _raise_stopped(self, done: str) -> None:
        self._add(self.unmeasured)
        metrics = [each.budget.metric for each in self.unmeasured]
        others = [each.metric for each in self.case.budgets if each.metric not in metrics]
        left = f" Not judged: {', '.join(others)}." if others else ""
        remedy = f"To build the artifact and judge the rest: {self.allowing}"
        _raise_if_red(self.unmeasured, opening=f"{done}{left}\n{remedy}")

    def _to_judge(self) -> list[Artifact]:
        if self.requested:
            judged = list(self.requested.values())
        else:
            judged = self.given if self.case.budgets else []
        return list({(each.path, each.sha256): each for each in judged}.values())

    def _is_judged(self, artifact: Artifact, metric: str) -> bool:
        return any(_is_of(each, artifact, metric) for each in self.verdicts)

    def _with_replaced(self, verdict: Verdict, artifact: Artifact) -> Verdict:
        """Notes a stricter limit of a marker that a call of the test's body replaces."""
        metric = verdict.budget.metric
        marker = next((each for each in self.case.budgets if each.metric == metric), None)
        requested = {each.digest for each in self.requested.values()}
        if marker is None or (requested and artifact.digest not in requested):
            return verdict  # the marker is about another artifact
        judged = [each.budget for each in self.verdicts if _is_of(each, artifact, metric)]
        if not all(_is_looser(each, marker, verdict) for each in (verdict.budget, *judged)):
            return verdict
        limit = spell_value(metric, marker.limit)
        said = f"the marker's limit of {limit}, which is stricter, is replaced by this call"
        return replace(verdict, note="; ".join(filter(None, (verdict.note, said))))

    def _judge(
        self,
        artifact: Artifact,
        budgets: tuple[Budget, ...],
        *,
        contract: bool,
        show_parity: bool = False,
        source: Artifact | None = None,
        twin: Artifact | None = None,
    ) -> list[Verdict]:
        """*twin*: the file that was compiled from the artifact, which shows what is mapped."""
        if self.case.before.fault is None:
            asked = (*budgets, *(each.budget for each in self._own(artifact)))
            asked = (*asked, *self.case.budgets) if artifact in self._to_judge() else asked
            budgets = (*budgets, *self.session.regressions(self.case, artifact, asked))
        judged = self.session.judge(
            self.case,
            artifact,
            budgets,
            contract=contract,
            show_parity=show_parity,
            source=source,
            twin=twin,
        )
        verdicts = [self._with_replaced(each, artifact) for each in judged]
        self._add(verdicts)
        return verdicts

    def _add(self, verdicts: list[Verdict]) -> None:
        self.verdicts += verdicts
        for each in verdicts:
            self.announce(each)


def _is_of(verdict: Verdict, artifact: Artifact, metric: str) -> bool:
    judged = verdict.artifact
    return (
        verdict.budget.metric == metric and judged is not None and judged.digest == artifact.digest
    )


def _is_looser(budget: Budget, than: Budget, verdict: Verdict) -> bool:
    measured = verdict.measured
    direction = (measured and measured.direction) or budget.kind.direction
    return budget.limit > than.limit if direction == "at most" else budget.limit < than.limit


def nothing_gated(compressed: int = 0) -> ConfigurationError:
    """The error for a test with budgets but without an artifact to judge.

    *compressed*: how many artifacts edge_compress has made for it.
    """
    if compressed:
        return ConfigurationError(
            "nothing was gated: the test has a budget, and what edge_compress made was not given "
            "to edge_gate",
            "take edge_gate as an argument and write edge_gate.check(artifact): the budgets of the "
            "markers then hold for it; or request an artifact fixture (edge_artifact with "
            "edge_recipe)",
        )
    return ConfigurationError(
        "nothing was gated: the test has a budget and no artifact",
        "request an artifact fixture (edge_ptq, edge_artifact), or call edge_gate",
    )


GATE_KEY = pytest.StashKey[ItemGate]()
"""The key of a test's ItemGate in its stash."""


def _raise_if_red(verdicts: list[Verdict], closing: str = "", opening: str = "") -> None:
    if any(each.red for each in verdicts):
        text = explain((each.record for each in verdicts), closing, opening)
        raise BudgetExceeded(text, worst_first(verdicts))


def _planned(plan: Plan, session: EdgeSession) -> Artifact:
    """A placeholder for an artifact that --edge-explain does not build."""
    path = session.cache.folder / f"not-built.{plan.format}"
    return Artifact(
        path, plan.format, plan.dtype, (path,), 0, "", plan.recipe, plan.target, cached=False
    )

"""What makes the work on an artifact useless, found before that work.

The order is that of its causes: the model (which the planner has recognised), the data, the metric,
then the three together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pytest_edgegate.core.budget import Need
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError, UnsupportedError
from pytest_edgegate.core.plan import Plan
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.splits import ArraySplit
from pytest_edgegate.measures.metrics import Scoring, TopN
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.ahead.trial import Inputs, Taken, Trials
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.measuring.case_reference import CaseReference, PassRules
from pytest_edgegate.session.measuring.observing import Observer
from pytest_edgegate.session.measuring.specimen import Specimen


@dataclass(frozen=True)
class LookAhead:
    """The look ahead of a session."""

    registry: Registry
    observer: Observer
    trials: Trials
    rules: PassRules

    def check(self, case: Case, plan: Plan, *, only_try: bool = False) -> None:
        """Raises EdgeGateError if no artifact of this plan could be judged by the case's budgets.

        Its reference is compared with chance, unless *only_try*: then a few samples are run, and
        nothing is written.
        """
        look = _Look(self, case, plan)
        look.at_data()
        case.check(case.budgets)
        look.at_target()
        if not plan.legs:
            return  # the model under test is the artifact
        look.at_model(keep=not only_try)
        if not only_try:
            look.at_chance()


@dataclass(frozen=True)
class _Look:
    session: LookAhead
    case: Case
    plan: Plan

    @cached_property
    def needs(self) -> frozenset[Need]:
        """What the budgets need, without those that a tool reports."""
        by_tools = self.case.target.tools
        judged = (each for each in self.case.budgets if each.metric not in by_tools)
        return frozenset(need for each in judged for need in each.kind.needs)

    def at_data(self) -> None:
        subject = self.case.subject
        if "samples" in self.needs:
            _ = subject.dataset.evaluation
        if subject.has_data:
            subject.dataset.check()

    def at_target(self) -> None:
        """The runtime that opens the artifact has to be there."""
        for name in self.case.target.runtimes.get(self.plan.format, ())[:1]:
            self.session.registry.get("runtime", name)

    def at_model(self, *, keep: bool) -> None:
        specimen = self._specimen
        if specimen is None:
            return
        try:
            if "samples" in self.needs:
                inputs = self._tried(specimen, keep=keep)
            elif self._may_take_integers:
                inputs = self.session.trials.declared(specimen, keep=keep)
            else:
                return
        except ConfigurationError:
            raise
        except EdgeGateError:
            if "reference" in self.needs:
                raise
            return  # an artifact may be judged without its model being run
        _check_inputs(inputs, self.case.target)

    def _tried(self, specimen: Specimen, *, keep: bool) -> Inputs:
        trials, split = self.session.trials, self.case.subject.dataset.evaluation
        known = trials.passed(specimen, split, self._scoring)
        return trials.run(specimen, split, self._scoring, keep=keep) if known is None else known

    @property
    def _may_take_integers(self) -> bool:
        """Whether the target refuses some inputs, and the samples look like such."""
        subject = self.case.subject
        if not self.case.target.io_dtypes or not subject.has_data:
            return False
        splits = (subject.dataset.split(name) for name in ("evaluation", "calibration", "train"))
        arrays = next((each.inputs for each in splits if isinstance(each, ArraySplit)), ())
        return any(each.dtype.kind in "iub" for each in arrays)

    @cached_property
    def _scoring(self) -> Scoring | None:
        return self.case.subject.scoring if "labels" in self.needs else None

    @cached_property
    def _specimen(self) -> Specimen | None:
        """The model under test; None if it can't be run and nothing needs it to."""
        try:
            return Specimen.of_model(self.case.subject.model)
        except UnsupportedError:
            if "reference" in self.needs:
                raise
            return None

    def at_chance(self) -> None:
        reference = CaseReference(self.case, self.session.observer, self.session.rules)
        specimen, scoring = self._specimen, self._scoring
        if specimen is None or scoring is None or "reference" not in self.needs:
            return
        if not reference.is_checked:
            return
        split = reference.split
        if isinstance(split, ArraySplit) and isinstance(scoring, TopN) and reference.ends_early(()):
            found = self.session.observer.look_at(specimen, split, scoring, reference.is_trusted)
        else:
            found = reference.predictions(specimen)
        if found is not None:
            reference.better_than_chance(found)


def _check_inputs(inputs: Inputs, target: Target) -> None:
    """Raises UnsupportedError for an integer input in a dtype that the target does not take.

    Conversions keep the dtype of integers, which have no scale to be quantised with.
    """
    refused = [each for each in inputs if _is_integer(each) and _is_refused(each, target)]
    if not refused:
        return
    named = ", ".join(f"{each.name} in {each.dtype}" for each in refused)
    raise UnsupportedError(
        f"the model under test takes integers ({named}), such as token ids, and {target.name} "
        f"takes inputs in {' or '.join(target.io_dtypes)} only: no conversion changes that",
        "cut the model behind its embedding or cast, and give what that makes as its input; or "
        "gate it for a target that takes integers (--edge-list-targets)",
    )


def _is_integer(each: Taken) -> bool:
    return each.dtype.startswith(("int", "uint", "bool"))


def _is_refused(each: Taken, target: Target) -> bool:
    return bool(target.io_dtypes) and each.dtype not in target.io_dtypes

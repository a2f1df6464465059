"""What makes the work on an artifact useless, found before that work.

The order is that of its causes: the model (which the planner has recognised), the data, the metric,
then the three together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pytest_edgegate.core.budget import Budget, Need
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    ConfigurationError,
    EdgeGateError,
    UnknownNameError,
    UnsupportedError,
)
from pytest_edgegate.core.plan import Plan
from pytest_edgegate.core.ports import DeclaresInputs
from pytest_edgegate.core.rules import Rules
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.data.splits import Array, ArraySplit, Split, refuse_endless
from pytest_edgegate.measures.metrics import Scoring, TopN
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.ahead.made_with import MadeWith
from pytest_edgegate.session.ahead.trial import Inputs, Trials
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.measuring.case_reference import CaseReference, PassRules
from pytest_edgegate.session.measuring.input_orders import InputOrders
from pytest_edgegate.session.measuring.observing import Observer
from pytest_edgegate.session.measuring.scored_pass import unlabelled
from pytest_edgegate.session.measuring.specimen import Specimen

_MOST_AHEAD = 1_000
"""So many samples are looked at before a framework is imported; the others are in the passes."""


@dataclass(frozen=True)
class LookAhead:
    """The look ahead of a session."""

    registry: Registry
    observer: Observer
    trials: Trials
    made_with: MadeWith
    rules: PassRules
    judged_by: Rules

    def check(self, case: Case, plan: Plan, is_cached: Callable[[], bool]) -> None:
        """Raises EdgeGateError if no artifact of this plan could be judged by the case's budgets.

        *is_cached*: whether the artifact has been made before.
        """
        look = _Look(self, case, case.budgets)
        look.at_data()
        case.check(case.budgets)
        look.at_labels()
        look.at_runtimes((plan.format,))
        if not plan.legs:
            return  # the model under test is the artifact
        inputs = look.at_model()
        self.made_with.check(case, plan, inputs, is_cached)
        look.at_chance()

    def check_body(self, case: Case, *, compresses: bool, orders: InputOrders) -> None:
        """The same for a test whose body decides what is judged: a file, or, if it *compresses*, an
        artifact of the model under test.

        Of a given file the model under test tells nothing, unless a budget compares the two.
        Budgets that may stay unmeasured are left out: the file may be one that hides them.
        """
        case.check(case.budgets)
        target = case.target.name
        asked = (each for each in case.budgets if not self.judged_by.allows(target, each.metric))
        look = _Look(self, case, tuple(asked))
        if "samples" not in look.needs:
            return
        look.at_labels()
        look.at_runtimes(case.target.formats)
        if "reference" in look.needs or (compresses and case.subject.has_model):
            orders.check_model()
            look.at_model()
            look.at_chance()


@dataclass(frozen=True)
class _Look:
    session: LookAhead
    case: Case
    budgets: tuple[Budget, ...]

    @cached_property
    def needs(self) -> frozenset[Need]:
        """What the budgets need, without those that a tool reports."""
        by_tools = self.case.target.tools
        judged = (each for each in self.budgets if each.metric not in by_tools)
        return frozenset(need for each in judged for need in each.kind.needs)

    def at_data(self) -> None:
        subject = self.case.subject
        if "samples" in self.needs:
            _ = subject.dataset.evaluation
        if subject.has_data:
            subject.dataset.check()

    def at_labels(self) -> None:
        """The metric has to be one, what it compares with has to be there, and to end."""
        if "samples" not in self.needs:
            return
        split = self.case.subject.dataset.evaluation
        refuse_endless(split)
        scoring = self._scoring
        if scoring is not None and isinstance(split, ArraySplit) and split.labels is None:
            raise unlabelled(split, scoring)

    def at_runtimes(self, formats: Iterable[str]) -> None:
        """A runtime that opens an artifact in one of the formats has to be there."""
        missing: EdgeGateError | None = None
        for form in formats:
            for name in self.case.target.runtimes.get(form, ())[:1]:
                try:
                    self.session.registry.get("runtime", name)
                except (BackendUnavailableError, UnknownNameError) as error:
                    missing = missing or error
                else:
                    return
        if missing is not None:
            raise missing

    def at_model(self) -> Inputs | None:
        """The inputs of the model under test, if something needs it to be opened."""
        specimen = self._specimen
        if specimen is None:
            return None
        try:
            if "samples" in self.needs:
                inputs = self._tried(specimen)
            elif self._may_take_integers:
                inputs = self.session.observer.opener.inputs(specimen)
            else:
                return None
        except ConfigurationError:
            raise
        except EdgeGateError:
            if "reference" in self.needs:
                raise
            return None  # an artifact may be judged without its model being run
        _check_inputs(inputs, self.case.target)
        return inputs

    def _tried(self, specimen: Specimen) -> Inputs:
        trials, split = self.session.trials, self.case.subject.dataset.evaluation
        known = trials.passed(specimen, split, self._scoring)
        if known is not None:
            return known
        self._at_declared(split)
        return trials.run(specimen, split, self._scoring)

    def _at_declared(self, split: Split) -> None:
        """Samples that do not fit the inputs that the model's file declares, or that hold NaN, are
        told before its framework is imported."""
        model = self.case.subject.model
        inputs = model.declared_inputs() if isinstance(model, DeclaresInputs) else ()
        if inputs and isinstance(split, ArraySplit):
            first = tuple(each[:_MOST_AHEAD] for each in split.inputs)
            arrange(first, split.names, inputs, split.name, lambda at: at)

    @property
    def _may_take_integers(self) -> bool:
        """Whether the samples look like integers, which a target may refuse, or like ids, which a
        table may lack. Bytes are pixels, where the target takes any input."""
        subject, refuses = self.case.subject, bool(self.case.target.io_dtypes)
        if not subject.has_data:
            return False
        splits = (subject.dataset.split(name) for name in ("evaluation", "calibration", "train"))
        arrays = next((each.inputs for each in splits if isinstance(each, ArraySplit)), ())
        kinds = (each.dtype for each in arrays if each.dtype.kind in "iub")
        return any(refuses or each.itemsize > 1 for each in kinds) or (
            refuses and any(map(_are_like_ids, arrays))
        )

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
            found = self.session.observer.pairs.look_at(
                specimen, split, scoring, reference.is_trusted
            )
        else:
            found = reference.predictions(specimen)
        if found is not None:
            reference.better_than_chance(found)


def _check_inputs(inputs: Inputs, target: Target) -> None:
    """Raises UnsupportedError for an integer input in a dtype that the target does not take, or for
    ids in floats where it takes no dtype that holds them.

    Conversions keep the dtype of integers, which have no scale to be quantised with, and leave the
    cast of ids, and what looks them up, in float.
    """
    ids = [each.name for each in inputs if each.looked_up]
    if ids and target.io_dtypes and not _HOLDS_IDS & {*target.io_dtypes}:
        raise UnsupportedError(
            f"the model under test looks up what it is given as floats ({', '.join(ids)}), such as "
            f"token ids, and {target.name} takes inputs in {' or '.join(target.io_dtypes)} only: "
            "the cast and the table would run on the CPU, in float",
            _WITHOUT_IDS,
        )
    refused = [each for each in inputs if _is_integer(each) and _is_refused(each, target)]
    if not refused:
        return
    named = ", ".join(f"{each.name} in {each.dtype}" for each in refused)
    raise UnsupportedError(
        f"the model under test takes integers ({named}), such as token ids, and {target.name} "
        f"takes inputs in {' or '.join(target.io_dtypes)} only: no conversion changes that",
        _WITHOUT_IDS,
    )


_HOLDS_IDS = frozenset({"float32", "int32", "int64"})
_WITHOUT_IDS = (
    "cut the model behind its embedding or cast, and give what that makes as its input; or "
    "gate it for a target that takes integers (--edge-list-targets)"
)


def _are_like_ids(array: Array) -> bool:
    """Whether floats look like a sequence of ids: whole numbers, and not flags."""
    first = array[:8]
    return (
        first.dtype.kind == "f"
        and first.ndim == 2
        and bool((first == np.rint(first)).all() and first.max() > 1 and first.min() >= 0)
    )


def _is_integer(each: TensorInfo) -> bool:
    return each.dtype.startswith(("int", "uint", "bool"))


def _is_refused(each: TensorInfo, target: Target) -> bool:
    return bool(target.io_dtypes) and each.dtype not in target.io_dtypes

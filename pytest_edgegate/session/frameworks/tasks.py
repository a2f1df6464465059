"""What is to be done in the process of the frameworks, in the form in which it is sent there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_edgegate.core.by_value import as_plain
from pytest_edgegate.core.errors import CompressionError, EdgeGateError, InferenceError
from pytest_edgegate.core.recipe import STEPS, Step
from pytest_edgegate.core.target import Target
from pytest_edgegate.data.splits import Array
from pytest_edgegate.session.frameworks.sources import Source
from pytest_edgegate.session.leg_data import LegData
from pytest_edgegate.workers.wire import NO_ARRAYS, Expected, Message


@dataclass(frozen=True)
class Task:
    """One call of the desk over there."""

    name: str
    source: Source
    what: str
    """The model and what is done with it, for errors."""
    given: Mapping[str, Any] = field(default_factory=dict)
    arrays: tuple[Array, ...] = ()
    expected: Expected = NO_ARRAYS
    longer: float = 0.0
    """Seconds that it may be silent, where the work is known."""
    error: type[EdgeGateError] = InferenceError
    """What it is where it fails for no reason that is known here."""

    @property
    def question(self) -> Message:
        given = {**self.given, "source": self.source.fields()}
        return Message({"task": self.name, "given": given}, self.arrays, "work")


@dataclass(frozen=True)
class Work:
    """A leg of a plan, for the process of the frameworks."""

    transform: str
    """``module:attribute``"""
    source: Source
    step: Step | None
    target: Target
    data: LegData
    what: str
    """The leg in words, for errors."""

    def task(self, name: str, given: Mapping[str, Any], expected: Expected = NO_ARRAYS) -> Task:
        step = None if self.step is None else [type(self.step).__name__, as_plain(self.step)]
        sent = {
            "transform": self.transform,
            "step": step,
            "target": as_plain(self.target),
            "programs": {name: str(path) for name, path in self.data.programs.items()},
            "what": self.what,
            **given,
        }
        return Task(name, self.source, self.what, sent, expected=expected, error=CompressionError)


def can_be_sent(step: Step | None, data: LegData) -> bool:
    """Whether all that a step goes by has a form in which it crosses: functions have none."""
    settings, known = data.settings, step is None or type(step) in STEPS
    own = (settings.loss, settings.optimizer, settings.distill_loss)
    trains = step is not None and step.trains
    return known and not (trains and any(not isinstance(each, str | None) for each in own))

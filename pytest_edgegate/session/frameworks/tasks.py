"""Tasks for the framework process, as they are sent to it."""

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
    """One call of a method of ``FrameworkServer``."""

    name: str
    source: Source
    what: str
    """A description of the model and the work, for error messages."""
    given: Mapping[str, Any] = field(default_factory=dict)
    arrays: tuple[Array, ...] = ()
    expected: Expected = NO_ARRAYS
    loads: bool = False
    """Whether it may import a framework, load the model, trace or convert it."""
    longer: float = 0.0
    """Seconds that the process may be silent beyond the usual limit."""
    error: type[EdgeGateError] = InferenceError
    """The class of error for a failure without an error class of the gate."""

    @property
    def question(self) -> Message:
        given = {**self.given, "source": self.source.fields()}
        return Message({"task": self.name, "given": given}, self.arrays, "work")


@dataclass(frozen=True)
class Job:
    """A leg of a plan that the framework process builds or checks."""

    transform: str
    """``module:attribute``"""
    source: Source
    step: Step | None
    target: Target
    data: LegData
    what: str
    """A description of the leg, for error messages."""

    def task(self, name: str, given: Mapping[str, Any], expected: Expected = NO_ARRAYS) -> Task:
        step = None if self.step is None else _sent(self.step)
        sent = {
            "transform": self.transform,
            "step": step,
            "target": as_plain(self.target),
            "programs": {name: str(path) for name, path in self.data.programs.items()},
            "what": self.what,
            **given,
        }
        return Task(
            name,
            self.source,
            self.what,
            sent,
            expected=expected,
            loads=True,
            error=CompressionError,
        )


def can_be_sent(step: Step | None, data: LegData) -> bool:
    """Whether the step and its settings can be sent to another process; functions can't."""
    settings, known = data.training_settings, step is None or type(step) in STEPS
    own = (settings.loss, settings.optimizer, settings.distill_loss)
    trains = step is not None and step.trains
    return known and not (trains and any(not isinstance(each, str | None) for each in own))


def _sent(step: Step) -> list[Any]:
    """The name of a step, its fields, and which of them the user wrote, for messages."""
    return [type(step).__name__, as_plain(step), sorted(step.written)]

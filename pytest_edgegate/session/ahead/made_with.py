"""The samples that an artifact is made with, against the model under test.

The tools that calibrate and train tell what is wrong with samples in words of their own, after a
part of the work. Ids are the worst of it: which of them a table has rows for, only a run shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import ConfigurationError, CrashedError, InferenceError
from pytest_edgegate.core.plan import Plan
from pytest_edgegate.core.recipe import distils
from pytest_edgegate.data.dataset import Dataset, finite_or_error
from pytest_edgegate.data.feeding import arrange
from pytest_edgegate.data.splits import Array, ArraySplit
from pytest_edgegate.session.case import Case
from pytest_edgegate.session.leg_data import LegData
from pytest_edgegate.session.measuring.opening import Opener
from pytest_edgegate.session.measuring.specimen import Specimen


@dataclass(frozen=True)
class Used:
    """Samples of a split: an array of shape (n, ...) for each input."""

    split: str
    arrays: tuple[Array, ...]
    names: tuple[str, ...] | None


@dataclass(frozen=True)
class MadeWith:
    """Looks at the samples of each plan before its artifact is made, once."""

    opener: Opener
    _seen: set[tuple[str | None, ...]] = field(default_factory=set)

    def check(
        self,
        case: Case,
        plan: Plan,
        inputs: Sequence[TensorInfo] | None,
        is_cached: Callable[[], bool],
    ) -> None:
        """Raises ConfigurationError for samples that calibration or training could not use.

        *inputs*: those of the model under test, if it was opened. An artifact that *is_cached* was
        made with these samples.
        """
        steps = [leg.step for leg in plan.legs if leg.step is not None]
        trains = any(step.trains for step in steps)
        counts = [
            each.calibration_samples for each in steps if each.calibration_samples is not None
        ]
        count = max(counts, default=None)
        if not case.subject.has_data or not (trains or counts):
            return
        dataset = case.subject.dataset
        if is_cached():
            return
        train = dataset.split("train") if trains else None
        known = (
            case.subject.model.digest(),
            None if count is None else dataset.calibration(count).digest(),
            None if train is None else train.digest(),
        )
        if known in self._seen:
            return
        if count is not None:
            _check_calibration(dataset, count, None if distils(plan.recipe) else inputs)
        if inputs is not None and any(map(_is_integer, inputs)):
            own = None if distils(plan.recipe) else count
            self._look_up(case, tuple(_used(dataset, own, trains=trains)))
        self._seen.add(known)

    def _look_up(self, case: Case, used: Sequence[Used]) -> None:
        """Runs the model on the smallest and the largest ids at each place."""
        with self.opener.open(Specimen.of_model(case.subject.model)) as runner:
            for each in used:
                arranged = arrange(each.arrays, each.names, runner.inputs, each.split)
                pairs = zip(arranged, runner.inputs, strict=True)
                rows = _extremes([array for array, tensor in pairs if _is_integer(tensor)])
                try:
                    runner.infer(tuple(array[rows] for array in arranged))
                except CrashedError:
                    raise
                except InferenceError as error:
                    raise ConfigurationError(
                        f"edge_data.{each.split}: {error.message}", error.remedy
                    ) from error


def _check_calibration(dataset: Dataset, count: int, inputs: Sequence[TensorInfo] | None) -> None:
    """What a leg looks at before it calibrates, as far as the inputs are known."""
    if inputs is None:
        finite_or_error(dataset.calibration(count))
    else:
        LegData(dataset).calibration(count, inputs)


def _used(dataset: Dataset, count: int | None, *, trains: bool) -> Iterator[Used]:
    if count is not None:
        samples = dataset.calibration(count)
        yield Used(samples.origin, samples.arrays(), samples.names)
    train = dataset.split("train") if trains else None
    if isinstance(train, ArraySplit):  # a stream is not held whole
        yield Used(train.name, train.inputs, train.names)


def _is_integer(tensor: TensorInfo) -> bool:
    return tensor.dtype.startswith(("int", "uint")) and not tensor.scales


def _extremes(arrays: Sequence[Array]) -> Array:
    """The rows that have, at some place of an array, its smallest or its largest value."""
    flat = [array.reshape(len(array), -1) for array in arrays]
    return np.unique(
        np.concatenate([find(each, axis=0) for each in flat for find in (np.argmin, np.argmax)])
    )

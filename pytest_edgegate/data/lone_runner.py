"""Runs a model one sample at a time.

An exporter that saw one sample may write its shape into a Reshape: the file then declares a free
batch, and fails with more samples, or returns one row for all of them. Other models take a batch
and answer otherwise than alone. A device runs single samples, and so are they measured.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Self

from pytest_edgegate.core.errors import EdgeGateWarning, InferenceError
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.runners import OpenedModel, joined
from pytest_edgegate.data.splits import Array

Batch = tuple[Array, ...]
ALONE = (
    "declares a free batch and runs with a batch of 1 only: it is measured one sample at a time, "
    "as a device runs it"
)


def declares_a_free_batch(runner: Runner) -> bool:
    """Whether every input has a first dimension of any size."""
    return bool(runner.inputs) and all(each.shape[:1] == (-1,) for each in runner.inputs)


def one_at_a_time(runner: Runner) -> Runner:
    """A runner of the same opened model that gives it single samples."""
    return LoneRunner(runner, alone=True)


class LoneRunner(OpenedModel):
    """``alone``: whether samples are run one at a time: from the start, or since it has failed on
    several samples, and on none of them by itself.

    *warned_of* names the model in a warning that this has happened; empty for none.
    """

    def __init__(self, runner: Runner, warned_of: str = "", *, alone: bool = False) -> None:
        self._runner = runner
        self._warned_of = warned_of
        self.inputs, self.outputs = runner.inputs, runner.outputs
        self.alone = alone
        self._takes_more = False

    def __enter__(self) -> Self:
        self._runner.__enter__()
        return self

    def close(self) -> None:
        self._runner.__exit__(None, None, None)

    def infer(self, batch: Batch) -> Batch:
        return self._run(self._runner.infer, batch)

    def infer_raw(self, batch: Batch) -> Batch:
        return self._run(self._runner.infer_raw, batch)

    def once(self, sample: Batch) -> Callable[[], object]:
        return self._runner.once(sample)

    def _run(self, call: Callable[[Batch], Batch], batch: Batch) -> Batch:
        if self.alone:
            return _one_by_one(call, batch)
        several = len(batch[0]) > 1
        try:
            found = call(batch)
        except InferenceError as error:
            if not several or self._takes_more:
                raise
            try:
                found = _one_by_one(call, batch)
            except InferenceError:
                raise error from None
            self._be_alone()
        else:
            self._takes_more = self._takes_more or several
        return found

    def _be_alone(self) -> None:
        self.alone = True
        if self._warned_of:
            warnings.warn(f"{self._warned_of} {ALONE}", EdgeGateWarning, stacklevel=2)


def _one_by_one(call: Callable[[Batch], Batch], batch: Batch) -> Batch:
    count = len(batch[0])
    return joined([call(tuple(each[at : at + 1] for each in batch)) for at in range(count)])

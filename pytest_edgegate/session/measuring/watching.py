"""Watches the batches of a pass: whether their size, or what came before, changes the answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.lone_runner import one_at_a_time
from pytest_edgegate.data.runners import OpenedModel
from pytest_edgegate.data.splits import Array
from pytest_edgegate.measures.steadiness import (
    Conduct,
    Steadiness,
    answers_otherwise,
    examine_used,
    places,
)

_LOOKED_AT = 8
"""Batches up to this size were looked at before the pass."""
_LARGER = 4
"""After a batch was looked at, only one that is so many times as large is."""

Batch = tuple[Array, ...]


class WatchedRunner(OpenedModel):
    """A runner whose first large batch is looked at when it is used, and once more at the end.

    A model that turns out to answer otherwise in it is run one sample at a time from there on.
    """

    def __init__(
        self,
        runner: Runner,
        found: Callable[[Steadiness], None],
        by_range: Callable[[], bool],
        *,
        repeats: bool,
    ) -> None:
        """*found* is told of answers that differ, and may raise. *repeats*: see ``examine``."""
        self._runner = runner
        self._found = found
        self._by_range = by_range
        self._repeats = repeats
        self._enough = _LOOKED_AT
        self._alone: Runner | None = None
        self._kept: tuple[Batch, Batch] | None = None
        self.inputs, self.outputs = runner.inputs, runner.outputs

    @property
    def _running(self) -> Runner:
        return self._runner if self._alone is None else self._alone

    def infer(self, batch: Batch) -> Batch:
        made = self._running.infer(batch)
        if self._alone is not None or len(batch[0]) <= self._enough:
            return made
        self._enough = len(batch[0]) * _LARGER - 1
        few = tuple(each[places(len(each))] for each in batch)
        alone = one_at_a_time(self._runner).infer(few)
        self._kept = self._kept or (few, alone)
        seen = examine_used(self._runner, batch, made, alone, by_range=self._by_range)
        if seen.conduct is Conduct.STEADY:
            return made
        self._alone = one_at_a_time(self._runner)
        self._found(seen)
        return self._alone.infer(batch)

    def infer_raw(self, batch: Batch) -> Batch:
        return self._running.infer_raw(batch)

    def once(self, sample: Batch) -> Callable[[], object]:
        return self._running.once(sample)

    def settle(self) -> None:
        """Ends the pass: what was answered first is asked again."""
        if self._kept is None:
            return
        seen = Steadiness()
        if self._repeats:
            few, before = self._kept
            again = one_at_a_time(self._runner).infer(few)
            seen = answers_otherwise(self._runner, before, again, np.arange(len(few[0])))
        if seen.conduct is not Conduct.STEADY or self._alone is None:
            self._found(seen)

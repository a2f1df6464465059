"""Answers of slow models, remembered for the passes that give them the same samples again.

An accuracy, an SQNR and a comparison of outputs each pass over the evaluation data. A large model
takes longer for a sample than it takes to recognise one that it has answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.ports import Runner
from pytest_edgegate.data.row_digests import exact_digests
from pytest_edgegate.data.runners import OpenedModel
from pytest_edgegate.data.splits import Array, Split
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.storage.cache import key_of

MOST_BYTES = 64 << 20
"""The largest size of all remembered answers in bytes."""
_WORTH = 3
"""A model is worth it that takes this many times as long as recognising its samples."""

Batch = tuple[Array, ...]
Now = Callable[[], float]


class Opens(Protocol):
    """Opens models for a split."""

    def identity(self, specimen: Specimen) -> dict[str, object]: ...
    def is_examined(self, specimen: Specimen, *, repeats: bool = True) -> bool: ...
    def open(
        self, specimen: Specimen, *, repeats: bool = True
    ) -> AbstractContextManager[Runner]: ...


@dataclass
class _Answers:
    """Of one model in one runtime."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    rows: dict[bytes, Batch] = field(default_factory=dict)
    """The outputs of a sample, each without the axis of the batch."""
    worth: bool | None = None
    """Whether they are kept; None before its first batch."""

    def to(self, digests: list[bytes]) -> Batch:
        """The outputs of these samples; empty unless all of them are known."""
        rows = [row for each in digests if (row := self.rows.get(each)) is not None]
        if not rows or len(rows) < len(digests):
            return ()
        return tuple(np.stack(column) for column in zip(*rows, strict=True))


class AnswerMemory:
    """The answers of one run, within a number of bytes."""

    def __init__(self, most_bytes: int = MOST_BYTES, now: Now = time.perf_counter) -> None:
        self._left = most_bytes
        self._known: dict[str, _Answers] = {}
        self.now = now

    def of(self, key: str) -> _Answers | None:
        return self._known.get(key)

    def begin(self, key: str, runner: Runner) -> _Answers:
        return self._known.setdefault(key, _Answers(runner.inputs, runner.outputs))

    def keep(self, answers: _Answers, digests: list[bytes], outputs: Batch) -> None:
        """Nothing is kept of a batch that does not fit in whole."""
        size = sum(each.nbytes for each in outputs)
        if size > self._left:
            answers.worth = False
            return
        self._left -= size
        for at, digest in enumerate(digests):
            answers.rows[digest] = tuple(each[at].copy() for each in outputs)


@dataclass(frozen=True)
class RememberingOpener:
    """As its opener, but a model that has answered all samples of a pass stays closed.

    It is opened, though, where its answers to the samples of this split have not been examined:
    those of another split may have come one at a time.
    """

    opener: Opens
    memory: AnswerMemory
    split: Split

    def identity(self, specimen: Specimen) -> dict[str, object]:
        return self.opener.identity(specimen)

    @contextmanager
    def open(
        self, specimen: Specimen, *, repeats: bool = True, timed: bool = False
    ) -> Iterator[Runner]:
        """As ``FittingOpener.open``. *timed*: the model answers every sample itself, since the
        pass goes by the time that it takes."""
        key = key_of(kind="answers", model=self.identity(specimen))
        with ExitStack() as stack:

            def opened() -> Runner:
                return stack.enter_context(self.opener.open(specimen, repeats=repeats))

            known = self.memory.of(key)
            worth = known is not None and known.worth is True and not timed
            replays = worth and self.opener.is_examined(specimen, repeats=repeats)
            first = None if replays else opened()
            answers = known if known is not None or first is None else self.memory.begin(key, first)
            assert answers is not None
            yield RememberingRunner(self.memory, answers, opened, first, timed=timed)


class RememberingRunner(OpenedModel):
    """A runner that opens its model for a sample that it has not answered."""

    def __init__(
        self,
        memory: AnswerMemory,
        answers: _Answers,
        opened: Callable[[], Runner],
        first: Runner | None,
        *,
        timed: bool = False,
    ) -> None:
        """*first*: the model, if it is open. *timed*: see ``RememberingOpener.open``."""
        self._timed = timed
        self._memory, self._answers = memory, answers
        self._open, self._opened = opened, first
        self.inputs, self.outputs = answers.inputs, answers.outputs

    @property
    def _runner(self) -> Runner:
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def infer(self, batch: Batch) -> Batch:
        if self._answers.worth is False or any(each.dtype.hasobject for each in batch):
            return self._runner.infer(batch)
        start = self._memory.now()
        digests = exact_digests(batch)
        recognised = self._memory.now() - start
        remembered = () if self._timed else self._answers.to(digests)
        return remembered or self._answered(batch, digests, recognised)

    def _answered(self, batch: Batch, digests: list[bytes], recognised: float) -> Batch:
        """*recognised*: the seconds that the digests took."""
        start = self._memory.now()
        made = self._runner.infer(batch)
        if self._answers.worth is None:
            self._answers.worth = self._memory.now() - start > _WORTH * recognised
        if self._answers.worth and all(len(each) == len(digests) for each in made):
            self._memory.keep(self._answers, digests, made)
        return made

    def infer_raw(self, batch: Batch) -> Batch:
        return self._runner.infer_raw(batch)

    def once(self, sample: Batch) -> Callable[[], object]:
        return self._runner.once(sample)

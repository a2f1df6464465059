"""Files that are run by a process on another processor, which an emulator provides."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from pytest_edgegate.core.errors import BackendUnavailableError, CrashedError
from pytest_edgegate.core.ports import Runner, RunsElsewhere
from pytest_edgegate.data.row_digests import exact_digests
from pytest_edgegate.data.runners import QuantisingRunner
from pytest_edgegate.data.splits import Array
from pytest_edgegate.emulation.sysroot import AGAIN, EmulatorUnavailableError
from pytest_edgegate.session.measuring.specimen import Specimen
from pytest_edgegate.workers.process import Workers
from pytest_edgegate.workers.remote import RemoteRunner

_MOST_BYTES = 64 << 20
"""The largest size of the remembered outputs of one file in bytes."""
Batch = tuple[Array, ...]


class RawAnswers:
    """What a file has answered in this run, so that a figure that is shown costs no second pass."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._left = most_bytes
        self._rows: dict[bytes, Batch] = {}

    def find(self, digests: list[bytes]) -> Batch:
        """The outputs of these samples; empty unless all of them are known."""
        rows = [row for each in digests if (row := self._rows.get(each)) is not None]
        if not rows or len(rows) < len(digests):
            return ()
        return tuple(np.stack(column) for column in zip(*rows, strict=True))

    def keep(self, digests: list[bytes], outputs: Batch) -> None:
        """Nothing is kept of a batch that does not fit in whole."""
        size = sum(each.nbytes for each in outputs)
        if size > self._left or any(len(each) != len(digests) for each in outputs):
            return
        self._left -= size
        for at, digest in enumerate(digests):
            self._rows[digest] = tuple(each[at].copy() for each in outputs)


class ElsewhereRunner(QuantisingRunner):
    """Quantises here, so that the other side is given the same bytes as the runtimes here."""

    def __init__(self, remote: RemoteRunner, answers: RawAnswers) -> None:
        self._remote = remote
        self._answers = answers
        self.inputs, self.outputs = remote.inputs, remote.outputs

    def close(self) -> None:
        self._remote.close()

    def infer_raw(self, batch: Batch) -> Batch:
        digests = exact_digests(batch)
        known = self._answers.find(digests)
        if known:
            return known
        made = self._remote.infer_raw(batch)
        self._answers.keep(digests, made)
        return made

    def once(self, sample: Batch) -> Callable[[], object]:
        return partial(self._remote.infer_raw, self.repeated(sample, 1))


def opened_elsewhere(
    specimen: Specimen,
    runtime: RunsElsewhere,
    path: Path,
    workers: Workers,
    answers: RawAnswers,
) -> Runner:
    """The file of a specimen in one of the *workers* of a runtime.

    Raises EmulatorUnavailableError where a package can't be imported there.
    """
    what = f"{specimen.title} ({runtime.source})"
    try:
        remote = RemoteRunner(workers, runtime.entry, path, what, specimen.files, _ended)
    except BackendUnavailableError as error:  # it is about packages there, and pip is not for them
        raise EmulatorUnavailableError(
            f"{what} does not run, because the emulated ARM Python is not whole: {error.message} "
            "there",
            AGAIN,
        ) from error
    return ElsewhereRunner(remote, answers)


def _ended(error: CrashedError) -> CrashedError:
    """The error of an emulator that ended."""
    return CrashedError(
        error.message,
        "see whether the file runs on the board itself; if the emulator does not run other files "
        f"either: {AGAIN}",
    )

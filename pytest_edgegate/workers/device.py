"""This host as a device: files are timed in a fresh, dedicated process."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType

from filelock import FileLock

from pytest_edgegate.core.ports import Round, Stopwatch, TimingJob
from pytest_edgegate.core.target import HOST_URL
from pytest_edgegate.systems.files import user_name
from pytest_edgegate.tidy.alone import acquire
from pytest_edgegate.workers.process import Worker
from pytest_edgegate.workers.stopwatch import HostStopwatch, Now, TimedModel
from pytest_edgegate.workers.wire import Expected

LOCK = f"edgegate-latency-{user_name()}.lock"
"""The lock for one measurement of this user at a time on this machine, across pytest runs."""
_TIMES = Expected(2, 1 << 28)
"""The times of the artifact and of the reference, float64 of shape (n,)."""


class HostDevice:
    """This machine. ``clock`` is for tests."""

    def __init__(self, clock: Now = time.perf_counter) -> None:
        self._clock = clock

    def open(self, job: TimingJob) -> Stopwatch:
        job = replace(job, url=HOST_URL)  # by whatever name it is registered, it is this machine
        if job.entry is None:  # registered by a conftest.py, so no other process can import it
            return self._here(job)
        lock = FileLock(Path(tempfile.gettempdir()) / LOCK)
        awaited = "another latency measurement on this machine"
        acquire(lock, "latency measurements", awaited, job.progress)
        try:
            worker = Worker(job.timeout)
        except BaseException:
            lock.release()
            raise
        return RemoteStopwatch(worker, job, job.entry, lock)

    def _here(self, job: TimingJob) -> HostStopwatch:
        sides = [
            TimedModel(partial(job.opener.open, each.path), each.sample)
            for each in (job.artifact, job.reference)
            if each is not None
        ]
        threads = job.opener.options.get("threads")
        return HostStopwatch(job.source, sides, threads, self._clock, job.patience)


class RemoteStopwatch:
    """A stopwatch in a worker. Only results pass through the pipe."""

    def __init__(
        self, worker: Worker, job: TimingJob, entry: str, alone: FileLock | None = None
    ) -> None:
        """*alone*: the lock against other measurements, held until the end."""
        self.source = job.source
        self._worker = worker
        self.alone = alone
        self._what = f"{job.artifact.path.name} in {job.runtime}"
        timed = [each for each in (job.artifact, job.reference) if each is not None]
        try:
            sides = [
                [worker.placed(self._what, each.path, each.files), len(each.sample)]
                for each in timed
            ]
            ready = worker.call(
                "stopwatch",
                self._what,
                tuple(array for each in timed for array in each.sample),
                runtime=entry,
                source=self.source,
                patience=job.patience,
                sides=sides,
            )
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.conditions: Mapping[str, object] = MappingProxyType(ready.fields["conditions"])

    def __enter__(self) -> RemoteStopwatch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._worker.close()
        if self.alone is not None:
            self.alone.release()

    def now(self) -> float:
        return time.monotonic()

    def round(self, seconds: float) -> Round:
        answer = self._worker.call("round", self._what, (), seconds, _TIMES, seconds=seconds)
        artifact, reference = (tuple(each.tolist()) for each in answer.arrays)
        return Round(**answer.fields["round"] | {"artifact": artifact, "reference": reference})


HOST = HostDevice()

"""This host as a device: files are timed in a fresh process that does nothing else."""

from __future__ import annotations

import getpass
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType

from filelock import FileLock

from pytest_edgegate.core.ports import Round, Stopwatch, TimingJob
from pytest_edgegate.workers.process import Worker
from pytest_edgegate.workers.stopwatch import Clock, HostStopwatch, Side

_LOCK = f"edgegate-latency-{getpass.getuser()}.lock"
"""One measurement at a time on this machine, whichever process or pytest asks for it."""


class HostDevice:
    """This machine. ``clock`` is for tests."""

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self._clock = clock

    def open(self, job: TimingJob) -> Stopwatch:
        if job.entry is None:  # an object of a conftest.py, which no other process can import
            return self._here(job)
        lock = FileLock(Path(tempfile.gettempdir()) / _LOCK)
        lock.acquire()
        return RemoteStopwatch(Worker(job.timeout), lock, job, job.entry)

    def _here(self, job: TimingJob) -> HostStopwatch:
        sides = [
            Side(partial(job.opener.open, each.path), each.sample)
            for each in (job.artifact, job.reference)
            if each is not None
        ]
        threads = job.opener.options.get("threads")
        return HostStopwatch(f"host:{job.runtime}", sides, threads, self._clock, job.patience)


class RemoteStopwatch:
    """A stopwatch in a worker. Only results come through the pipe."""

    def __init__(self, worker: Worker, lock: FileLock, job: TimingJob, entry: str) -> None:
        self.source = f"host:{job.runtime}"
        self._worker = worker
        self.alone = lock
        self._what = f"{job.artifact.path.name} in {job.runtime}"
        timed = [each for each in (job.artifact, job.reference) if each is not None]
        try:
            ready = worker.call(
                "stopwatch", self._what, tuple(array for each in timed for array in each.sample),
                runtime=entry, source=self.source, patience=job.patience,
                sides=[[str(each.path), len(each.sample)] for each in timed],
            )  # fmt: skip
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.conditions: Mapping[str, object] = MappingProxyType(ready.fields["conditions"])

    def __enter__(self) -> RemoteStopwatch:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:  # fmt: skip
        self._worker.close()
        self.alone.release()

    def now(self) -> float:
        return time.monotonic()

    def round(self, seconds: float) -> Round:
        answer = self._worker.call("round", self._what, longer=seconds, seconds=seconds)
        told = answer.fields["round"]
        times = {side: tuple(told[side]) for side in ("artifact", "reference")}
        return Round(**told | times)


HOST = HostDevice()

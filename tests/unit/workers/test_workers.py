"""Workers: the same results as in this process, and an error of ours for every end."""

from __future__ import annotations

import gc
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    ConfigurationError,
    CrashedError,
    EdgeGateError,
    InferenceError,
)
from pytest_edgegate.core.ports import Timed, TimingJob
from pytest_edgegate.workers import channel, remote
from pytest_edgegate.workers.device import HOST, LOCK, RemoteStopwatch
from pytest_edgegate.workers.process import Worker, Workers
from pytest_edgegate.workers.remote import RemoteRunner, executed_remotely
from pytest_edgegate.workers.wire import Message

BAD = '''
import os, signal, sys, time
from types import SimpleNamespace
import numpy as np
from pytest_edgegate.core.description import TensorInfo
from pytest_edgegate.core.errors import BackendUnavailableError, ConfigurationError


class Runtime:
    """Opens a text file that says what its model does."""
    options = {"threads": 3}

    def open(self, path):
        return Runner(path.read_text().split(":"))

    def executed(self, path, batch):
        self.open(path).infer(batch)


class Runner:
    inputs = outputs = (TensorInfo("x", (-1, 2), "float32", scales=(0.5,), zero_points=(3,)),)

    def __init__(self, what):
        self.when, _, self.what = what[0].partition(" ")
        if self.when == "open":
            self.misbehave()

    def __enter__(self):
        return self

    def __exit__(self, *gone):
        pass

    def infer(self, batch):
        if self.when == "infer":
            self.misbehave()
        return tuple(array * 2 for array in batch)

    infer_raw = infer

    def once(self, sample):
        return lambda: self.infer(sample)

    def misbehave(self):
        if self.what == "crash":
            print("a last word", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        if self.what == "leave":
            os._exit(3)
        if self.what == "hang":
            signal.pause()
        if self.what == "configuration":
            raise ConfigurationError("no such thing", "write another")
        if self.what == "backend":
            raise BackendUnavailableError("a-package", "this", "all")
        if self.what == "raise":
            raise RuntimeError("from the depths")
        if self.what == "print":
            print("noise on stdout", flush=True)
            os.write(1, b"native noise")
        if self.what == "memory":
            np.ones(1 << 46)


RUNTIME = Runtime()
'''
X = (np.arange(6, dtype=np.float32).reshape(3, 2),)


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "bad_runtime.py").write_text(BAD)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "bad_runtime:RUNTIME"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.txt"
    path.write_text("fine")
    return path


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(timeout=60)
    yield made
    made.close()


def opened(workers: Workers, entry: str, path: Path) -> RemoteRunner:
    return RemoteRunner(workers, entry, path, f"{path.name} in bad")


def test_a_batch_comes_back_whole(workers: Workers, entry: str, model: Path) -> None:
    large = (np.random.default_rng(0).random((3_000, 2), np.float32),)
    with opened(workers, entry, model) as runner:
        np.testing.assert_array_equal(runner.infer(large)[0], large[0] * 2)
        np.testing.assert_array_equal(runner.infer_raw(X)[0], X[0] * 2)
        assert runner.inputs[0].shape == (-1, 2)
        assert runner.inputs[0].scales == (0.5,)


def test_a_worker_is_used_again(workers: Workers, entry: str, model: Path) -> None:
    seen = set()
    for _ in range(3):
        with opened(workers, entry, model) as runner:
            seen.add(runner._worker._process.pid)
    assert len(seen) == 1
    with opened(workers, entry, model) as one, opened(workers, entry, model) as other:
        assert one._worker is not other._worker


@pytest.mark.parametrize("when", ["open", "infer"])
@pytest.mark.parametrize(
    ("what", "kind", "said", "remedy"),
    [
        ("crash", CrashedError, "ended the process that ran it (SIGSEGV): a last word", "make"),
        ("leave", CrashedError, "ended the process that ran it (exit status 3)", "make"),
        ("configuration", ConfigurationError, "no such thing", "write another"),
        ("backend", BackendUnavailableError, "this needs the package a-package", "pip install"),
        ("raise", InferenceError, "m.txt in bad failed: RuntimeError: from the depths", "make"),
        ("memory", InferenceError, "MemoryError", "make"),
    ],
)
def test_every_end_is_an_error_of_ours(
    workers: Workers,
    entry: str,
    model: Path,
    when: str,
    what: str,
    kind: type[EdgeGateError],
    said: str,
    remedy: str,
) -> None:
    model.write_text(f"{when} {what}")
    with pytest.raises(kind) as raised, opened(workers, entry, model) as runner:
        runner.infer(X)
    assert type(raised.value) is kind
    assert said in str(raised.value)
    assert raised.value.remedy.startswith(remedy)
    model.write_text("fine")
    with opened(workers, entry, model) as runner:  # the session goes on
        assert len(runner.infer(X)[0]) == 3


@pytest.mark.parametrize("when", ["open", "infer"])
def test_what_hangs_is_stopped(entry: str, model: Path, when: str) -> None:
    model.write_text(f"{when} hang")
    workers = Workers(timeout=1)
    with (
        pytest.raises(InferenceError, match=r"did not answer within 1 s, and was stopped"),
        opened(workers, entry, model) as runner,
    ):
        runner.infer(X)
    workers.close()


def test_prints_do_not_disturb_the_pipe(workers: Workers, entry: str, model: Path) -> None:
    model.write_text("infer print")
    with opened(workers, entry, model) as runner:
        np.testing.assert_array_equal(runner.infer(X)[0], X[0] * 2)


def test_what_a_runtime_executes_is_asked_in_a_worker(
    workers: Workers, entry: str, model: Path
) -> None:
    assert executed_remotely(workers, entry, model, "m", X) is None
    model.write_text("infer crash")
    with pytest.raises(InferenceError, match="SIGSEGV"):
        executed_remotely(workers, entry, model, "m", X)


def test_a_stopwatch_in_a_worker(entry: str, model: Path) -> None:
    timed = Timed(model, (X[0][:1],))
    job = TimingJob("host", "bad", None, entry, timed, timed)  # type: ignore[arg-type]
    with HOST.open(job) as watch:
        assert watch.source == "host:bad"
        assert watch.conditions["threads"] == 3
        made = watch.round(0.01)
    assert len(made.artifact) == len(made.reference) >= 2
    assert min(made.artifact) > 0
    assert made.first > 0
    assert made.opening > 0


@pytest.mark.parametrize("when", ["open", "infer"])
def test_what_ends_while_it_is_timed(entry: str, model: Path, when: str) -> None:
    model.write_text(f"{when} crash")
    job = TimingJob("host", "bad", None, entry, Timed(model, (X[0][:1],)))  # type: ignore[arg-type]
    with HOST.open(job) as watch, pytest.raises(InferenceError, match=r"m.txt in bad .*SIGSEGV"):
        watch.round(0.01)


def test_one_measurement_at_a_time(entry: str, model: Path) -> None:
    job = TimingJob("host", "bad", None, entry, Timed(model, (X[0][:1],)))  # type: ignore[arg-type]
    with HOST.open(job) as watch:
        assert isinstance(watch, RemoteStopwatch)
        assert watch.alone.is_locked
    assert not watch.alone.is_locked


PARENT = """
import sys, threading
from pytest_edgegate.workers.process import Worker
worker = Worker(60)
print(worker._process.pid, flush=True)
worker.call("open", "m", runtime="bad_runtime:RUNTIME", path=sys.argv[1])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux to do it")
def test_a_worker_that_hangs_does_not_outlive_its_session(entry: str, model: Path) -> None:
    model.write_text("open hang")
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(model)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    import select

    assert select.select([child], [], [], 30)[0], "the worker still runs"
    os.close(child)


def test_a_worker_that_has_died_is_not_taken(workers: Workers) -> None:
    worker = workers.take()
    workers.give_back(worker)
    worker._process.kill()
    worker._process.wait()
    other = workers.take()
    assert other is not worker
    other.close()


def test_closing_twice_is_no_fault() -> None:
    worker = Worker(5)
    worker.close()
    worker.close()
    assert not worker.alive


def test_a_dropped_pool_ends_its_processes() -> None:
    pool = Workers(10)
    worker = pool.take()
    ran = worker._process
    pool.give_back(worker)
    del pool, worker
    gc.collect()
    assert not ran.alive
    assert ran.writer.closed


class Overdue(BaseException):
    """As pytest-timeout and others raise it from a signal."""


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Overdue])
def test_a_call_that_is_interrupted_leaves_no_answer_for_the_next(
    workers: Workers,
    entry: str,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[BaseException],
) -> None:
    with opened(workers, entry, model) as runner, monkeypatch.context() as patched:
        patched.setattr(channel, "receive", raiser(kind()))
        with pytest.raises(kind):
            runner.infer(X)
    with opened(workers, entry, model) as runner:
        np.testing.assert_array_equal(runner.infer((X[0] + 1,))[0], (X[0] + 1) * 2)


@pytest.mark.parametrize("error", [ValueError("no JSON"), struct.error("short"), MemoryError()])
def test_an_answer_that_cannot_be_read_is_an_error_of_ours(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    worker = workers.take()
    monkeypatch.setattr(channel, "receive", raiser(error))
    with pytest.raises(InferenceError, match=rf"can't be read \({type(error).__name__}"):
        worker.call("close", "m")
    assert not worker.alive
    workers.give_back(worker)
    other = workers.take()
    assert other is not worker
    other.close()


ERROR = {"kind": "", "message": "ValueError: from the depths"}


@pytest.mark.parametrize(
    "error",
    [
        "x",
        ["x"],
        {},
        {"kind": ""},
        {"message": "x"},
        ERROR | {"unknown": 1},
        ERROR | {"kind": 5},
        ERROR | {"message": None},
        ERROR | {"remedy": ["x"]},
        ERROR | {"number": "ENOSPC"},
        ERROR | {"mark": 0.5},
    ],
    ids=str,
)
def test_a_malformed_error_is_an_error_of_ours(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, error: object
) -> None:
    monkeypatch.setattr(channel, "receive", lambda *given: Message({"error": error}))
    with pytest.raises(InferenceError, match=r"can't be read \(WireError: a malformed error\)"):
        workers.take().call("close", "m")


@pytest.mark.parametrize(
    "kind", ["", "EdgeGateWarning", "BudgetExceeded", "presentable", "Iterable", "no such name"]
)
def test_an_error_of_a_kind_that_is_not_ours_is_an_inference_error(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    error = ERROR | {"kind": kind}
    monkeypatch.setattr(channel, "receive", lambda *given: Message({"error": error}))
    with pytest.raises(InferenceError, match=r"m failed: ValueError: from the depths"):
        workers.take().call("close", "m")


def test_an_error_of_a_kind_that_is_not_ours_keeps_its_remedy(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = {"kind": "Strange", "message": "no", "remedy": "upgrade it"}
    monkeypatch.setattr(channel, "receive", lambda *given: Message({"error": error}))
    with pytest.raises(InferenceError, match=r"m failed: no") as raised:
        workers.take().call("close", "m")
    assert raised.value.remedy == "upgrade it"


def raiser(error: BaseException) -> Callable[..., Message]:
    def receive(*given: object) -> Message:
        raise error

    return receive


def test_a_worker_lives_longer_than_the_thread_that_asked_for_it(
    workers: Workers, entry: str, model: Path
) -> None:
    made: list[Worker] = []

    def ask() -> None:
        made.append(workers.take())
        made[0].call("close", "m")  # it is ready

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    workers.give_back(made[0])
    with opened(workers, entry, model) as runner:
        assert runner._worker is made[0]
        np.testing.assert_array_equal(runner.infer(X)[0], X[0] * 2)


def test_a_hang_tells_how_long_it_was_waited_for(entry: str, model: Path) -> None:
    model.write_text("open hang")
    worker = Worker(1)
    with pytest.raises(InferenceError, match=r"did not answer within 1.5 s"):
        worker.call("open", "m", longer=0.5, runtime=entry, path=str(model))
    worker.close()


def test_a_clock_that_does_not_move_is_no_division_by_zero(
    workers: Workers, entry: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "time", SimpleNamespace(monotonic=lambda: 1.0))
    with opened(workers, entry, model) as runner:
        np.testing.assert_array_equal(runner.infer(X)[0], X[0] * 2)


def job(entry: str, model: Path, **more: Any) -> TimingJob:
    return TimingJob("host", "bad", None, entry, Timed(model, (X[0][:1],)), **more)  # type: ignore[arg-type]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the lock lies."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_wait_for_another_measurement_is_told(entry: str, model: Path, temporary: Path) -> None:
    other = FileLock(temporary / LOCK)
    other.acquire()
    told: list[tuple[str, float, float | None]] = []

    def progress(what: str, done: float, total: float | None) -> None:
        told.append((what, done, total))
        other.release()

    with HOST.open(job(entry, model, progress=progress)) as watch:
        assert watch.round(0.0).first > 0
    (what, waited, total), *_ = told
    assert what == "waiting for another latency measurement on this machine, seconds"
    assert waited > 0
    assert total is None


def test_a_lock_that_cannot_be_taken_is_an_error_of_ours(
    entry: str, model: Path, temporary: Path
) -> None:
    (temporary / LOCK).mkdir()
    with pytest.raises(ConfigurationError, match=r"lock for latency .* can't be taken") as it:
        HOST.open(job(entry, model))
    assert "TMPDIR" in it.value.remedy


def test_a_user_without_a_name_has_a_lock(tmp_path: Path) -> None:
    """As in a container that runs with a number of its own."""
    code = (
        "import getpass\n"
        "def nobody(): raise KeyError('uid not found')\n"
        "getpass.getuser = nobody\n"
        "import pytest_edgegate.workers.device"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("lacking", ["files", "folder"])
def test_a_worker_that_can_not_be_started(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    def none(*given: object, **options: object) -> Any:
        raise OSError(24, "Too many open files")

    if lacking == "files":
        monkeypatch.setattr(subprocess, "Popen", none)
    else:
        monkeypatch.setattr(tempfile, "TemporaryFile", none)
    with pytest.raises(InferenceError) as raised:
        Worker(5)
    assert raised.value.message == ("no process can be started for a runtime: too many open files")
    assert "ulimit -a" in raised.value.remedy
    gc.collect()  # a file that was left open would be told here

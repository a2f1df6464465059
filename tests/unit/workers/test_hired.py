"""A backend's own object in a process of its own."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from pytest_edgegate.core.errors import CompressionError, UnsupportedError
from pytest_edgegate.tidy.scratch import SCRATCH
from pytest_edgegate.workers.process import Worker, Workers

DESK = '''
import os, signal, tempfile, time
import numpy as np
from pytest_edgegate.core.errors import UnsupportedError


class Desk:
    """Adds up what it is given."""

    def __init__(self):
        self.total = 0

    def answer(self, command, fields, arrays):
        if command == "refuse":
            raise UnsupportedError("no such layer", "write another")
        if command == "fail":
            raise ValueError("out of range")
        if command == "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        if command == "hang":
            time.sleep(600)
        self.total += sum(float(each.sum()) for each in arrays) + fields.get("more", 0)
        print("chatter that must not get between")
        if command == "temporary":
            return {"folder": tempfile.gettempdir()}, ()
        return {"total": self.total, "pid": os.getpid()}, (np.float32([self.total]),)


def broken():
    raise ImportError("needs a package")
'''


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_desk.py").write_text(DESK)
    monkeypatch.syspath_prepend(tmp_path)
    return "own_desk:Desk"


def test_what_it_leaves_goes_with_the_session(desk: str) -> None:
    with Workers(30).hire(desk, "QAT on net") as child:
        fields, _ = child.call("temporary")
    folder = Path(fields["folder"])
    assert folder.is_relative_to(SCRATCH.folder())
    SCRATCH.remove()
    assert not folder.exists()


def test_it_keeps_its_object_from_call_to_call(desk: str) -> None:
    with Workers(30).hire(desk, "QAT on net") as child:
        child.call("add", (np.ones((2, 3)), np.ones(1, np.int64)))
        fields, (array,) = child.call("add", more=5)
    assert fields["total"] == 12
    assert array.dtype == np.float32
    assert array.tolist() == [12]


def test_every_hire_is_a_new_process(desk: str) -> None:
    workers = Workers(30)
    pids = set()
    for _ in range(2):
        with workers.hire(desk, "QAT on net") as child:
            pids.add(child.call("add")[0]["pid"])
    assert len(pids) == 2


def test_its_own_refusal_arrives_as_it_is(desk: str) -> None:
    with Workers(30).hire(desk, "QAT on net") as child:
        with pytest.raises(UnsupportedError) as raised:
            child.call("refuse")
        assert (raised.value.message, raised.value.remedy) == ("no such layer", "write another")
        assert child.call("add", more=1)[0]["total"] == 1, "it goes on after a refusal"


def test_what_goes_wrong_there_is_an_error_of_ours(desk: str) -> None:
    with (
        Workers(30).hire(desk, "QAT on net") as child,
        pytest.raises(CompressionError, match="QAT on net failed: ValueError: out of range"),
    ):
        child.call("fail")


def test_its_death_is_an_error_of_ours(desk: str) -> None:
    with (
        Workers(30).hire(desk, "QAT on net") as child,
        pytest.raises(CompressionError, match="SIGSEGV"),
    ):
        child.call("die")


def test_one_that_hangs_is_stopped(desk: str) -> None:
    with Workers(2).hire(desk, "QAT on net") as child:
        child.call("add")
        with pytest.raises(CompressionError, match="did not answer within 2 s") as raised:
            child.call("hang")
    assert "edge_runtime_timeout" in raised.value.remedy


def test_one_that_cannot_start_is_told(desk: str) -> None:
    with pytest.raises(CompressionError, match="needs a package"):
        Workers(30).hire("own_desk:broken", "QAT on net")


def test_one_that_cannot_start_leaves_no_process(
    desk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Worker] = []

    def fresh(self: Workers) -> Worker:
        started.append(Worker(30))
        return started[0]

    monkeypatch.setattr(Workers, "fresh", fresh)
    with pytest.raises(CompressionError, match="needs a package"):
        Workers(30).hire("own_desk:broken", "QAT on net")
    assert not started[0].alive


def test_an_interrupt_leaves_no_thread_to_wait_for(
    desk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C may come while the watchdog starts: the session must end all the same."""
    child = Workers(30).hire(desk, "QAT on net")
    start, watchdogs = threading.Timer.start, list[threading.Timer]()

    def interrupted(timer: threading.Timer) -> None:
        watchdogs.append(timer)
        start(timer)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Timer, "start", interrupted)
    with pytest.raises(KeyboardInterrupt), child:
        child.call("add")
    (watchdog,) = watchdogs
    assert watchdog.daemon, "the interpreter would wait for it"
    assert watchdog.finished.is_set(), "it was not called off"

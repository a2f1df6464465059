"""The worker's side: opens models, runs them, times them, or serves a backend's own object."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from pytest_edgegate.core.errors import EdgeGateError
from pytest_edgegate.core.ports import Runner, Runtime
from pytest_edgegate.workers.stopwatch import HostStopwatch, Side
from pytest_edgegate.workers.wire import Message, receive, send


def main(parent: int) -> None:
    """Serves what comes on stdin until that is closed; native prints go to stderr.

    *parent* is the process that has started this one, and ends it.
    """
    come, go = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    _die_first(parent)
    with os.fdopen(come, "rb") as incoming, os.fdopen(go, "wb") as outgoing:
        with suppress(EOFError, BrokenPipeError):
            _serve(incoming, outgoing)
        outgoing.flush()
        os._exit(0)  # native libraries that crash while they are unloaded have nothing to say


def _serve(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    desk = _Desk()
    while True:
        asked = receive(incoming)
        try:
            answer = desk.answer(asked)
        except EdgeGateError as error:
            answer = _refusal(type(error).__name__, error.message, error.remedy)
        except Exception as error:  # noqa: BLE001 - what a runtime of others raises is told
            answer = _refusal("", f"{type(error).__name__}: {error}", "")
        send(outgoing, answer)


def _refusal(kind: str, message: str, remedy: str) -> Message:
    return Message({"error": [kind, message, remedy]})


class _Desk:
    """What is open: one model to be run, one stopwatch, or one object of a backend."""

    def __init__(self) -> None:
        self._hired: Any = None
        self._runner: Runner | None = None
        self._stopwatch: HostStopwatch | None = None
        self._commands: Mapping[str, Callable[[Message], Message]] = {
            "open": self._open, "close": self._close,
            "infer": self._infer, "infer_raw": self._infer,
            "executed": self._executed, "stopwatch": self._prepare, "round": self._round,
            "hire": self._hire, "work": self._work,
        }  # fmt: skip

    def answer(self, asked: Message) -> Message:
        return self._commands[asked.fields["command"]](asked)

    def _hire(self, asked: Message) -> Message:
        self._hired = _imported(asked.fields["entry"])()
        return Message({})

    def _work(self, asked: Message) -> Message:
        fields, arrays = self._hired.answer(
            asked.fields["task"], asked.fields["given"], asked.arrays
        )
        return Message({"result": dict(fields)}, arrays)

    def _open(self, asked: Message) -> Message:
        self._close(asked)
        self._runner = _runtime(asked).open(Path(asked.fields["path"])).__enter__()
        ends = {
            "inputs": [asdict(each) for each in self._runner.inputs],
            "outputs": [asdict(each) for each in self._runner.outputs],
        }
        return Message(ends)

    def _infer(self, asked: Message) -> Message:
        assert self._runner is not None  # the other side opens first
        outputs = getattr(self._runner, asked.fields["command"])(asked.arrays)
        return Message({}, outputs)

    def _close(self, asked: Message) -> Message:
        if self._runner is not None:
            self._runner.__exit__(None, None, None)
            self._runner = None
        return Message({})

    def _executed(self, asked: Message) -> Message:
        found = _runtime(asked).executed(Path(asked.fields["path"]), asked.arrays)
        return Message({"executed": None if found is None else [asdict(each) for each in found]})

    def _prepare(self, asked: Message) -> Message:
        runtime = _runtime(asked)
        left = list(asked.arrays)
        sides = []
        for path, count in asked.fields["sides"]:
            sample, left = tuple(left[:count]), left[count:]
            sides.append(Side(partial(runtime.open, Path(path)), sample))
        threads = runtime.options.get("threads")
        self._stopwatch = HostStopwatch(
            asked.fields["source"], sides, threads, patience=asked.fields["patience"]
        )
        return Message({"conditions": dict(self._stopwatch.conditions)})

    def _round(self, asked: Message) -> Message:
        assert self._stopwatch is not None  # the other side prepares first
        return Message({"round": asdict(self._stopwatch.round(asked.fields["seconds"]))})


def _runtime(asked: Message) -> Runtime:
    runtime: Runtime = _imported(asked.fields["runtime"])
    return runtime


def _imported(entry: str) -> Any:
    """What ``module:attribute`` names."""
    module, _, attribute = entry.partition(":")
    found: Any = importlib.import_module(module)
    for name in attribute.split("."):
        found = getattr(found, name)
    return found


def _die_first(parent: int) -> None:
    """Makes the system end this process with its parent, and before others where memory ends.

    "With its parent" is with the thread that has started this process: see ``process._starter``.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes
    import signal

    parent_dies = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
    ctypes.CDLL(None).prctl(parent_dies, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before it could be asked for
        os._exit(0)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    _limit_memory()


def _limit_memory() -> None:
    """A file of absurd shapes gets an error from malloc, instead of all memory of the machine."""
    import resource

    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (whole, hard))

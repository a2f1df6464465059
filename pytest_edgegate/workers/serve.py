"""The worker's side: opens, runs and times models, or serves an object of a backend."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgegate.core.by_value import as_plain
from pytest_edgegate.core.ports import Runner, Runtime
from pytest_edgegate.tidy.scratch import SCRATCH
from pytest_edgegate.workers.channel import Channel
from pytest_edgegate.workers.sent_errors import as_raised, error_in
from pytest_edgegate.workers.sent_files import ReceivedFiles
from pytest_edgegate.workers.stopwatch import HostStopwatch, TimedModel
from pytest_edgegate.workers.wire import ANY_ARRAYS, Message, packed


def main() -> None:
    """Serves commands from stdin until it is closed; native output goes to stderr."""
    come, go = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    with os.fdopen(come, "rb") as incoming, os.fdopen(go, "wb") as outgoing:
        channel = Channel(incoming, outgoing, questions=ANY_ARRAYS)
        channel.serve(_Server(channel).answer)
        with suppress(BrokenPipeError):
            outgoing.flush()
        SCRATCH.remove()
        os._exit(0)  # a crash of native libraries while unloading is irrelevant


class _Server:
    """The open objects: a model to run, a stopwatch, or an object of a backend."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._hired: Any = None
        self._files = ReceivedFiles(lambda: SCRATCH.subfolder("received"))
        self._runner: Runner | None = None
        self._stopwatch: HostStopwatch | None = None
        self._commands: Mapping[str, Callable[[Message], Message]] = {
            "open": self._open,
            "close": self._close,
            "infer": self._infer,
            "infer_raw": self._infer,
            "executed": self._executed,
            "stopwatch": self._prepare,
            "round": self._round,
            "hire": self._hire,
            "work": self._work,
            "has": self._files.has,
            "put": self._files.put,
            "place": self._files.place,
        }

    def answer(self, asked: Message) -> Message:
        return self._commands[asked.command](asked)

    def _hire(self, asked: Message) -> Message:
        given = [self._ask] if asked.fields.get("asks") else []
        self._hired = imported(asked.fields["entry"])(*given)
        return Message({})

    def _ask(self, command: str, **fields: Any) -> Message:
        """Asks the session a question. Raises the session's error."""
        answer = self._channel.call(Message(fields, (), command), None, ANY_ARRAYS, self.answer)
        sent = error_in(answer)
        if sent is not None:
            raise as_raised(sent)
        return answer

    def _work(self, asked: Message) -> Message:
        fields, arrays = self._hired.answer(
            asked.fields["task"], asked.fields["given"], asked.arrays
        )
        return Message({"result": dict(fields)}, tuple(arrays))

    def _open(self, asked: Message) -> Message:
        self._close(asked)
        self._runner = _runtime(asked).open(Path(asked.fields["path"])).__enter__()
        ends = {"inputs": self._runner.inputs, "outputs": self._runner.outputs}
        return Message({side: as_plain(tuple(each)) for side, each in ends.items()})

    def _infer(self, asked: Message) -> Message:
        assert self._runner is not None  # the other side opens first
        outputs = getattr(self._runner, asked.command)(asked.arrays)
        return Message({}, outputs)

    def _close(self, asked: Message) -> Message:
        if self._runner is not None:
            self._runner.__exit__(None, None, None)
            self._runner = None
        return Message({})

    def _executed(self, asked: Message) -> Message:
        found = _runtime(asked).executed(Path(asked.fields["path"]), asked.arrays)
        return Message({}, (packed(None if found is None else as_plain(tuple(found))),))

    def _prepare(self, asked: Message) -> Message:
        runtime = _runtime(asked)
        left = list(asked.arrays)
        sides = []
        for path, count in asked.fields["sides"]:
            sample, left = tuple(left[:count]), left[count:]
            sides.append(TimedModel(partial(runtime.open, Path(path)), sample))
        threads = runtime.options.get("threads")
        self._stopwatch = HostStopwatch(
            asked.fields["source"], sides, threads, patience=asked.fields["patience"]
        )
        return Message({"conditions": dict(self._stopwatch.conditions)})

    def _round(self, asked: Message) -> Message:
        assert self._stopwatch is not None  # the other side prepares first
        sent = self._stopwatch.round(asked.fields["seconds"])
        times = tuple(np.array(each) for each in (sent.artifact, sent.reference))
        return Message({"round": as_plain(replace(sent, artifact=(), reference=()))}, times)


def _runtime(asked: Message) -> Runtime:
    runtime: Runtime = imported(asked.fields["runtime"])
    return runtime


def imported(entry: str) -> Any:
    """The object named by ``module:attribute``."""
    module, _, attribute = entry.partition(":")
    found: Any = importlib.import_module(module)
    for name in attribute.split("."):
        found = getattr(found, name)
    return found

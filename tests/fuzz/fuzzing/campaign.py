"""Many inputs, in a warm process that is replaced when one of them has ended it."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from fuzzing.outcomes import BAD, Kind, Result

_HERE = Path(__file__).parents[1]
_PACKAGE = Path(__file__).parents[3]
_NATIVE = (
    "h5py",
    "tensorflow",
    "keras",
    "tf_keras",
    "torch",
    "onnx",
    "onnxruntime",
    "openvino",
    "ai_edge_litert",
)
"""Libraries whose own crashes are counted apart."""
_WARM = 300.0
"""Seconds that importing everything may take on a busy machine."""
_BATCH = 500
_FRESH = 3000
"""Inputs after which a process makes way for another: frameworks keep something of every model."""


@dataclass
class Tally:
    """What became of the inputs of one format."""

    format: str
    counts: Counter[Kind] = field(default_factory=Counter)
    natives: Counter[str] = field(default_factory=Counter)
    """Crashes inside native libraries, by the library."""
    bad: list[Result] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, result: Result) -> None:
        self.counts[result.kind] += 1
        if result.kind is Kind.NATIVE:
            self.natives[result.text.split("/")[0]] += 1
        if result.kind in (*BAD, Kind.NATIVE):
            self.bad.append(result)

    @property
    def failed(self) -> int:
        return sum(self.counts[kind] for kind in BAD)


_FRESH_PYTHON = (sys.executable, "-m", "fuzzing.worker")


class Worker:
    """``fuzzing.worker`` for some formats, started again after each death."""

    def __init__(
        self,
        formats: Sequence[str],
        *,
        hang: float = 60.0,
        memory: int = 8 * 10**9,
        runtime_timeout: float = 8.0,
        python: Sequence[str] = _FRESH_PYTHON,
    ) -> None:
        """*hang*: seconds without an answer after which a process is given up. *python*: the
        command that starts it."""
        self._python = list(python)
        self._formats = list(formats)
        self._hang, self._memory, self._timeout = hang, memory, runtime_timeout
        self._folder = tempfile.TemporaryDirectory(prefix="edgegate-fuzz-")
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._warm = False
        self._taken = 0
        """Inputs since the process was started."""

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
        self._folder.cleanup()

    def start(self) -> None:
        """Starts the process, which imports what it needs while others work."""
        if self._process is not None and self._process.poll() is None:
            return
        folder = Path(self._folder.name)
        for each in ("tmp", "home"):
            (folder / each).mkdir(exist_ok=True)
        paths = [str(_HERE), str(_PACKAGE), os.environ.get("PYTHONPATH", "")]
        self._buffer, self._warm, self._taken = b"", False, 0
        self._process = subprocess.Popen(
            [
                *self._python,
                "--folder",
                str(folder),
                "--formats",
                ",".join(self._formats),
                "--memory",
                str(self._memory),
                "--timeout",
                str(self._timeout),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                "TMPDIR": str(folder / "tmp"),
                "HOME": str(folder / "home"),
                "CUDA_VISIBLE_DEVICES": "",
                "OMP_NUM_THREADS": "1",
                "TF_CPP_MIN_LOG_LEVEL": "3",
            },
        )

    def tried(
        self,
        form: str,
        seed: int,
        numbers: Sequence[int],
        opened: int | None = None,
        kept: Sequence[int] | None = None,
    ) -> Iterator[Result]:
        """The result of every number, whatever becomes of the process."""
        done = 0
        while done < len(numbers):
            if self._taken >= _FRESH:
                self._end()
            for result in self._batch(form, seed, numbers[done : done + _BATCH], opened, kept):
                done += 1
                self._taken += 1
                yield result

    def _batch(
        self,
        form: str,
        seed: int,
        numbers: Sequence[int],
        opened: int | None,
        kept: Sequence[int] | None,
    ) -> Iterator[Result]:
        self.start()
        assert self._process is not None
        assert self._process.stdin is not None
        if not self._warm:
            self._line(_WARM)
            self._warm = True
        asked = {
            "format": form,
            "seed": seed,
            "numbers": list(numbers),
            "opened": opened,
            "kept": kept,
        }
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process.stdin.flush()
        for number in numbers:
            try:
                line = self._line(self._hang)
            except (TimeoutError, EOFError) as error:
                yield self._died(number, hung=isinstance(error, TimeoutError))
                return
            answer = json.loads(line)
            if "fault" in answer:
                raise RuntimeError(
                    f"the fuzzer itself failed at {form}:{seed}:{number}:\n{answer['fault']}"
                )
            yield Result.from_dict(answer)

    def _line(self, patience: float) -> bytes:
        """The next line. Raises TimeoutError, EOFError."""
        assert self._process is not None
        assert self._process.stdout is not None
        end = time.monotonic() + patience
        while b"\n" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise TimeoutError
            read = os.read(self._process.stdout.fileno(), 65536)
            if not read:
                raise EOFError
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _died(self, number: int, *, hung: bool) -> Result:
        process, self._process = self._process, None
        assert process is not None
        if hung:
            _stack(process)
            _kill(process)
            return Result(number, Kind.HANG, f"no answer in {self._hang:g} s", self._stacks())
        code = process.wait()
        _kill(process)
        name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        said = self._stacks()
        place = innermost(said)
        kind = Kind.NATIVE if place.split("/")[0] in _NATIVE else Kind.CRASH
        return Result(number, kind, ": ".join(filter(None, (place, name))), said)

    def _stacks(self) -> str:
        """What faulthandler has written, and the last words of native code."""
        folder = Path(self._folder.name)
        died = (
            (folder / "died").read_text(errors="replace").split("\nExtension modules:")[0][-9000:]
        )
        printed = (folder / "printed").read_text(errors="replace")[-500:]
        return f"{died}\n{printed}"

    def _end(self) -> None:
        if self._process is not None:
            _kill(self._process)
            self._process = None


def _stack(process: subprocess.Popen[bytes]) -> None:
    """Asks a process that hangs where it is; faulthandler tells and ends it."""
    process.send_signal(signal.SIGABRT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends a process with the runtimes' processes that it has started: the group is its own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def innermost(stacks: str) -> str:
    """Where faulthandler saw the process die: the innermost line of a package or of ours.

    The thread that died is told first; where it runs no Python (a pool of a runtime), the one that
    waits for it.
    """
    current = stacks[stacks.find("Current thread") :]
    for part in (current.split("\n\n")[0], stacks):
        found = re.search(r'(?:site-packages/|(?=pytest_edgegate/))([^"]+)", line (\d+)', part)
        if found:
            return f"{found[1]}:{found[2]}"
    return ""


def campaign(
    worker: Worker,
    form: str,
    seed: int,
    numbers: Sequence[int],
    *,
    opened: int | None = None,
    told: Callable[[Result], None] = lambda result: None,
    enough: Callable[[], bool] = lambda: False,
) -> Tally:
    """The tally of the numbers, or of the first ones where it is *enough* before the last."""
    tally, started = Tally(form), time.monotonic()
    for result in worker.tried(form, seed, numbers, opened):
        tally.add(result)
        tally.seconds = time.monotonic() - started
        told(result)
        if enough():
            break
    return tally


def rows(tallies: Sequence[Tally]) -> list[list[Any]]:
    """A table by format."""
    kinds = list(Kind)
    head = ["format", *kinds, "natively by", "seconds"]
    return [head] + [
        [
            each.format,
            *(each.counts[kind] for kind in kinds),
            ", ".join(f"{name} {count}" for name, count in each.natives.most_common()) or "-",
            f"{each.seconds:.0f}",
        ]
        for each in tallies
    ]

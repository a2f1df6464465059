"""The warm process that inputs are tried in: ``python -m fuzzing.worker``.

One JSON line in asks for a run of numbers; one JSON line out tells of each, and an empty one that
the process is warm. It may die of an input, or hang: its parent knows by the lines that are
missing.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import resource
import shutil
import sys
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from fuzzing.cases import Case
from fuzzing.faults.keras_configs import CANARY
from fuzzing.formats import format_of
from fuzzing.outcomes import Kind, Result
from fuzzing.ways import WAYS, DishonestError, Gate, Most, checked, warm
from pytest_edgegate.core.errors import EdgeGateError

_PER_SESSION = 250
"""Inputs after which a new session begins, with an empty cache."""
_LINES = 30
"""Of a traceback, the last ones."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--formats", required=True)
    parser.add_argument("--memory", type=int, required=True, help="bytes")
    parser.add_argument("--timeout", type=float, required=True, help="seconds")
    given = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    _quiet(given.folder)
    _limit(given.memory)
    warnings.simplefilter("ignore")
    warm(given.formats.split(","))
    answers.write("\n")
    for line in sys.stdin:
        _serve(json.loads(line), given.folder, given.timeout, answers)


def _quiet(folder: Path) -> None:
    """What native code prints goes to a file; where it dies, to another."""
    printed = os.open(folder / "printed", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    faulthandler.enable((folder / "died").open("w"))


def _limit(memory: int) -> None:
    """A file of absurd sizes must not take the machine's memory; nor a crash its disk."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**32, 2**32))


def _serve(asked: dict[str, Any], folder: Path, timeout: float, answers: TextIO) -> None:
    desk = Desk(folder, timeout, Most(asked["opened"]))
    try:
        for number in asked["numbers"]:
            case = Case(format_of(asked["format"]), asked["seed"], number, asked.get("kept"))
            answers.write(json.dumps(desk.tried(case).as_dict()) + "\n")
    except Exception:  # noqa: BLE001 - the fuzzer's own fault is none of the input
        answers.write(json.dumps({"fault": traceback.format_exc()}) + "\n")
    finally:
        desk.close()


class Desk:
    """Takes inputs through a session, and looks at what they leave."""

    def __init__(self, folder: Path, timeout: float, most: Most) -> None:
        self._folder = folder
        self._timeout = timeout
        self._most = most
        self._gate: Gate | None = None
        self._taken = 0
        os.chdir(_emptied(folder / "cwd"))

    def tried(self, case: Case) -> Result:
        inputs = _emptied(self._folder / "inputs") / f"{case.number}"
        inputs.mkdir()
        draft, faults = case.make()
        path = draft.write(inputs)
        kind, text, detail = self._outcome(case, path)
        written = sorted(each.name for each in self._written())
        if written:
            kind, text = Kind.WROTE, f"{', '.join(written)}: {text}"
        return Result(case.number, kind, text[:300], detail, tuple(faults))

    def _written(self) -> list[Path]:
        """What an input has left in the working folder, or elsewhere under the canary's name."""
        found = list(Path.cwd().iterdir())
        for place in ("inputs", "tmp", "home"):
            # a walk takes no offence at scratch folders that go while it is under way
            for folder, _, names in os.walk(self._folder / place):
                found += [Path(folder, CANARY)] if CANARY in names else []
        _emptied(Path.cwd())
        for each in found:
            with suppress(OSError):
                each.unlink()
        return found

    def _outcome(self, case: Case, path: Path) -> tuple[Kind, str, str]:
        try:
            return Kind.VERDICT, WAYS[case.format.name](self._session(), path), ""
        except EdgeGateError as error:
            return *checked(error), ""
        except DishonestError as error:
            return Kind.UNCLEAR, str(error), ""
        except BaseException as error:  # noqa: BLE001 - that is what is looked for
            lines = "".join(traceback.format_exception(error)).splitlines()
            return Kind.TRACEBACK, _last(error), "\n".join(lines[-_LINES:])

    def _session(self) -> Gate:
        if self._gate is None or self._taken % _PER_SESSION == 0:
            self.close()
            self._gate = Gate(_emptied(self._folder / "session"), self._timeout, self._most)
        self._taken += 1
        return self._gate

    def close(self) -> None:
        if self._gate is not None:
            self._gate.close()


def _last(error: BaseException) -> str:
    """The exception, and the last line of the package that it passed."""
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if "pytest_edgegate" in frame.filename:
            place = f"{frame.filename.split('pytest_edgegate/')[-1]}:{frame.lineno} {frame.name}"
    said = " ".join(str(error).split())
    return f"{type(error).__name__} at {place}: {said}"


def _emptied(folder: Path) -> Path:
    """The folder, there and with nothing in it."""
    for each in folder.iterdir() if folder.exists() else ():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each, ignore_errors=True)
        else:
            with suppress(OSError):
                each.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    main()

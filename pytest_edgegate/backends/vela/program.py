"""Runs Vela in a process and a folder of its own, and tells how that ended."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pytest_edgegate.backends.tools import one_line
from pytest_edgegate.backends.vela.endings import ending
from pytest_edgegate.core.errors import CompressionError, ConfigurationError, UnsupportedError
from pytest_edgegate.spelling import spell_time
from pytest_edgegate.tidy.child import environment, spell_end
from pytest_edgegate.tidy.programs import run
from pytest_edgegate.tidy.scratch import SCRATCH

COMMAND = (sys.executable, "-u", "-P", "-m", "ethosu.vela")
"""Unbuffered, so that an exception stands behind all that was printed before it."""
TIME_LIMIT = 600
"""Seconds for one file: a MobileNet takes two, a program that hangs has to end."""
_SIGNALLED = 128
"""The supervisor of a program reports a signal as an exit status above this."""
_MODEL = "model"
"""The name of the copy that Vela is given; it does not show in what it makes."""
_ERROR = re.compile(
    r"^(?:error\b|fatal\b|traceback \(most recent|[\w.]*(?:Error|Exception): )", re.I
)
_OPTIONS = re.compile(r"^vela: error: (.*)")
"""The last line where the parser of the command line refuses the options."""


@dataclass(frozen=True)
class Made:
    """What Vela has left of one file."""

    folder: Path
    """With its tables."""
    compiled: Path
    printed: str


@contextmanager
def vela(
    path: Path,
    arguments: Sequence[str],
    command: Sequence[str] = COMMAND,
    time_limit: float = TIME_LIMIT,
) -> Iterator[Made]:
    """Compiles a copy of the file in a folder that goes with the context.

    Raises UnsupportedError for a file that Vela refuses; ConfigurationError for *arguments* that it
    does not take; CompressionError where it crashes, does not end within *time_limit* seconds, or
    leaves nothing.
    """
    by_hand = f"run it by hand to see more: {shlex.join(['vela', *arguments, path.name])}"
    with tempfile.TemporaryDirectory(prefix="vela-", dir=SCRATCH.folder()) as name:
        folder = Path(name)
        given = folder / f"{_MODEL}.tflite"
        shutil.copyfile(path, given)
        order = [*command, *arguments, "--output-dir", str(folder / "made"), str(given)]
        code, printed = _run(order, folder, path.name, time_limit, by_hand)
        printed = printed.replace(f"{folder}/", "")
        _check(code, printed, path.name, by_hand)
        compiled = folder / "made" / f"{_MODEL}_vela.tflite"
        if not compiled.is_file():
            raise CompressionError(
                f"vela ended without an error and without a compiled {path.name}"
                f"{_last_words(printed)}",
                by_hand,
            )
        yield Made(folder / "made", compiled, printed)


def _run(
    command: Sequence[str], folder: Path, name: str, time_limit: float, by_hand: str
) -> tuple[int, str]:
    """The exit status, and all that was printed."""
    with (folder / "printed.txt").open("w+b") as printed:
        try:
            code = run(command, folder, environment(), printed, time_limit)
        except subprocess.TimeoutExpired as error:
            raise CompressionError(
                f"vela did not finish {name} within {spell_time(time_limit)}, and was stopped",
                f"{by_hand}; a smaller model, or another memory_mode, may take it less time",
            ) from error
        printed.seek(0)
        return code, printed.read().decode("utf-8", "replace")


def _check(code: int, printed: str, name: str, by_hand: str) -> None:
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if code > _SIGNALLED:
        end = spell_end(_SIGNALLED - code)
        raise CompressionError(f"vela crashed on {name} ({end}){_last_words(printed)}", by_hand)
    raised = ending(printed) if code else None
    parsed = _OPTIONS.match(last) if code else None
    options = parsed[1] if parsed else "" if raised is None else raised.of_options
    if options:
        raise ConfigurationError(
            f"vela does not take the options of the target: {one_line(options)}",
            "correct tool.vela of the target; vela --list-configs Arm/vela.ini shows the sections "
            "of its own configuration file",
        )
    if raised is not None and raised.of_model:
        raise UnsupportedError(f"vela refuses {name}: {raised.spelt}", by_hand)
    if code:
        said = _last_words(printed)
        raise CompressionError(f"vela failed on {name} ({spell_end(code)}){said}", by_hand)
    fault = next((line for line in lines if _ERROR.match(line)), "")
    if fault:
        raise CompressionError(
            f"vela ended without a fault on {name}, and reports one: {one_line(fault)}", by_hand
        )


def _last_words(printed: str) -> str:
    """The exception that has ended Vela, or the last line."""
    raised = ending(printed)
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    if raised is not None:
        return f": {raised.spelt}"
    return f": {one_line(lines[-1])}" if lines else "; it printed nothing"

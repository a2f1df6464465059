"""Runs Coral's own edgetpu_compiler, which is proprietary and may or may not be on PATH."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_edgegate.backends.litert.edgetpu.log import CompilerLog, read_log
from pytest_edgegate.backends.tools import one_line
from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.errors import CompressionError
from pytest_edgegate.tidy.programs import run
from pytest_edgegate.tidy.scratch import SCRATCH

NAME = "edgetpu_compiler"
SUFFIX = "_edgetpu.tflite"
OLDEST = 14
"""The oldest version whose figures are taken: earlier ones leave more operators to the CPU."""
TIME_LIMIT = 600.0
"""Seconds for one compilation; the compiler ends itself after 180 seconds of its own."""
INSTALL = (
    "sudo apt-get install edgetpu-compiler (on x86-64 Debian, from the vendor's repository: "
    "https://coral.ai/docs/edgetpu/compiler/#download)"
)
"""How the compiler is installed."""
_BY_HAND = "run edgetpu_compiler -s on the file by hand; all that it printed is at --tb=long"
_MOST_PRINTED = 4_000_000
"""Bytes of its output that are read."""
_OWN_FOLDER = "edgetpu"
"""How the name of the package's own folder begins, in which its parts lie beside a small script."""


@dataclass(frozen=True)
class Compilation:
    """What one run of the compiler came to."""

    log: CompilerLog
    file: Path | None
    """The compiled file; None where it refused the model or mapped nothing."""


def installed() -> Path | None:
    """The program on PATH; None without one."""
    found = shutil.which(NAME)
    return None if found is None else Path(found)


def digest_of(program: Path) -> str:
    """The digest of a program that may be a script beside the parts that do its work."""
    real = program.resolve()
    parts = sorted(_parts(real.parent)) if real.parent.name.startswith(_OWN_FOLDER) else [real]
    named = (f"{each.relative_to(real.parent)} {file_digest(each)}" for each in parts)
    return hashlib.sha256("\n".join(named).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _parts(folder: Path) -> Iterator[Path]:
    return (each for each in folder.rglob("*") if each.is_file())


def compiled(program: Path, path: Path, out: Path, time_limit: float = TIME_LIMIT) -> Compilation:
    """Compiles a copy of the file at *path* in a folder of its own; what it writes goes to *out*.

    Raises CompressionError where the compiler fails otherwise than by refusing the model: it is too
    old, crashes, hangs, prints nothing, or says that it has compiled what it has not.
    """
    with tempfile.TemporaryDirectory(prefix="edgetpu-", dir=SCRATCH.folder()) as name:
        folder = Path(name)
        given = folder / "model.tflite"  # whatever the file is called: some names look like options
        given.write_bytes(path.read_bytes())
        code, text = _ran(program, folder, given, time_limit)
        log = read_log(text)
        _check_version(log, text)
        made = given.with_name(f"{given.stem}{SUFFIX}")
        if not log.refusal:
            _check_success(code, log, text)
        if log.refusal or not log.on_chip:
            return Compilation(log, None)
        if not made.is_file():
            raise _failed("says that it has compiled the file, and wrote none", text)
        kept = out / f"{path.stem}{SUFFIX}"
        kept.write_bytes(made.read_bytes())
    return Compilation(log, kept)


def _ran(program: Path, folder: Path, given: Path, time_limit: float) -> tuple[int, str]:
    """The exit status, and all that was printed."""
    command = [str(program), "-s", "-o", str(folder), str(given)]
    with (folder / "printed.txt").open("w+b") as printed:
        try:
            code = run(command, folder, _environment(folder), printed, time_limit)
        except subprocess.TimeoutExpired as error:
            raise CompressionError(
                f"{NAME} did not finish in {time_limit:g} seconds", _BY_HAND
            ) from error
        printed.seek(0)
        return code, printed.read(_MOST_PRINTED).decode("utf-8", "replace")


def _environment(folder: Path) -> dict[str, str]:
    """What programs need, and a home that is thrown away."""
    kept = {key: os.environ[key] for key in ("LANG", "LC_ALL", "PATH") if key in os.environ}
    return {**kept, "HOME": str(folder), "TMPDIR": str(folder)}


def _check_version(log: CompilerLog, text: str) -> None:
    if not text.strip():
        raise _failed("printed nothing", text)
    if not log.version:
        raise _failed(f"does not say its version: {_first_line(text)}", text)
    if int(log.version.partition(".")[0][:9]) < OLDEST:
        raise CompressionError(
            f"{NAME} {log.version} is too old: its figures are taken from version {OLDEST} on",
            INSTALL,
        )


def _check_success(code: int, log: CompilerLog, text: str) -> None:
    """The compiler ends with status 0 after errors, too."""
    if code:
        raise _failed(f"ended with exit status {code}: {_last_line(text)}", text)
    if log.on_chip is None or log.on_cpu is None:
        raise _failed(f"does not say how many operators it maps: {_last_line(text)}", text)


def _first_line(text: str) -> str:
    return one_line(text.strip().splitlines()[0])


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return one_line(lines[-1]) if lines else "it printed nothing"


def _failed(fault: str, text: str) -> CompressionError:
    error = CompressionError(f"{NAME} {fault}", _BY_HAND)
    error.__cause__ = RuntimeError(f"{NAME} printed:\n{text[-20_000:]}")
    return error

"""Runs Coral's own edgetpu_compiler, which is proprietary and may or may not be on PATH."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
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
_ELSEWHERE = (
    "run it on a machine that is faster, or has less to do, and more memory; or make the "
    "activations smaller"
)
_BY_HAND = "run edgetpu_compiler -s on the file by hand; all that it printed is at --tb=long"
_MOST_PRINTED = 4_000_000
"""Bytes of its output that are read."""
_PARTS = f"{NAME}_bin"
"""The folder beside the program that does its work: what its package puts on PATH is a script that
is the same for every version."""
TRIES = 3
"""For an internal error of the compiler, after which some models compile at another try."""
_RUNTIMES = range(10, 14)
"""The runtimes that a file is compiled for on demand. No version of the compiler takes older ones,
and 14 is what the newest compiles for by itself; older versions do not know it."""


@dataclass(frozen=True)
class Compilation:
    """What one run of the compiler came to."""

    log: CompilerLog
    file: Path | None
    """The compiled file; None where it refused the model or mapped nothing."""

    @property
    def settled(self) -> bool:
        """Whether another run would come to the same."""
        return not self.log.internal


def installed() -> Path | None:
    """The program on PATH; None without one."""
    found = shutil.which(NAME)
    return None if found is None else Path(found)


def digest_of(program: Path) -> str:
    """The digest of a program that may be a script beside the folder of parts that do its work."""
    real = program.resolve()
    folders = dict.fromkeys((program.parent / _PARTS, real.parent / _PARTS))
    named = [file_digest(real), *(part for folder in folders for part in _parts(folder))]
    return hashlib.sha256("\n".join(named).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _parts(folder: Path) -> Iterator[str]:
    """Each with what it holds. A link is known by where it leads, which may be anything."""
    for each in sorted(folder.rglob("*")):
        name = each.relative_to(folder).as_posix()
        if each.is_symlink():
            yield f"{name} -> {os.readlink(each)}"
        elif each.is_file():
            yield f"{name} {file_digest(each)}"


def compiled(
    program: Path, path: Path, out: Path, *, runtime: str = "", time_limit: float = TIME_LIMIT
) -> Compilation:
    """Compiles a copy of the file at *path* in a folder of its own; what it writes goes to *out*.

    *runtime*: the version of the runtime that has to load the file, where it is a number that the
    compiler takes.

    Raises CompressionError where the compiler fails otherwise than by refusing the model: it is too
    old, crashes, hangs, runs out of the time that it gives itself, prints nothing, or says that it
    has compiled what it has not.
    """
    found = _once(program, path, out, runtime, time_limit)
    for _ in range(TRIES - 1):
        if found.settled:
            break
        found = _once(program, path, out, runtime, time_limit)
    return found


def _once(program: Path, path: Path, out: Path, runtime: str, time_limit: float) -> Compilation:
    with tempfile.TemporaryDirectory(prefix="edgetpu-", dir=SCRATCH.folder()) as name:
        folder = Path(name)
        given = folder / "model.tflite"  # whatever the file is called: some names look like options
        given.write_bytes(path.read_bytes())
        code, text = _ran(
            [str(program), *_options(folder, runtime), str(given)], folder, time_limit
        )
        log = read_log(text)
        _check_version(log, text)
        if log.of_machine:
            raise _failed(f"did not come to an end here: {log.of_machine}", text, _ELSEWHERE)
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


def _options(folder: Path, runtime: str) -> tuple[str, ...]:
    asked = runtime.isdecimal() and len(runtime) < 3 and int(runtime) in _RUNTIMES
    return ("-s", "-o", str(folder), *(("-m", str(int(runtime))) if asked else ()))


def _ran(command: Sequence[str], folder: Path, time_limit: float) -> tuple[int, str]:
    """The exit status, and all that was printed, with the files in *folder* by their names."""
    with (folder / "printed.txt").open("w+b") as printed:
        try:
            code = run(command, folder, _environment(folder), printed, time_limit)
        except subprocess.TimeoutExpired as error:
            raise CompressionError(
                f"{NAME} did not finish in {time_limit:g} seconds", _BY_HAND
            ) from error
        printed.seek(0)
        text = printed.read(_MOST_PRINTED).decode("utf-8", "replace")
    return code, text.replace(f"{folder}{os.sep}", "")


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


def _failed(fault: str, text: str, remedy: str = _BY_HAND) -> CompressionError:
    error = CompressionError(f"{NAME} {fault}", remedy)
    error.__cause__ = RuntimeError(f"{NAME} printed:\n{text[-20_000:]}")
    return error

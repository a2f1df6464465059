"""Makes the folder of an emulated ARM Python. Nothing is installed, and nobody has to be root."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import TimeoutExpired

from filelock import FileLock, Timeout

from pytest_edgegate.core.errors import CompressionError, ConfigurationError, EdgeGateError
from pytest_edgegate.emulation import packages
from pytest_edgegate.emulation.emulator import Emulator
from pytest_edgegate.emulation.lacking import ELSEWHERE
from pytest_edgegate.emulation.packages import PYTHON
from pytest_edgegate.emulation.processors import PROCESSORS
from pytest_edgegate.emulation.sysroot import (
    MODULES,
    Sysroot,
    folder_of,
    installed_qemu,
    qemu_version,
)
from pytest_edgegate.tidy.programs import started

Told = Callable[[str], None]
"""Shows a line."""
_UNFINISHED = ".making-"
_LIMIT = 900.0
"""Seconds for one program: a slow line may need minutes."""
_ROOM = 700_000_000
"""Bytes on disk while it is made."""
_ASK_AGAIN = 1.0
_FIRST_FILE = 'dpkg-deb --fsys-tarfile "$1" 2> /dev/null | tar -x --occurrence=1 -C "$2" "./$3"'
_TRIAL = """
import importlib, importlib.metadata, json, platform, sys
for name in {modules!r}:
    importlib.import_module(name)
found = dict.fromkeys(each.metadata["Name"] for each in importlib.metadata.distributions())
versions = {{name.lower().replace("_", "-"): importlib.metadata.version(name) for name in found}}
print(json.dumps([platform.machine(), platform.python_version(), versions]))
"""
_IMPORTED = {**MODULES, "ai-edge-litert": "ai_edge_litert.interpreter"}
"""What is imported there of a package, to see that it loads."""
_OTHER_VERSIONS = re.compile(r"\(from versions: (?!none\))")
"""How pip says that a package has wheels for ARM, of other versions than the one asked for. It
finds none at all where it can't reach its index, too."""
_UNREACHED = re.compile(r"^WARNING: Retrying .*$", re.MULTILINE)
"""What pip says of an index that it can't reach: it then goes on as if that had nothing."""

Finish = Callable[[], str]
"""Waits for a program and returns what it printed. Raises ProgramError."""


class ProgramError(CompressionError):
    """A program has failed; ``printed`` is all that it said."""

    printed = ""


def make(versions: Mapping[str, str], within: Path, told: Told) -> Sysroot:
    """A new folder for an environment with these *versions*, in its place as a whole.

    A killed run leaves an unfinished folder, which the next one removes. Raises EdgeGateError.
    """
    at = folder_of(versions, within)
    try:
        within.mkdir(parents=True, exist_ok=True)
        with _alone(within, told):
            for each in within.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(each, ignore_errors=True)
            _check_room(within)
            made = within / f"{_UNFINISHED}{secrets.token_hex(4)}"
            try:
                made.mkdir()
                sysroot = _Making(made, versions, told).all()
                _replace(at, made)
            finally:
                shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise ConfigurationError(
            f"the folder can't be made in {within}: {error.strerror or error}",
            "name another place: --folder=/a/place/with/700/MB",
        ) from error
    return replace(sysroot, folder=at)


def _check_room(within: Path) -> None:
    free = shutil.disk_usage(within).free
    if free < _ROOM:
        raise ConfigurationError(
            f"{within} has {free // 1_000_000:,} MB left, and making the folder takes "
            f"{_ROOM // 1_000_000}",
            "free some of it, or name another place: --folder=/a/place/with/700/MB",
        )


@contextmanager
def _alone(within: Path, told: Told) -> Iterator[None]:
    """Waits for another run that makes a folder here."""
    lock, waits = FileLock(within / ".lock"), False
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_ASK_AGAIN)
        except Timeout:
            if not waits:
                told("waiting for another run of this command")
            waits = True
    try:
        yield
    finally:
        lock.release()


def _replace(at: Path, made: Path) -> None:
    """Puts the folder in its place; one that was there before is removed."""
    if at.exists():
        old = at.with_name(f"{_UNFINISHED}{secrets.token_hex(4)}")
        at.rename(old)
        made.rename(at)
        shutil.rmtree(old, ignore_errors=True)
    else:
        made.rename(at)


class _Making:
    """The steps for one folder."""

    def __init__(self, folder: Path, versions: Mapping[str, str], told: Told) -> None:
        self._folder = folder
        self._versions = versions
        self._told = told
        self._apt = folder / "apt"
        self._variables = {**os.environ, "LC_ALL": "C.UTF-8"}

    def all(self) -> Sysroot:
        with self._wheels() as wheels:  # takes as long as all of Debian's packages
            with self._step("lists of Debian's packages"):
                self._configure_apt()
                self._apt_get("update")
            with self._step("packages for arm64"):
                qemu = self._download()
            with self._step("unpacking"):
                system = self._unpack()
            with self._step(f"wheels: {_spelt(self._versions)}"):
                self._finish(wheels)
        with self._step("trying it on each processor"):
            self._write_roots()
            python, installed = self._try(qemu)
        shutil.rmtree(self._apt)
        found = Sysroot(self._folder, python, qemu, dict(self._versions), installed, system)
        found.write()
        if os.path.isabs(qemu):
            self._told(f"the emulator is that of this system: {qemu}; elsewhere, one on PATH")
        self._tell_others(installed)
        return found

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self._told(f"{what}: {time.monotonic() - start:.1f} s")

    def _configure_apt(self) -> None:
        for each in packages.APT_FOLDERS:
            (self._apt / each).mkdir(parents=True)
        (self._apt / "status").touch()
        native = self._run(["dpkg", "--print-architecture"]).strip()
        text = packages.APT_CONFIGURATION.format(native=native, apt=self._apt)
        (self._apt / "apt.conf").write_text(text)
        self._variables["APT_CONFIG"] = str(self._apt / "apt.conf")
        self._native = native

    def _apt_get(self, *arguments: str) -> None:
        self._run(["apt-get", "-q", *arguments], self._apt / "debs")

    def _download(self) -> str:
        """Downloads the packages, which apt verifies; returns the path of qemu."""
        wanted = [f"{each}:arm64" for each in packages.ARM_PACKAGES]
        own = self._qemu_of_system()
        if own is None:
            wanted.append(f"{packages.QEMU_PACKAGE}:{self._native}")
        self._apt_get("download", *wanted)
        return own or f"host/{packages.QEMU_FILE}"

    def _qemu_of_system(self) -> str | None:
        """The installed one, if it knows the processors."""
        own = installed_qemu()
        if own is None:
            return None
        try:
            known = self._run([own, "-cpu", "help"]).split()
        except EdgeGateError:
            return None
        return own if set(PROCESSORS) <= set(known) else None

    def _unpack(self) -> dict[str, str]:
        """Unpacks what was downloaded; returns the versions by package."""
        versions = {}
        for each in sorted((self._apt / "debs").glob("*.deb")):
            name, version, _ = each.name.split("_")
            versions[name] = version.replace("%3a", ":")
            if name == packages.QEMU_PACKAGE:
                self._unpack_qemu(each)
            else:
                self._run(["dpkg-deb", "-x", str(each), str(self._folder / "root")])
        return versions

    def _unpack_qemu(self, package: Path) -> None:
        """The first of the 40 emulators in the package; the others are not unpacked."""
        host = self._folder / "host"
        host.mkdir()
        self._run(["sh", "-c", _FIRST_FILE, "sh", str(package), str(host), packages.QEMU_FILE])

    @contextmanager
    def _wheels(self) -> Iterator[Finish]:
        """Starts to take the wheels of the versions of this environment."""
        with self._started(self._pip(*self._pinned.values())) as finish:
            yield finish

    @property
    def _pinned(self) -> dict[str, str]:
        return {name: f"{name}=={version}" for name, version in self._versions.items()}

    def _finish(self, wheels: Finish) -> None:
        """A version that has no wheel for ARM becomes the newest that has."""
        try:
            wheels()
        except ProgramError as error:
            if _UNREACHED.search(error.printed):
                raise
            lacking = [name for name, each in self._pinned.items() if self._has_others_only(each)]
            if not lacking:
                raise
            asked = (name if name in lacking else each for name, each in self._pinned.items())
            self._run(self._pip(*asked))

    def _has_others_only(self, requirement: str) -> bool:
        try:
            self._run(self._pip(requirement, "--no-deps", "--dry-run"))
        except ProgramError as error:
            if _UNREACHED.search(error.printed):
                raise
            return bool(_OTHER_VERSIONS.search(error.printed))
        return False

    def _pip(self, *requirements: str) -> list[str]:
        # modules are compiled by the Python that takes them, which may be another than that there
        own = f"{sys.version_info.major}.{sys.version_info.minor}"
        compiled = () if own == PYTHON else ("--no-compile",)
        platforms = [word for each in packages.PLATFORMS for word in ("--platform", each)]
        version = PYTHON.replace(".", "")
        return [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-input", "--target", str(self._folder / "site"), *compiled),
            *("--only-binary=:all:", *platforms, "--python-version", PYTHON),
            *("--implementation", "cp", "--abi", f"cp{version}", "--abi", "abi3"),
            *("--abi", "none", *requirements, *packages.OF_WORKERS),
        ]

    def _write_roots(self) -> None:
        """One folder for each processor, which stands for ``/`` there; all share the packages."""
        for name, processor in PROCESSORS.items():
            root = self._folder / "cpu" / name
            (root / "proc").mkdir(parents=True)
            (root / "proc" / "cpuinfo").write_text(processor.cpuinfo)
            for each in sorted((self._folder / "root").iterdir()):
                (root / each.name).symlink_to(Path("../../root") / each.name)

    def _try(self, qemu: str) -> tuple[str, dict[str, str]]:
        """The versions of Python and of all packages, as the emulated Pythons tell them.

        This leaves compiled modules behind, so that later starts are quick.
        """
        trial = Sysroot(self._folder, "", qemu, {}, {}, {})
        qemu_version(trial.program)
        with ExitStack() as stack:  # side by side
            every = [stack.enter_context(self._trial(trial, each)) for each in PROCESSORS]
            told = [_told_by(finish) for finish in every]
        return told[0]

    @contextmanager
    def _trial(self, trial: Sysroot, processor: str) -> Iterator[Finish]:
        """Starts a Python on one processor that tells its versions."""
        emulator = Emulator(trial, processor)
        code = _TRIAL.format(modules=[_IMPORTED[each] for each in self._versions])
        command = [*emulator.command(), "-P", "-c", code]
        with self._started(command, None, emulator.environment()) as finish:
            yield finish

    def _tell_others(self, installed: Mapping[str, str]) -> None:
        for name, version in self._versions.items():
            if installed.get(name) != version:
                self._told(
                    f"caution: {name} {version} of this environment has no wheel for aarch64 and "
                    f"Python {PYTHON}: it is {installed.get(name)} there"
                )

    def _run(self, command: Sequence[str], folder: Path | None = None) -> str:
        """What a program prints. Raises ProgramError with its last words."""
        with self._started(command, folder) as finish:
            return finish()

    @contextmanager
    def _started(
        self,
        command: Sequence[str],
        folder: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Iterator[Finish]:
        """A program that runs beside this one until it has finished, or this is left."""
        given = self._variables if variables is None else variables
        with (
            tempfile.TemporaryFile() as printed,
            started(command, folder or self._folder, given, printed) as program,
        ):

            def finish() -> str:
                try:
                    status = program.wait(_LIMIT)
                except TimeoutExpired:
                    status = -1
                    printed.write(f"no end within {_LIMIT:g} s".encode())
                printed.seek(0)
                text = printed.read().decode("utf-8", "replace")
                if status:
                    raise _failed(command, status, text)
                return text

            yield finish


def _failed(command: Sequence[str], status: int, text: str) -> ProgramError:
    name = " ".join(Path(each).name for each in command[:3])
    error = ProgramError(
        f"{name} failed ({status}): {_last_words(text)}",
        "look at the line that it names (network, package sources), and run the command again",
    )
    error.printed = text
    return error


def _told_by(finish: Finish) -> tuple[str, dict[str, str]]:
    """The versions of Python and of all packages that a trial tells."""
    machine, python, versions = json.loads(finish().splitlines()[-1])
    if machine != "aarch64":
        raise CompressionError(f"the emulated Python is of {machine}", ELSEWHERE)
    return str(python), dict(versions)


def _spelt(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _last_words(text: str) -> str:
    """The lines in which a program says what is wrong, or else its last one; of what it could not
    reach first."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    faults = [line for line in lines if line.startswith(("E:", "ERROR", "Error", "qemu"))]
    told = (faults or lines[-1:] or ["it printed nothing"])[-3:]
    return "; ".join([*_UNREACHED.findall(text)[-1:], *told])[:600]

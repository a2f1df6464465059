"""The folder of an emulated ARM Python: where it lies, what it has, and what it lacks."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pytest_edgegate.core.environment import version
from pytest_edgegate.core.errors import BackendUnavailableError, EdgeGateError

COMMAND = "python -m pytest_edgegate sysroot"
"""The line to type for a folder."""
VARIABLE = "EDGEGATE_SYSROOT"
"""The environment variable that names another place for such folders."""
PYTHON = "3.11"
"""The Python of Debian 12."""
LAYOUT = 1
"""Incremented whenever a folder has to be made again."""
_MANIFEST = "sysroot.json"
_NUMPY = "numpy"
_DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {
    _NUMPY: (_NUMPY,),
    "ai-edge-litert": ("ai-edge-litert",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "onnx": ("onnx",),
}
"""The packages of the emulated Python, by the distributions that have them here."""
RUNTIMES = {"ai-edge-litert": ("ai-edge-litert",), "onnxruntime": ("onnxruntime", "onnx")}
"""What a runtime needs there beside numpy."""


class EmulatorUnavailableError(BackendUnavailableError):
    """There is no emulated Python that a runtime could run in."""

    def __init__(self, message: str, remedy: str = COMMAND) -> None:
        EdgeGateError.__init__(self, message, remedy)


@dataclass(frozen=True)
class Sysroot:
    """A whole folder. ``qemu`` is a path in it, or an absolute one of this system."""

    folder: Path
    python: str
    qemu: str
    wanted: Mapping[str, str]
    """The versions that the user's environment had."""
    packages: Mapping[str, str]
    """The versions that are there."""
    system: Mapping[str, str]
    """The versions of Debian's packages: results depend on libc's functions, too."""

    @property
    def program(self) -> Path:
        return self.folder / self.qemu

    @property
    def site(self) -> Path:
        return self.folder / "site"

    def root(self, processor: str) -> Path:
        """The folder that stands for ``/``."""
        return self.folder / "cpu" / processor

    def interpreter(self, processor: str) -> Path:
        return self.root(processor) / "usr" / "bin" / f"python{PYTHON}"

    def missing(self, processor: str) -> Path | None:
        """The first of its files that is not there."""
        needed = (
            self.program,
            self.interpreter(processor),
            self.root(processor) / "proc" / "cpuinfo",
            self.site / _NUMPY / "__init__.py",
        )
        return next((each for each in needed if not each.is_file()), None)

    @property
    def emulator(self) -> str:
        """The version of qemu, which may be the system's and change with it."""
        return qemu_version(self.program)

    @property
    def identity(self) -> dict[str, object]:
        """Everything in it that affects results."""
        return {
            "qemu": self.emulator,
            "python": self.python,
            "packages": dict(self.packages),
            "system": dict(self.system),
        }

    def write(self) -> None:
        """Writes what a later session reads of the folder."""
        said = {"layout": LAYOUT, **asdict(self)}
        said.pop("folder")
        text = json.dumps(said, indent=1, sort_keys=True, default=dict) + "\n"
        (self.folder / _MANIFEST).write_text(text, "utf-8")

    @classmethod
    def read(cls, folder: Path) -> Sysroot:
        """Raises OSError or ValueError for a folder that is not whole."""
        said = json.loads((folder / _MANIFEST).read_text("utf-8"))
        if not isinstance(said, dict) or said.pop("layout", None) != LAYOUT:
            raise ValueError("it was made by another version of pytest-edgegate")
        try:
            return cls(folder=folder, **said)
        except TypeError as error:
            raise ValueError(f"{_MANIFEST} is malformed") from error


@functools.cache
def qemu_version(program: Path) -> str:
    """The version that qemu tells. Raises EmulatorUnavailableError."""
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise EmulatorUnavailableError(f"{program} does not tell its version: {error}") from error
    return said.partition("\n")[0].strip().removeprefix("qemu-aarch64 version ")


def wanted() -> dict[str, str]:
    """The versions that this environment has of the packages of the emulated Python."""
    found = {name: _installed(each) for name, each in _DISTRIBUTIONS.items()}
    return {name: text for name, text in found.items() if text}


def _installed(distributions: tuple[str, ...]) -> str:
    return next(filter(None, map(version, distributions)), "")


def place() -> Path:
    """The folder of such folders: one for all projects of this user."""
    named = os.environ.get(VARIABLE, "")
    if named:
        return Path(named).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if os.path.isabs(cache) else Path("~/.cache").expanduser()
    return base / "pytest-edgegate" / "sysroot"


def folder_of(versions: Mapping[str, str], within: Path) -> Path:
    """The folder for an environment with these versions: each has its own."""
    named = "-".join(f"{name}-{versions[name]}" for name in _DISTRIBUTIONS if name in versions)
    return within / f"python{PYTHON}-{named}"


def found(runtime: str, processor: str) -> Sysroot:
    """The folder that runs a *runtime* (by its distribution) on a processor.

    Raises EmulatorUnavailableError.
    """
    versions, within = wanted(), place()
    what = f"{runtime} on an emulated {processor} needs an ARM Python"
    folder = folder_of(versions, within)
    if not folder.is_dir():
        others = sorted(each.name for each in within.glob("python*")) if within.is_dir() else []
        other = f" (there are others: {', '.join(others[-3:])})" if others else ""
        raise EmulatorUnavailableError(f"{what}, which is not made yet in {folder}{other}")
    try:
        sysroot = Sysroot.read(folder)
    except (OSError, ValueError) as error:
        raise EmulatorUnavailableError(f"{what}; {folder} is not whole: {error}") from error
    missing = sysroot.missing(processor)
    if missing is not None:
        raise EmulatorUnavailableError(f"{what}; {folder} is not whole: there is no {missing}")
    lacking = [each for each in RUNTIMES[runtime] if each not in sysroot.packages]
    if lacking:
        raise EmulatorUnavailableError(f"{what}; {folder} has no {' and no '.join(lacking)}")
    return sysroot

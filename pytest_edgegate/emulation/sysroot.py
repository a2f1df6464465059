"""The folder of an emulated ARM Python: where it lies, what it has, and what it lacks."""

from __future__ import annotations

import csv
import functools
import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pytest_edgegate.core.environment import version
from pytest_edgegate.core.errors import BackendUnavailableError, EdgeGateError
from pytest_edgegate.emulation.packages import PYTHON, QEMU

COMMAND = "python -m pytest_edgegate sysroot"
"""The line to type for a folder; it makes one that is not whole anew."""
AGAIN = f"{COMMAND} --again"
"""The line for one whose files are all there, and that does not run."""
VARIABLE = "EDGEGATE_SYSROOT"
"""The environment variable that names another place for such folders."""
LAYOUT = 1
"""Incremented whenever a folder has to be made again."""
_MANIFEST = "sysroot.json"
_BEGINNING = f"python{PYTHON}-"
"""How the names of folders begin."""
_NUMPY = "numpy"
_DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {
    _NUMPY: (_NUMPY,),
    "ai-edge-litert": ("ai-edge-litert",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "onnx": ("onnx",),
}
"""The packages of the emulated Python, by the distributions that have them here."""
MODULES = {
    _NUMPY: "numpy",
    "ai-edge-litert": "ai_edge_litert",
    "onnxruntime": "onnxruntime",
    "onnx": "onnx",
    "filelock": "filelock",
}
"""The folders of packages that are imported there."""
RUNTIMES = {"ai-edge-litert": ("ai-edge-litert",), "onnxruntime": ("onnxruntime", "onnx")}
"""What a runtime needs there beside numpy."""


class EmulatorUnavailableError(BackendUnavailableError):
    """There is no emulated Python that a runtime could run in."""

    def __init__(self, message: str, remedy: str = COMMAND) -> None:
        EdgeGateError.__init__(self, message, remedy)


@dataclass(frozen=True)
class Sysroot:
    """A folder. ``qemu`` is a path in it, or an absolute one of the system that made it."""

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
        """The emulator: one of the system is looked for by its name where it lies elsewhere now."""
        stored = self.folder / self.qemu
        if not os.path.isabs(self.qemu) or stored.is_file():
            return stored
        return Path(installed_qemu() or stored)

    @property
    def site(self) -> Path:
        return self.folder / "site"

    def root(self, processor: str) -> Path:
        """The folder that stands for ``/``."""
        return self.folder / "cpu" / processor

    def interpreter(self, processor: str) -> Path:
        return self.root(processor) / "usr" / "bin" / f"python{PYTHON}"

    def fault(self, processor: str) -> str:
        """What keeps it from running on a processor, as far as the names of its files tell; empty
        if it is whole."""
        if not self.program.is_file():
            return f"there is no {self.program}" + (
                f", nor a {QEMU} on PATH" if os.path.isabs(self.qemu) else ""
            )
        there = (each for name, each in MODULES.items() if name in self.packages)
        needed = (
            self.interpreter(processor),
            self.root(processor) / "proc" / "cpuinfo",
            *(self.site / each / "__init__.py" for each in there),
        )
        missing = next((each for each in needed if not each.is_file()), None)
        return "" if missing is None else f"there is no {missing}"

    def damage(self) -> str:
        """What is wrong with the files of its wheels, by the sizes that each of them lists."""
        for record in sorted(self.site.glob("*.dist-info/RECORD")):
            rows = csv.reader(record.read_text("utf-8", "replace").splitlines())
            for name, _, size in (row for row in rows if len(row) == 3):
                if name.startswith("..") or not size.isdecimal():
                    continue  # a script in another folder, or a compiled module
                file = self.site / name
                if not file.is_file():
                    return f"there is no {file}"
                if file.stat().st_size != int(size) and file != record:
                    return f"{file} has another size"
        return ""

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
        if said.keys() != {"python", "qemu", "wanted", "packages", "system"}:
            raise ValueError(f"{_MANIFEST} is malformed")
        for key in ("python", "qemu"):
            if not isinstance(said[key], str) or not said[key]:
                raise _malformed(key, said[key])
        for key in ("wanted", "packages", "system"):
            if not _are_versions(said[key]):
                raise _malformed(key, said[key])
        if _NUMPY not in said["packages"]:
            raise _malformed("packages", said["packages"])
        return cls(folder=folder, **said)


def _are_versions(said: Any) -> bool:
    return isinstance(said, dict) and bool(said) and all(isinstance(x, str) for x in said.values())


def _malformed(key: str, said: Any) -> ValueError:
    return ValueError(f"{_MANIFEST} is malformed: {key} is {json.dumps(said)[:60]}")


def installed_qemu() -> str | None:
    """The emulator of this system."""
    return shutil.which(QEMU) or shutil.which(f"{QEMU}-static")


@functools.cache
def qemu_version(program: Path) -> str:
    """The version that qemu tells. Raises EmulatorUnavailableError."""
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise EmulatorUnavailableError(f"{program} does not tell its version: {error}") from error
    told = said.partition("\n")[0].strip().removeprefix("qemu-aarch64 version ")
    if not told:
        raise EmulatorUnavailableError(f"{program} does not tell its version: it printed nothing")
    return told


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
        return place_at(Path(named))
    cache = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if os.path.isabs(cache) else Path("~/.cache").expanduser()
    return base / "pytest-edgegate" / "sysroot"


def place_at(named: Path) -> Path:
    """The place that a user means: that of a folder itself is the one that it lies in."""
    at = named.expanduser().absolute()
    is_folder = (at / _MANIFEST).is_file() or at.name.startswith(f"{_BEGINNING}{_NUMPY}-")
    return at.parent if is_folder else at


def folder_of(versions: Mapping[str, str], within: Path) -> Path:
    """The folder for an environment with these versions: each has its own."""
    named = "-".join(f"{name}-{versions[name]}" for name in _DISTRIBUTIONS if name in versions)
    return within / f"{_BEGINNING}{named}"


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
    fault = sysroot.fault(processor)
    if fault:
        raise EmulatorUnavailableError(f"{what}; {folder} is not whole: {fault}")
    lacking = [each for each in RUNTIMES[runtime] if each not in sysroot.packages]
    if lacking:
        raise EmulatorUnavailableError(f"{what}; {folder} has no {' and no '.join(lacking)}")
    return sysroot


def fault_of(folder: Path, versions: Mapping[str, str], processors: Iterable[str]) -> str:
    """What is wrong with a folder for an environment with these *versions*; empty if it is whole.

    It is looked at file by file, which takes longer than ``found``.
    """
    try:
        sysroot = Sysroot.read(folder)
        faults = [sysroot.fault(each) for each in processors]
        fault = next(filter(None, faults), "") or sysroot.damage()
        if fault:
            return fault
        qemu_version(sysroot.program)
    except EdgeGateError as error:
        return error.message
    except (OSError, ValueError) as error:
        return str(error)
    lacking = [name for name in versions if name not in sysroot.packages]
    return f"it has no {' and no '.join(lacking)}" if lacking else ""

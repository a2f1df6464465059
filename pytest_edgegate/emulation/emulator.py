"""Starts the emulated Python as a worker, on a pair of pipes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest_edgegate
from pytest_edgegate.emulation.sysroot import Sysroot
from pytest_edgegate.tidy.child import Child, start_interpreter
from pytest_edgegate.tidy.scratch import SCRATCH

_PACKAGE = """
import importlib.util, sys
found = importlib.util.spec_from_file_location(
    "pytest_edgegate", {folder!r} + "/__init__.py", submodule_search_locations=[{folder!r}])
package = sys.modules["pytest_edgegate"] = importlib.util.module_from_spec(found)
found.loader.exec_module(package)
"""
"""Makes this package, and nothing else of this host's import path, importable."""
_SERVE = "from pytest_edgegate.workers.serve import main; main()"
_KEPT = ("HOME", "LANG", "PATH", "PYTEST_XDIST_WORKER_COUNT")
"""Variables that the emulated process is given: no path to libraries of this host."""
SLOWER = 5.0
"""How many times longer than here a call may take before it counts as a hang."""


class Emulator:
    """``Launcher`` of Pythons on one emulated processor."""

    shares_files = True
    slower = SLOWER

    def __init__(self, sysroot: Sysroot, processor: str) -> None:
        self._sysroot = sysroot
        self._processor = processor

    def start(self) -> Child:
        folder = str(Path(pytest_edgegate.__file__).parent)
        return start_interpreter(
            self.command(), self.environment(), _SERVE, before=_PACKAGE.format(folder=folder)
        )

    def command(self) -> list[str]:
        """The emulated Python, without the folders of packages below this host's ``/usr``."""
        root = self._sysroot.root(self._processor)
        python = self._sysroot.interpreter(self._processor)
        qemu = (str(self._sysroot.program), "-cpu", self._processor, "-L", str(root))
        return [*qemu, str(python), "-s", "-S"]

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {**kept, "PYTHONPATH": str(self._sysroot.site), **SCRATCH.environment()}

"""A harness that runs pytest on a folder of files, for tests of code that builds on the gate."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run of pytest: its exit status, its output, its folder."""

    status: int
    output: str
    folder: Path


@dataclass(frozen=True)
class Example:
    """The files of a small project, immutable; each run uses a fresh folder::

    Example({"test_a.py": "def test_a(): ..."}).run_pytest(tmp_path, "--edge-target=coral")
    """

    files: Mapping[str, str | bytes] = field(default_factory=dict)
    python: str = sys.executable
    """The program that runs pytest."""

    def with_files(self, files: Mapping[str, str | bytes]) -> Example:
        """A new example with these files added or replaced."""
        return replace(self, files={**self.files, **files})

    def write(self, folder: Path) -> Path:
        """Writes the files below *folder*."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return folder

    def run_pytest(
        self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None
    ) -> Outcome:
        """Runs pytest on the files in a separate process."""
        self.write(folder)
        ran = subprocess.run(
            [self.python, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=folder,
            env={**os.environ, **(env or {})},
            text=True,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return Outcome(ran.returncode, ran.stdout, folder)

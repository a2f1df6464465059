"""What git knows of the folder of accepted entries; without git, nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_PATIENCE = 10.0
"""Seconds that git may take; its answers are for show."""
_HARMLESS = ("-c", "core.fsmonitor=false", "-c", "log.showSignature=false")
"""Nothing that a repository configures is run for it."""
_QUIET = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


class History:
    """The repository that a folder lies in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def head(self) -> str:
        """The commit that is checked out; empty without one."""
        return self._asked("rev-parse", "--verify", "HEAD").strip()

    def is_dirty(self) -> bool:
        """Whether files that git knows were changed since."""
        asked = ("status", "--porcelain", "--untracked-files=no", "--ignore-submodules")
        return bool(self._asked(*asked).strip())

    def first(self, file: Path) -> str:
        """The content of a file as it was first committed under its name; empty without one."""
        named = os.path.relpath(file, self._folder)
        asked = ("log", "--diff-filter=A", "--format=%H", "--", named)
        commits = self._asked(*asked).split()
        return self._asked("cat-file", "blob", f"{commits[-1]}:./{named}") if commits else ""

    def _asked(self, *arguments: str) -> str:
        """The answer of git; empty where it has none."""
        command = ["git", *_HARMLESS]
        try:
            done = subprocess.run(
                [*command, *arguments],
                cwd=self._folder,
                env={**os.environ, **_QUIET},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PATIENCE,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""

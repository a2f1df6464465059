"""Locates external programs and their versions without running them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_edgegate.core.digests import file_digest
from pytest_edgegate.core.errors import ConfigurationError
from pytest_edgegate.core.ports import ExternalProgram


class Programs:
    """Finds programs by ini keys, or else on PATH."""

    def __init__(self, named: Mapping[str, str], root: Path) -> None:
        self._named = named
        self._root = root

    def find(self, program: ExternalProgram) -> Path:
        """The program's file. Raises ConfigurationError with the commands that install it."""
        named = self._named.get(program.name, "")
        found = shutil.which(str(self._root / Path(named).expanduser()) if named else program.name)
        if found is None:
            where = f"ini edge_{program.name}: {named}" if named else f"no {program.name} on PATH"
            raise ConfigurationError(
                f"{program.purpose} needs the program {program.name}, which is not here ({where})",
                program.remedy,
            )
        return Path(found)

    def versions(self, programs: Sequence[ExternalProgram]) -> dict[str, str]:
        """The versions that affect their results, for the cache key."""
        return {each.name: _version(self.find(each), each.name) for each in programs}


def _version(path: Path, name: str) -> str:
    """The installed packages beside a script of a Python environment, or else its digest."""
    real = path.resolve()
    folders = real.parent.parent.glob("lib/python3.*/site-packages/*.dist-info")
    installed = sorted(folder.name.removesuffix(".dist-info") for folder in folders)
    own = name.replace("-", "_") + "-"
    version = next((each for each in installed if each.startswith((own, f"{name}-"))), None)
    if version is None:
        return file_digest(real)[:16]
    packages = hashlib.sha256("\n".join(installed).encode()).hexdigest()
    return f"{version} {packages[:16]}"

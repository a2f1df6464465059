"""What fixtures in a new ``conftest.py`` override, read from the source of what is there already.

pytest takes a fixture from the nearest ``conftest.py``, so a new one changes what the tests beside
it and below it are run with. Nothing is imported.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from pytest_edgegate.commands.first_files import CONFTEST

_ROOTS = (".git", "pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini")
"""A folder with one of these is the last one whose ``conftest.py`` is considered."""
_SKIPPED = ("node_modules", "venv", "__pycache__")


@dataclass(frozen=True)
class Overridden:
    """A ``conftest.py`` above the new one, whose fixtures no longer apply there."""

    conftest: Path
    fixtures: tuple[str, ...]


def overridden_in(folder: Path, fixtures: Set[str]) -> Overridden | None:
    """The nearest ``conftest.py`` above the folder that has one of the fixtures."""
    for each in _folders_above(Path(os.path.realpath(folder))):
        names = tuple(sorted(fixtures & set(_fixtures_of(each / CONFTEST))))
        if names:
            return Overridden(each / CONFTEST, names)
    return None


def tests_in(folder: Path) -> Path | None:
    """A file with tests in the folder or below it, by pytest's default names."""
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not _is_left_out(Path(at), each))
        for name in sorted(files):
            if name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py")):
                return Path(at, name)
    return None


def _is_left_out(at: Path, name: str) -> bool:
    return name.startswith(".") or name in _SKIPPED or (at / name / "pyvenv.cfg").exists()


def _folders_above(folder: Path) -> Iterator[Path]:
    if _is_root(folder):
        return
    for each in folder.parents:
        yield each
        if _is_root(each):
            return


def _is_root(folder: Path) -> bool:
    return any((folder / name).exists() for name in _ROOTS)


def _fixtures_of(conftest: Path) -> Iterator[str]:
    """The names of its functions that a fixture could have; none if it can't be read."""
    try:
        tree = ast.parse(conftest.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return  # pytest itself will say what is wrong with it
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (_name_in(each) for each in node.decorator_list if _name_in(each))
            yield node.name


def _name_in(decorator: ast.expr) -> str:
    """The name that ``@pytest.fixture(name=...)`` gives."""
    if not isinstance(decorator, ast.Call):
        return ""
    given = (each.value for each in decorator.keywords if each.arg == "name")
    value = next(given, None)
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""

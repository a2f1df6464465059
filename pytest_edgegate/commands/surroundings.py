"""What new files in a folder meet in the project around it. Nothing is imported.

pytest takes a fixture from the nearest ``conftest.py``, so a new one changes what the tests beside
it and below it are run with; and by default it imports test files without a package by their bare
names, so that two of one name can't be collected in one run.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from pytest_edgegate.commands.first_files import CONFTEST, TEST_FILE

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
    for each in _files_below(folder):
        if each.suffix == ".py" and (each.name.startswith("test_") or each.stem.endswith("_test")):
            return each
    return None


def free_test_file(folder: Path) -> str:
    """The name for a test file there, which no other test file of the project has.

    Without a file that marks the root of a project, it is the folder that the command is run in.
    """
    real, here = Path(os.path.realpath(folder)), Path.cwd()
    top = real if _is_root(real) else next(filter(_is_root, real.parents), None)
    if top is None:
        top = here if real.is_relative_to(here) else real
    others = {each.name for each in _files_below(top) if each.parent != real}
    if TEST_FILE not in others:
        return TEST_FILE
    words = re.sub(r"\W+", "_", real.name.lower()).strip("_") or "model"
    names = (f"test_edge_{words}{at}.py" for at in ("", *map(str, range(2, 1_000))))
    return next(name for name in names if name not in others)


def _files_below(folder: Path) -> Iterator[Path]:
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not _is_left_out(Path(at), each))
        yield from (Path(at, name) for name in sorted(files))


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

"""``init``: a ``conftest.py`` and a test file, made from a model and its data.

The files are read as the gate reads them, and nothing is run: no ``conftest.py``, no tool, no
framework.
"""

from __future__ import annotations

import os
import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_edgegate.commands.first_files import (
    CONFTEST,
    Subject,
    files_for,
    fixtures_in,
)
from pytest_edgegate.commands.surroundings import (
    Overridden,
    free_test_file,
    overridden_in,
    tests_in,
)
from pytest_edgegate.core.errors import ConfigurationError, EdgeGateError, StorageError
from pytest_edgegate.reading.regular import is_there
from pytest_edgegate.storage.placing import place_new

if TYPE_CHECKING:
    from pytest_edgegate.core.ports import SourceModel
    from pytest_edgegate.core.target import Target
    from pytest_edgegate.data.npz import NpzContent
    from pytest_edgegate.registry import Registry

_T = TypeVar("_T")
_PROJECT = "pyproject.toml"


def add_to(parser: ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("--model", metavar="FILE", type=Path, help="the model under test")
    parser.add_argument(
        "--data", metavar="FILE", type=Path, help="an .npz with x and y, as for --edge-data"
    )
    parser.add_argument(
        "--target", metavar="NAME,...", default="", help="the targets to gate for, checked here"
    )
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", type=Path, default=Path(), help="where to write them"
    )
    parser.set_defaults(run=run)


def run(given: Namespace) -> int:
    """Writes the files, and prints their names and what to type. Raises EdgeGateError."""
    folder: Path = given.folder
    name = free_test_file(folder)
    _refuse_existing(folder, name)
    targets = [each.strip() for each in given.target.split(",") if each.strip()]
    content = files_for(replace(_looked_at(given, targets), test_file=name))
    overridden = overridden_in(folder, fixtures_in(content[CONFTEST]))
    if overridden is not None:
        _refuse_tests_below(folder, overridden)
    _write(folder, content)
    for name, text in content.items():
        print(f"wrote {_typed(str(folder / name))} ({text.count(chr(10))} lines)")
    if overridden is not None:
        print(f"in {_typed(str(folder))}, {_what_no_longer_applies(overridden)}")
    print(_next_step(given, targets))
    return 0


def _looked_at(given: Namespace, targets: list[str]) -> Subject:
    """What the files are about. Raises EdgeGateError for a file that the gate would refuse."""
    from pytest_edgegate.registry import Registry

    registry, folder = Registry(), Path(os.path.realpath(given.folder))
    wanted = _said_of("--target", lambda: _targets(targets, folder, registry))
    subject = Subject()
    if given.model is not None:
        model = _said_of("--model", lambda: _model(given.model, registry, wanted))
        subject = subject.with_model(_seen_from(folder, given.model), model)
    if given.data is not None:
        subject = subject.with_data(
            _seen_from(folder, given.data), _said_of("--data", lambda: _data(given.data))
        )
    return subject


def _targets(names: list[str], folder: Path, registry: Registry) -> list[Target]:
    from pytest_edgegate.settings.boards import find_target

    above = (folder, *folder.parents)
    root = next((each for each in above if (each / _PROJECT).is_file()), folder)
    return [find_target(name, root, registry) for name in names]


def _model(path: Path, registry: Registry, targets: list[Target]) -> SourceModel:
    """Raises ConfigurationError, UnsupportedError for a file that can't be gated."""
    from pytest_edgegate.planner import no_road
    from pytest_edgegate.session.intake.recognition import Recogniser

    model = Recogniser(Path.cwd(), registry).model(_existing(path))
    transforms = registry.all("transform")
    refusals = (no_road(model, target, transforms) for target in targets)
    refusal = next((each for each in refusals if each is not None), None)
    if refusal is not None:
        raise refusal
    return model


def _data(path: Path) -> NpzContent:
    from pytest_edgegate.data.dataset import Dataset
    from pytest_edgegate.data.npz import read_npz

    content = read_npz(_existing(path))
    Dataset(content.data).check()
    return content


def _existing(path: Path) -> Path:
    if not is_there(path):
        raise ConfigurationError(
            f"{_typed(str(path))} does not exist", "give a path from the folder that you are in"
        )
    return path.absolute()


def _said_of(option: str, look: Callable[[], _T]) -> _T:
    """What *look* returns; its errors name the option."""
    try:
        return look()
    except EdgeGateError as error:
        error.message = f"{option}: {error.message}"
        raise


def _seen_from(folder: Path, path: Path) -> str:
    """The path as the files in the folder name it; links on the way to it are followed."""
    real = Path(os.path.realpath(path.parent), path.name)
    return Path(os.path.relpath(real, folder)).as_posix()


def _refuse_existing(folder: Path, test_file: str) -> None:
    """Raises ConfigurationError if a file would have to be replaced."""
    if os.path.lexists(folder) and not folder.is_dir():
        raise ConfigurationError(f"{_typed(str(folder))} is no folder", "name a folder to write to")
    there = [name for name in (CONFTEST, test_file) if os.path.lexists(folder / name)]
    if there:
        raise _not_replaced(folder, there)


def _not_replaced(folder: Path, names: list[str]) -> ConfigurationError:
    are = "are" if len(names) > 1 else "is"
    shown = " and ".join(_typed(str(folder / name)) for name in names)
    return ConfigurationError(
        f"{shown} {are} there already, and init replaces no file: nothing was written",
        "name another folder: python -m pytest_edgegate init ... DIR; fixtures and tests can be "
        "moved from there by hand",
    )


def _refuse_tests_below(folder: Path, overridden: Overridden) -> None:
    """Raises ConfigurationError if tests would be run with another model or other data."""
    tests = tests_in(folder)
    if tests is not None:
        raise ConfigurationError(
            f"{_what_no_longer_applies(overridden)} to the tests that are there, such as "
            f"{_typed(str(tests))}: nothing was written",
            "name a new folder: python -m pytest_edgegate init ... DIR",
        )


def _what_no_longer_applies(overridden: Overridden) -> str:
    names = " and ".join(overridden.fixtures)
    it, applies = ("it", "applies") if len(overridden.fixtures) == 1 else ("they", "apply")
    shown = _typed(os.path.relpath(overridden.conftest))
    return f"a {CONFTEST} here overrides {names} of {shown}: {it} no longer {applies}"


def _write(folder: Path, content: Mapping[str, str]) -> None:
    """All files or none. Raises ConfigurationError, StorageError."""
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in content.items():
            place_new(folder / name, text.encode("utf-8"))
            written.append(folder / name)
    except OSError as error:
        for each in written:
            each.unlink(missing_ok=True)
        if isinstance(error, FileExistsError) and folder.is_dir():
            raise _not_replaced(
                folder, [Path(str(error.filename2 or error.filename)).name]
            ) from error
        raise StorageError(
            f"{_typed(str(folder))} can't be written to: {error.strerror}",
            "name a folder that can be: python -m pytest_edgegate init ... DIR",
        ) from error


def _next_step(given: Namespace, targets: list[str]) -> str:
    """What to type next, and before it what is left to fill in."""
    missing = [
        fixture
        for fixture, path in (("edge_model", given.model), ("edge_data", given.data))
        if path is None
    ]
    command = _command(str(given.folder), f"pytest --edge-target={','.join(targets) or 'host'}")
    if not missing:
        return f"now type: {command}"
    conftest = _typed(str(given.folder / CONFTEST))
    return f"now fill in {' and '.join(missing)} in {conftest}; then type: {command}"


def _command(folder: str, pytest: str) -> str:
    """The call of pytest for a folder, some of whose names it would take for something else."""
    if folder == os.curdir:
        return pytest
    if "[" in folder or "::" in folder or folder.startswith("-"):
        return f"cd -- {_typed(folder)} && {pytest} ."
    return f"{pytest} {_typed(folder)}"


def _typed(text: str) -> str:
    """As a shell takes it; characters that a terminal obeys are escaped."""
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(map(_in_ansi_c, text)) + "'"


def _in_ansi_c(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"

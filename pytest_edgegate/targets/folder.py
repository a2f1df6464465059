"""Folders of target files: the built-in one, and those of packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from errno import ENOTDIR
from functools import cache
from importlib import import_module, resources
from typing import TYPE_CHECKING

from pytest_edgegate.core.target import Target
from pytest_edgegate.reading.foreign import foreign

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_ENDING = ".toml"


class TargetFolder(Mapping[str, Target]):
    """The targets in the folder of a package, named after their files.

    Listing opens no file. Access raises ConfigurationError for an invalid file.
    """

    def __init__(self, package: str) -> None:
        """*package* may be in a zip archive.

        Raises ConfigurationError if it can't be imported, or is not a folder.
        """
        with foreign(f"the targets in {package} can't be listed", "install that package again"):
            files = _files_of(package)
        self._files = {
            each.name.removesuffix(_ENDING): each for each in files if each.name.endswith(_ENDING)
        }

    def __getitem__(self, name: str) -> Target:
        return _read(name, self._files[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _files_of(package: str) -> list[Traversable]:
    module = import_module(package)
    if not hasattr(module, "__path__"):
        raise NotADirectoryError(ENOTDIR, "it is a module, not a folder")
    return list(resources.files(module).iterdir())


@cache
def built_in() -> TargetFolder:
    """The targets of this package."""
    return TargetFolder(__package__)


def _read(name: str, file: Traversable) -> Target:
    import tomllib

    from pytest_edgegate.targets.parse import target_from_table

    with foreign(f"the target file {file.name} can't be read", "fix the file"):
        table = tomllib.loads(file.read_text("utf-8"))
    return target_from_table(name, table, origin=file.name)

"""Maps names to objects through entry points. Listing loads nothing; objects load on first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    ConfigurationError,
    UnknownNameError,
)

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from pytest_edgegate.core.ports import Reporter

KINDS = {
    "target": "pytest_edgegate.targets",
    "model reader": "pytest_edgegate.readers",
    "transform": "pytest_edgegate.transforms",
    "runtime": "pytest_edgegate.runtimes",
    "inspector": "pytest_edgegate.inspectors",
    "tool": "pytest_edgegate.tools",
    "device": "pytest_edgegate.devices",
}

Load = Callable[[], Any]


class WantedReport(NamedTuple):
    """A report file to write when the run ends."""

    reporter: Reporter
    path: Path

    def is_at(self, path: Path) -> bool:
        """Whether it would replace a report there; a device takes any number of them."""
        return self.path.absolute() == path.absolute() and (path.is_file() or not path.exists())


class Registry:
    """Everything that backends, packages and a conftest.py contribute.

    A conftest.py or a plugin contributes in ``pytest_edgegate_register(registry, config)``::

        registry.add("runtime", "my-runtime", MyRuntime())
        registry.reporter("csv", CsvReporter(), config.getoption("--verdicts-csv"))

    Targets may also be files: those of this package are found by listing its folder, and an entry
    point that names a package without an attribute (``boards = "my_package.boards"``) contributes
    every target file in the folder of that package, named after the files.
    """

    def __init__(self) -> None:
        self._reporters: dict[str, WantedReport | None] = {}
        self._own: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
        self._entries: dict[str, dict[str, EntryPoint]] = {}
        self._loaded: dict[tuple[str, str], Any] = {}

    def add(self, kind: str, name: str, thing: object) -> None:
        """Registers *thing*, which takes precedence over an installed one of that kind and name."""
        if kind not in KINDS:
            raise UnknownNameError("kind of extension", kind, KINDS)
        self._own[kind][name] = thing

    def reporter(self, name: str, reporter: Reporter, path: str | PathLike[str] | None) -> None:
        """Has *reporter* write the verdicts to *path* when the run ends; None disables it.

        A relative path starts at the folder where pytest was started. Raises ConfigurationError
        if the name or the path is taken, or *reporter* has no method ``write``.
        """
        wanted = self.wanted_reports.items()
        same = next((other for other, each in wanted if path and each.is_at(Path(path))), None)
        if same is not None:
            raise ConfigurationError(
                f"the reports {same!r} and {name!r} are both to be written to {path}",
                "give each of them a file of its own",
            )
        if name in self._reporters:
            raise ConfigurationError(
                f"two reporters are registered under the name {name!r}",
                "give one of them another name, or turn its plugin off with -p no:NAME",
            )
        if not callable(getattr(reporter, "write", None)):
            raise ConfigurationError(
                f"the reporter {name!r} has no method write",
                "register an object with the method write(path, run)",
            )
        self._reporters[name] = None if path is None else WantedReport(reporter, Path(path))

    @property
    def wanted_reports(self) -> dict[str, WantedReport]:
        """The reports to write when the run ends, by name, sorted."""
        return {name: asked for name, asked in sorted(self._reporters.items()) if asked}

    def names(self, kind: str) -> list[str]:
        """The names of one kind, sorted; loads nothing but packages of target files."""
        return sorted({*self._own[kind], *self._found(kind)})

    def get(self, kind: str, name: str) -> Any:
        """The object; its module is loaded on first use."""
        if name in self._own[kind]:
            return self._own[kind][name]
        if (kind, name) not in self._loaded:
            load = self._found(kind).get(name)
            if load is None:
                raise UnknownNameError(kind, name, self.names(kind))
            try:
                self._loaded[kind, name] = load()
            except ImportError as error:
                raise BackendUnavailableError(
                    error.name or str(error), f"the {kind} {name}", "all"
                ) from error
        return self._loaded[kind, name]

    def all(self, kind: str) -> dict[str, Any]:
        """Every object of one kind, by name."""
        return {name: self.get(kind, name) for name in self.names(kind)}

    def entry(self, kind: str, name: str) -> str | None:
        """``module:attribute`` of an installed object; None for one registered by a conftest.py."""
        installed = self._installed(kind).get(name)
        return None if name in self._own[kind] or installed is None else str(installed.value)

    def _found(self, kind: str) -> Mapping[str, Load]:
        """A loader for each installed object."""
        if kind == "target":
            return self._targets
        return {name: entry.load for name, entry in self._installed(kind).items()}

    @cached_property
    def _targets(self) -> Mapping[str, Load]:
        """Loaders of target files and entry points; a built-in name can't be overridden."""
        from pytest_edgegate.targets.folder import TargetFolder, built_in

        found: dict[str, Load] = {}
        for name, entry in self._installed("target").items():
            if entry.attr:
                found[name] = entry.load
            else:
                found |= _files(TargetFolder(entry.module))
        return found | _files(built_in())

    def _installed(self, kind: str) -> dict[str, EntryPoint]:
        if not self._entries:
            from importlib.metadata import entry_points

            found = entry_points()
            self._entries = {
                each: {entry.name: entry for entry in found.select(group=group)}
                for each, group in KINDS.items()
            }
        return self._entries[kind]


def _files(folder: Mapping[str, Any]) -> dict[str, Load]:
    return {name: partial(folder.__getitem__, name) for name in folder}

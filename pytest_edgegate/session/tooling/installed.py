"""Looks up the tools that targets name: whether they are installed and read a format."""

from __future__ import annotations

from pathlib import Path

from pytest_edgegate.core.errors import BackendUnavailableError, nearest
from pytest_edgegate.core.progress import Progress, silent
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import Absent, Tool
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.intake.foreign_files import converting
from pytest_edgegate.session.tooling.own_program import OwnProgram


class InstalledTools:
    """Finds tools by name; the version of each is determined once per run."""

    def __init__(self, registry: Registry, root: Path, progress: Progress = silent) -> None:
        """*root*: the folder that commands of the user's own start in."""
        self._progress = progress
        self._own: dict[tuple[str, str], OwnProgram] = {}
        self._registry = registry
        self._root = root
        self._versions: dict[tuple[str, str], str | None] = {}

    def find(self, name: str, form: str, target: Target) -> Tool | Absent:
        """The tool, if it is installed and reads files of the format *form*."""
        found = self._registered(name, target)
        if isinstance(found, Absent):
            return found
        if form not in found.formats:
            reads = " and ".join(found.formats)
            return Absent(
                f"{name} reads {reads} files, not {form}",
                f"name a tool for {form} files in tools of the target {target.name}",
            )
        return self.named(name, target)

    def named(self, name: str, target: Target) -> Tool | Absent:
        """The tool, if it is installed."""
        found = self._registered(name, target)
        if not isinstance(found, Absent) and self.version(name, found, target) is None:
            reason = f"{name}, which reports it for {target.title}, is not installed"
            return Absent(reason, found.remedy)
        return found

    def reports(self, name: str, metric: str, target: Target) -> bool:
        """Whether it is a tool that reports *metric* where it is installed."""
        found = self._registered(name, target)
        return not isinstance(found, Absent) and metric in found.metrics

    def version(self, name: str, tool: Tool, target: Target) -> str | None:
        """The version of the tool's program or package; None if it is not installed.

        Raises CompressionError if the tool can't say.
        """
        key = (name, target.name if name in target.programs else "")
        if key not in self._versions:
            with converting(f"asking {name} for its version"):
                self._versions[key] = tool.version()
        return self._versions[key]

    def _command(self, name: str, target: Target) -> OwnProgram:
        """The same one for the whole run: it asks for its version once."""
        at = (name, target.name)
        if at not in self._own:
            self._own[at] = OwnProgram(name, target, self._root, self._progress)
        return self._own[at]

    def _registered(self, name: str, target: Target) -> Tool | Absent:
        if name in target.programs:
            return self._command(name, target)
        known = self._registry.names("tool")
        if name not in known:
            return Absent(
                f"{target.name} names the tool {name!r}{nearest(name, known)}, and nothing "
                "installed brings it",
                "install the package that brings it, name another one in tools (or latency.source) "
                f"of the target, or give its table tool.{name} a command",
            )
        try:
            found: Tool = self._registry.get("tool", name)
        except BackendUnavailableError as error:
            return Absent(error.message, error.remedy)
        return found

"""What GitHub shows of a run: annotations beside the lines of tests, and the summary of the job."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_edgegate.core.printable import printable, printable_line
from pytest_edgegate.core.record import ErrorRecord, RunRecord, VerdictRecord
from pytest_edgegate.reports.failure import summary_of, worst_first
from pytest_edgegate.reports.markdown_page import drawn
from pytest_edgegate.reports.table import artifact_of
from pytest_edgegate.systems.files import NOT_WAITING

MOST = 10
"""GitHub shows no more annotations of one step."""
_SUMMARY_BYTES = 1024 * 1024
"""GitHub refuses the whole summary of a step that is larger."""
_LEAST = 2_000
"""The bytes below which a summary is not worth writing."""


@dataclass(frozen=True)
class Github:
    """The job that a run belongs to."""

    workspace: Path | None
    """The folder of the repository."""
    summary: Path | None
    """The file of the step's summary."""

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Github | None:
        """The job, by the variables of its environment; None elsewhere."""
        if variables.get("GITHUB_ACTIONS") != "true":
            return None
        workspace, summary = (
            Path(value) if (value := variables.get(name)) else None
            for name in ("GITHUB_WORKSPACE", "GITHUB_STEP_SUMMARY")
        )
        return cls(workspace, summary)

    def annotations(self, run: RunRecord, root: Path) -> list[str]:
        """A workflow command for each verdict and error, red ones first, MOST at most.

        *root*: pytest's root folder, which places in the record are relative to.
        """
        commands = [*self._commands(run, root)]
        left = len(commands) - MOST
        more = [f"({left:,} more of the edge gate have no annotation)"] if left > 0 else []
        return [*commands[:MOST], *more]

    def _commands(self, run: RunRecord, root: Path) -> Iterator[str]:
        verdicts = worst_first(run.verdicts)
        red: list[VerdictRecord | ErrorRecord] = [each for each in verdicts if each.red]
        red += [each for each in run.errors if each.red]
        yield from (self._command("error", each, root) for each in red)
        allowed = (each for each in verdicts if each.allowed)
        yield from (self._command("warning", each, root) for each in allowed)

    def _command(self, kind: str, of: VerdictRecord | ErrorRecord, root: Path) -> str:
        file, line = self._place(of, root)
        properties = {"file": file, "line": line, "title": _title(of)}
        spelt = ",".join(f"{key}={_property(text)}" for key, text in properties.items() if text)
        return f"::{kind} {spelt}::{_data(_message(of))}"

    def _place(self, of: VerdictRecord | ErrorRecord, root: Path) -> tuple[str, str]:
        """(file, line) of a record: the file relative to the repository."""
        file, _, line = of.place.rpartition(":")
        if not line.isdecimal():
            file, line = of.place or of.test.partition("::")[0], ""
        path = root / file
        if not path.is_file():  # a file of a model has no lines
            return "", ""
        if self.workspace is not None:
            for folder, one in ((self.workspace, path), (_real(self.workspace), _real(path))):
                if one.is_relative_to(folder):
                    return one.relative_to(folder).as_posix(), line
        return file, line

    def write_summary(self, run: RunRecord) -> str:
        """Appends the Markdown report to the summary; returns what is wrong if that fails."""
        if self.summary is None:
            return ""
        try:
            _append(self.summary, run)
        except (OSError, ValueError) as error:  # ValueError: a path with a null byte
            return printable_line(f"the summary of the job was not written: {error}")
        return ""


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _append(path: Path, run: RunRecord) -> None:
    """Raises OSError. Nothing waits: a pipe without a reader would block for ever."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | NOT_WAITING
    descriptor = os.open(path, flags, 0o644)
    with os.fdopen(descriptor, "ab") as opened:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(f"{path} is no regular file")
        room = _SUMMARY_BYTES - found.st_size - 2
        if room < _LEAST:
            raise OSError(f"{found.st_size:,} bytes are in it, and GitHub takes 1 MiB")
        text = drawn(run, min(room, _SUMMARY_BYTES // 2))
        opened.write(f"\n{text}\n".encode())


def _title(of: VerdictRecord | ErrorRecord) -> str:
    if isinstance(of, ErrorRecord):
        return "edge gate: error"
    about = ", ".join(filter(None, (of.target, artifact_of(of))))
    return printable_line(f"edge gate: {of.budget.metric} ({about})")


def _message(of: VerdictRecord | ErrorRecord) -> str:
    """What broke, by how much, the probable cause and what to do, in as many lines."""
    if isinstance(of, ErrorRecord):
        lines: Sequence[str] = (of.message, of.remedy)
    else:
        reason = of.full_reason if of.allowed else summary_of(of)
        cause = f"probably: {of.cause}" if of.cause else ""
        lines = (reason, cause, f"next: {of.remedy}" if of.remedy else "")
    return printable("\n".join(filter(None, (*lines, of.test.replace("\n", "\\n")))))


def _data(text: str) -> str:
    """The message of a workflow command, as GitHub's toolkit escapes it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """The value of a property of a workflow command."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")

"""Figures from the tools of a target; each tool runs once per content and is then cached."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pytest_edgegate.core.artifact import Artifact
from pytest_edgegate.core.budget import MAPPED_OPS, kind_of
from pytest_edgegate.core.diagnosis import Diagnosis
from pytest_edgegate.core.errors import (
    BackendUnavailableError,
    CompressionError,
    EdgeGateWarning,
    InferenceError,
    UnsupportedError,
)
from pytest_edgegate.core.evidence import ANY_EVIDENCE, INI_KEY, Evidence
from pytest_edgegate.core.measurement import Finding, Measurement, NotMeasured
from pytest_edgegate.core.progress import Progress, silent
from pytest_edgegate.core.target import Target
from pytest_edgegate.core.tools import (
    Absent,
    ComparesWithSource,
    Compiled,
    Figure,
    KnowsSources,
    MayPredict,
    Placed,
    Tool,
    check_compiled,
)
from pytest_edgegate.registry import Registry
from pytest_edgegate.session.intake.foreign_files import converting
from pytest_edgegate.session.tooling.installed import InstalledTools
from pytest_edgegate.session.tooling.kept_answer import KeptAnswer, kept, passing
from pytest_edgegate.session.tooling.own_program import OwnProgram
from pytest_edgegate.storage.cache import Cache, key_of

_VERSION = 4
"""Incremented whenever the format of a cached answer changes, or what a tool makes of the same."""
_FAILURES = (BackendUnavailableError, CompressionError, InferenceError, UnsupportedError)


@dataclass(frozen=True)
class Unplaced:
    """Why it is not known which operators of a file run on the chip."""

    reason: str
    remedy: str
    because: Literal["missing", "failed", "silent"]
    """The tool is not here, or does not read such files; it is, and has failed; it has run, and
    says nothing of them."""


@dataclass(frozen=True)
class _Question:
    """An installed tool, and the file to analyse."""

    name: str
    tool: Tool
    version: str | None
    artifact: Artifact
    target: Target
    source: Artifact | None = None
    """The file that the artifact was compiled from, for a tool that compares the two."""

    @property
    def title(self) -> str:
        return f"{self.name} on {self.artifact.path.name}"

    @property
    def key(self) -> str:
        """Raises CompressionError where the tool can't say its options."""
        with converting(f"asking {self.name} for its options"):
            options = dict(self.tool.options(self.target))
        return key_of(
            kind="tool",
            version=_VERSION,
            artifact=self.artifact.digest,
            source=None if self.source is None else self.source.digest,
            tool=self.name,
            tool_version=self.version,
            options=options,
        )

    def ask(self, out: Path) -> Compiled:
        """Runs the tool. Raises CompressionError or another edgegate error."""
        with converting(self.title):
            answer = self._asked(out)
            check_compiled(self.name, self.tool, answer, out)
        return answer

    def _asked(self, out: Path) -> Compiled:
        if isinstance(self.tool, OwnProgram):
            return self.tool.ask(self.artifact.main, self.artifact.content)
        if self.source is not None and isinstance(self.tool, ComparesWithSource):
            return self.tool.compare(self.artifact.main, self.source.main, self.target, out)
        return self.tool.compile(self.artifact.main, self.target, out)


class Tooling:
    """Runs the tools that targets name, through the cache."""

    def __init__(
        self,
        registry: Registry,
        cache: Cache,
        root: Path,
        progress: Progress = silent,
        evidence: Evidence = ANY_EVIDENCE,
    ) -> None:
        """*root*: the folder that commands of the user's own start in."""
        self._evidence = evidence
        self._installed = InstalledTools(registry, root, progress)
        self._cache = cache
        self._progress = progress
        self._answers: dict[str, KeptAnswer | Absent] = {}
        self._warned: set[Absent] = set()

    def finding(
        self, metric: str, artifact: Artifact, target: Target, source: Artifact | None = None
    ) -> Finding | None:
        """The figure of the tool that *target* names for *metric*; None if it names none.

        *source*: the file that a compiled artifact was compiled from. Not measured if the tool is
        not installed, fails, has no such figure of this file, or only predicts one where the user
        asks for the vendor's.
        Raises CompressionError if it can't say its version or options, StorageError.
        """
        name = target.tools.get(metric)
        if name is None:
            return None
        question = self._question(name, artifact, target, source)
        if isinstance(question, Absent):
            return _not_measured(question)
        if metric not in question.tool.metrics:
            return _not_measured(
                _of_other_metrics(question.name, question.tool, metric, question.target)
            )
        found = _finding(metric, self._answer(question), question)
        if isinstance(found, Measurement) and self._evidence.refuses(found.source, target.name):
            told = f"{found.value:g} by {found.source}"
            return _of_evidence(told, question.name, question.tool)
        return found

    def only_predicted(
        self, found: Measurement, artifact: Artifact, target: Target
    ) -> NotMeasured | None:
        """Not measured if our rules alone have *found* what stays on the CPU, and the vendor's
        evidence is asked for."""
        if not self._evidence.refuses(found.source, target.name):
            return None
        told = f"what stays on the CPU, by {found.source}"
        name = target.tools.get(MAPPED_OPS)
        if name is None or name in target.programs:
            return NotMeasured(
                f"{INI_KEY} asks for the vendor's evidence, and {told}, is all there is: no tool "
                f"of the vendor is named for {MAPPED_OPS} of {target.name}",
                f"name one in its tools (tools.{MAPPED_OPS}), or take {INI_KEY} out for it",
            )
        failed = self.unplaced(artifact, target)
        if failed is not None and failed.because != "silent":
            return NotMeasured(failed.reason, failed.remedy)
        tool = self._installed.find(name, artifact.format, target)
        if isinstance(tool, Absent):
            return _not_measured(tool)
        return _of_evidence(told, name, tool)

    def not_from(self, compiled: Artifact, source: Artifact, target: Target) -> str:
        """Why a compiled file was not compiled from *source*; empty where no tool of the target
        says so."""
        for name in dict.fromkeys(target.tools.values()):
            tool = None if name in target.programs else self._installed.named(name, target)
            if isinstance(tool, KnowsSources):
                with converting(f"{name} on {compiled.path.name}"):
                    fault = tool.not_from(compiled.main, source.main)
                if fault:
                    return fault
        return ""

    def absent(
        self, metric: str, form: str, target: Target, *, made: bool = False
    ) -> NotMeasured | None:
        """The finding if the tool that *target* names for *metric* can't report it of any file.

        *made*: of any that the gate makes, which no vendor has compiled. None if it may, or if the
        target names no tool. Raises CompressionError if the tool can't say its version.
        """
        name = target.tools.get(metric)
        if name is None:
            return None
        tool = self._installed.find(name, form, target)
        if isinstance(tool, Absent):
            return _not_measured(tool)
        if metric not in tool.metrics:
            return _not_measured(_of_other_metrics(name, tool, metric, target))
        source = tool.predicts() if made and isinstance(tool, MayPredict) else ""
        if self._evidence.refuses(source, target.name):
            return _of_evidence(source, name, tool)
        return None

    def check(self, target: Target) -> None:
        """Raises ConfigurationError for a target with a table that one of its tools can't be run
        with. Runs none, but may ask for its version; without a tool, its table is not looked at."""
        for name in dict.fromkeys(target.tools.values()):
            if name in target.programs:
                continue  # its table was read with the target
            tool = self._installed.named(name, target)
            if not isinstance(tool, Absent):
                with converting(f"asking {name} for its options"):
                    tool.options(target)

    def unplaced(self, artifact: Artifact, target: Target) -> Unplaced | None:
        """Why no tool of the target has said which operators of a file run on the chip; None if
        one has, or if the target names no tool for mapped_ops.

        A command of the user's own tells their share, and places none: where the target names one
        for mapped_ops, its other tools are asked.
        """
        name = target.tools.get(MAPPED_OPS)
        if name is None or name not in target.programs:
            return None if name is None else self._unplaced_by(name, artifact, target)
        if self.placed(artifact, target) is not None:
            return None
        others = [
            self._unplaced_by(each, artifact, target)
            for each in dict.fromkeys(target.tools.values())
            if each not in target.programs and self._installed.reports(each, MAPPED_OPS, target)
        ]
        if None in others:
            return None
        found = {each.because: each for each in others if each is not None}
        nobody = Unplaced(
            f"{name} tells their share at most, and no tool of {target.name} which they are",
            f"gate mapped_ops, or name a compiler of that chip in tools of {target.name}, too",
            "silent",
        )
        return found.get("failed") or found.get("missing") or found.get("silent") or nobody

    def _unplaced_by(self, name: str, artifact: Artifact, target: Target) -> Unplaced | None:
        question = self._question(name, artifact, target)
        if isinstance(question, Absent):
            return Unplaced(question.reason, question.remedy, "missing")
        if MAPPED_OPS not in question.tool.metrics:
            other = _of_other_metrics(name, question.tool, MAPPED_OPS, target)
            return Unplaced(other.reason, other.remedy, "missing")
        answer = self._answer(question)
        if isinstance(answer, Absent):
            return Unplaced(answer.reason, answer.remedy, "failed")
        figure = answer.figures.get(MAPPED_OPS) or _left_out(question, MAPPED_OPS)
        if answer.placed is not None or isinstance(figure, Figure):
            return None
        return Unplaced(figure.reason, figure.remedy, "silent")

    def diagnosis(
        self, metric: str, artifact: Artifact, target: Target, source: Artifact | None = None
    ) -> Diagnosis | None:
        """The tool's explanation of *metric*; None without a tool."""
        if metric not in target.tools:
            return None
        question = self._question(target.tools[metric], artifact, target, source)
        answer = question if isinstance(question, Absent) else self._answer(question)
        figure = answer.figures.get(metric) if isinstance(answer, KeptAnswer) else None
        if not isinstance(figure, Figure):
            return Diagnosis()
        return Diagnosis(figure.details, remedy=figure.remedy)

    def compiled(self, artifact: Artifact, target: Target) -> Artifact:
        """The artifact with its compiled file for the target's device, if a tool compiles it.

        The first of the target's tools that compiles a file counts. A missing tool is reported
        where its figures are needed; a failing one causes a warning.
        """
        for _, answer in self._answers_of(artifact, target):
            if answer.files:
                return replace(artifact, compiled=answer.files[0])
        return artifact

    def placed(self, artifact: Artifact, target: Target) -> Placed | None:
        """What a vendor's compiler says of the artifact's operators; None if no tool runs one."""
        answers = (answer.placed for _, answer in self._answers_of(artifact, target))
        return next(filter(None, answers), None)

    def remarks(
        self, artifact: Artifact, target: Target, source: Artifact | None = None
    ) -> tuple[str, ...]:
        """What the target's tools found in the artifact, each with its name."""
        answers = self._answers_of(artifact, target, source)
        return tuple(f"{name}: {answer.remark}" for name, answer in answers if answer.remark)

    def _answers_of(
        self, artifact: Artifact, target: Target, source: Artifact | None = None
    ) -> Iterator[tuple[str, KeptAnswer]]:
        """The answers of the target's tools that give one; a failing one causes a warning.

        A command of the user's own has figures only, and may take minutes: a budget asks for them.
        """
        for name in dict.fromkeys(target.tools.values()):
            if name in target.programs:
                continue
            question = self._question(name, artifact, target, source)
            answer = None if isinstance(question, Absent) else self._given(question)
            if answer is not None:
                yield name, answer

    def _question(
        self, name: str, artifact: Artifact, target: Target, source: Artifact | None = None
    ) -> _Question | Absent:
        tool = self._installed.find(name, artifact.format, target)
        if isinstance(tool, Absent):
            return tool
        version = self._installed.version(name, tool, target)
        compares = source if isinstance(tool, ComparesWithSource) else None
        return _Question(name, tool, version, artifact, target, compares)

    def _given(self, question: _Question) -> KeptAnswer | None:
        answer = self._answer(question)
        if isinstance(answer, KeptAnswer):
            return answer
        if answer not in self._warned:
            self._warned.add(answer)
            warnings.warn(f"{answer.reason}; {answer.remedy}", EdgeGateWarning, stacklevel=2)
        return None

    def _answer(self, question: _Question) -> KeptAnswer | Absent:
        """The tool's answer; an Absent if it failed, which is remembered for this run only."""
        key = question.key
        if key not in self._answers:
            try:
                self._answers[key] = self._through_cache(key, question)
            except _FAILURES as error:
                self._answers[key] = Absent(error.message, error.remedy)
        return self._answers[key]

    def _through_cache(self, key: str, question: _Question) -> KeptAnswer:
        def work(folder: Path) -> Mapping[str, Any]:
            self._progress(question.title, 0, None)
            answer = question.ask(folder)
            if not answer.settled:
                raise _UnsettledError(answer)
            return kept(answer, folder)

        try:
            return self._cache.fetch(key, work, KeptAnswer.read)
        except _UnsettledError as error:
            return passing(error.answer)


class _UnsettledError(Exception):
    """Ends the making of a cache entry, for an answer that is none."""

    def __init__(self, answer: Compiled) -> None:
        super().__init__()
        self.answer = answer


def _finding(metric: str, answer: KeptAnswer | Absent, question: _Question) -> Finding:
    if isinstance(answer, Absent):
        return _not_measured(answer)
    figure = answer.figures.get(metric) or _left_out(question, metric)
    if isinstance(figure, Absent):
        return _not_measured(figure)
    is_time = kind_of(metric).rule == "latency"
    timed = is_time and figure.source.startswith("tool:")
    return Measurement(
        figure.value,
        figure.source,
        cached=answer.cached,
        computed=not timed,
        estimated=is_time and not timed,
        aggregate=timed,
        undecided=_OF_RUNS if timed else "",
        undecided_remedy=_JUDGED if timed else "",
        remark=figure.remark,
    )


_OF_RUNS = "one time without the noise of the runs that it was taken from"
_JUDGED = "judge it by its value: run with --edge-policy=point"


def _of_evidence(predicted: str, name: str, tool: Tool) -> NotMeasured:
    """Of a figure that is only *predicted*, where the user asks for the vendor's."""
    return NotMeasured(
        f"{name} only predicts it here ({predicted}), and {INI_KEY} asks for the vendor's own "
        "figure",
        tool.remedy,
    )


def _not_measured(absent: Absent) -> NotMeasured:
    return NotMeasured(absent.reason, absent.remedy)


def _of_other_metrics(name: str, tool: Tool, metric: str, target: Target) -> Absent:
    return Absent(
        f"{name} does not report {metric} for {target.title}",
        f"gate one of {', '.join(tool.metrics)} instead",
    )


def _left_out(question: _Question, metric: str) -> Absent:
    allow = f"--edge-allow-unmeasured={question.target.name}:{metric}"
    return Absent(
        f"{question.name} reports no {metric} for this file",
        f"take the budget out, or run with {allow}",
    )
